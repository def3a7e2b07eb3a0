"""What a request must pass before it is answered: the key, the rate, the size of its body. And its time is taken."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from export.http.metrics import Metrics

OPEN: Final = frozenset({"/healthz", "/readyz"})
"""Paths that need no key: whoever watches the process has none."""
KEY_HEADER: Final = b"x-api-key"
MAX_CLIENTS: Final = 10_000


class Rate:
    """So many requests a second for each client, and twice as many at once."""

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        """Full for every client. `clock` is monotonic, in seconds."""
        self._per_second, self._clock = per_second, clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def allows(self, client: str) -> bool:
        """Whether the client may ask now."""
        now = self._clock()
        left, since = self._left.pop(client, (self._per_second * 2, now))
        left = min(self._per_second * 2, left + (now - since) * self._per_second)
        self._left[client] = (left - 1 if left >= 1 else left), now
        if len(self._left) > MAX_CLIENTS:
            self._left.popitem(last=False)
        return left >= 1


class Gate:
    """Stands before the application."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        api_key: str | None,
        rate: Rate | None,
        max_body_bytes: int,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        """Before `app`; without an `api_key` everybody passes, and without a `rate` as often as they like."""
        self._app, self._rate, self._max_body_bytes = app, rate, max_body_bytes
        self._key = None if api_key is None else _digest(api_key.encode())
        self._metrics, self._clock = metrics, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers, or says why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = self._clock(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            refused = self._refused(scope)
            body: bytes | None = b""
            if refused is None and scope["method"] not in {"GET", "HEAD"}:
                body = await self._body(Request(scope, receive))
                if body is None:
                    refused = _problem(413, "BodyTooLarge", "The body is too large", "Ask for fewer users at once.")
            if refused is not None:
                await refused(scope, receive, sending)
            else:
                await self._app(scope, _replaying(body or b"", receive), sending)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            self._metrics.request(route, status, self._clock() - started)

    def _refused(self, scope: Scope) -> JSONResponse | None:
        if scope["path"] in OPEN:
            return None
        if self._key is not None:
            given = next((value for name, value in scope["headers"] if name == KEY_HEADER), b"")
            if not hmac.compare_digest(_digest(given), self._key):
                return _problem(401, "KeyInvalid", "The API key is missing or wrong", "Send it as X-API-Key.")
        client = (scope.get("client") or ("",))[0]
        if self._rate is not None and not self._rate.allows(client):
            made = _problem(429, "TooManyRequests", "Too many requests a second", "Wait a second.")
            made.headers["Retry-After"] = "1"
            return made
        return None

    async def _body(self, request: Request) -> bytes | None:
        """The body, None where it is larger than allowed; no more of it than that is read."""
        declared = request.headers.get("content-length", "0")
        if not declared.isascii() or not declared.isdigit() or int(declared) > self._max_body_bytes:
            return None
        data = bytearray()
        async for part in request.stream():
            data += part
            if len(data) > self._max_body_bytes:
                return None
        return bytes(data)


def _replaying(body: bytes, receive: Receive) -> Receive:
    """What the application reads: the body that was read already, then whatever comes."""
    is_read = False

    async def replay() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _digest(key: bytes) -> bytes:
    """Of equal length for every key, so that comparing tells nothing of it."""
    return hashlib.sha256(key).digest()


def _problem(status: int, error: str, what: str, todo: str) -> JSONResponse:
    content: dict[str, Any] = {"error": error, "what": what, "where": "the request", "todo": todo}
    return JSONResponse(content, status)
