"""Faults between a boto3 client and its server: the request fails, its reply is lost, or its reply is cut short."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from unittest import mock

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

TIMEOUT_SECONDS: Final = 20.0
XML: Final = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"


@dataclass
class Time:
    """A clock that stands still but for sleeps and timeouts.

    Attributes:
        now: seconds.
        sleeps: how long each sleep was.
    """

    now: float = 0.0
    sleeps: list[float] = field(default_factory=list)
    _lock: Any = field(default_factory=threading.Lock)

    def clock(self) -> float:
        """Seconds."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """No waiting; the clock moves."""
        self.sleeps.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """The clock moves, by whatever threads at once."""
        with self._lock:
            self.now += seconds


class Body(io.BytesIO):
    """What is left of a body, as urllib3 would give it."""

    def stream(self, *_: Any, **__: Any) -> Iterator[bytes]:
        """All of it."""
        yield self.read()


Send = Callable[[Any, Any], Any]
Fault = Callable[[Send, Any, Any, Time], Any]


def answered(status: int, code: str, message: str = "injected") -> Fault:
    """The server refuses: nothing is done."""

    def fault(send: Send, session: Any, request: Any, time: Time) -> Any:
        text = XML.format(code=code, message=message)
        headers = {"content-type": "application/xml"}
        if "X-Amz-Target" in request.headers:
            text = f'{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"{message}"}}'
            headers = {"content-type": "application/x-amz-json-1.0"}
        body = b"" if request.method == "HEAD" else text.encode()
        return AWSResponse(request.url, status, {**headers, "content-length": str(len(body))}, Body(body))

    return fault


def timed_out(send: Send, session: Any, request: Any, time: Time) -> Any:
    """Nothing comes back, and nothing was done."""
    time.advance(TIMEOUT_SECONDS)
    raise ReadTimeoutError(endpoint_url=request.url)


def reply_lost(send: Send, session: Any, request: Any, time: Time) -> Any:
    """The server does what it was asked, and nothing comes back."""
    _ = send(session, request).content
    return timed_out(send, session, request, time)


def cut_short(send: Send, session: Any, request: Any, time: Time) -> Any:
    """The server does what it was asked; the reply ends before its length, or is empty where it said nothing."""
    answer = send(session, request)
    content = answer.content
    return AWSResponse(answer.url, answer.status_code, answer.headers, Body(content[: len(content) // 2]))


FAULTS: Final[dict[str, Fault]] = {
    "500": answered(500, "InternalError"),
    "slow_down": answered(503, "SlowDown"),
    "throttled": answered(400, "ThrottlingException"),
    "timed_out": timed_out,
    "reply_lost": reply_lost,
    "expired": answered(400, "ExpiredToken", "the token planted-session-token is expired"),
    "cut_short": cut_short,
}
DENIED: Final = {"expired"}


@dataclass
class Injected:
    """Counts the requests of a block.

    Attributes:
        n: requests begun.
        n_failed: those that a fault was injected into.
    """

    n: int = 0
    n_failed: int = 0


@contextlib.contextmanager
def injected(fault: Fault, time: Time, *, first: int, n: int | None = 1) -> Iterator[Injected]:
    """A block in which `n` requests fail, from request `first` on, counted from 1; all of them where `n` is None."""
    real, lock = URLLib3Session.send, threading.Lock()
    seen = Injected()

    def send(session: Any, request: Any) -> Any:
        with lock:
            seen.n += 1
            fails = seen.n >= first and (n is None or seen.n_failed < n)
            seen.n_failed += fails
        return fault(real, session, request, time) if fails else real(session, request)

    with mock.patch.object(URLLib3Session, "send", send):
        yield seen


@contextlib.contextmanager
def watched() -> Iterator[list[Any]]:
    """A block whose requests are listed."""
    real = URLLib3Session.send
    requests: list[Any] = []

    def send(session: Any, request: Any) -> Any:
        requests.append(request)
        return real(session, request)

    with mock.patch.object(URLLib3Session, "send", send):
        yield requests
