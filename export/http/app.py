"""The endpoint: one user's list, many users' lists, and what watches it."""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import FastAPI, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse

from contracts.errors import InputInvalid, LarderError
from export.http import shapes
from export.http.gate import Gate, Rate
from export.http.metrics import Metrics
from export.lookup import Lists, TopN
from export.reading.answers import PlacementUnknown, age_hours

JSON: Final = "application/json"
PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
Status = Literal["ready", "stale", "store_away", "nothing_published"]
Now = Callable[[], dt.datetime]
ListTexts = Annotated[list[shapes.Text], Query(max_length=100, description="Item ids not to show; can be repeated.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How a server behaves.

    Attributes:
        api_key: what `X-API-Key` must say; None asks for none.
        stale_after_hours: `/readyz` fails from this age on.
        cache_seconds: a fresh list may be kept by its reader for so long, and never past the hour it gets stale.
        max_body_bytes: larger bodies are refused.
        per_second: requests of one client address; 0 for no limit.
        is_blocking: whether an answer may wait for a store over the network.
    """

    api_key: str | None = None
    stale_after_hours: float = 36.0
    cache_seconds: int = 60
    max_body_bytes: int = 262_144
    per_second: float = 2000.0
    is_blocking: bool = False


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its description."""
    texts = {
        400: "The body cannot be read.",
        401: "The API key is missing or wrong.", 404: "No such placement.", 413: "The body is too large.",
        422: "The question is wrong.", 429: "Too many requests.", 503: "There is nothing to answer from.",
    }  # fmt: skip
    return {status: {"model": shapes.Problem, "description": texts[status]} for status in statuses}


def create_app(lists: Lists, serving: Serving, *, now: Now, clock: Callable[[], float]) -> FastAPI:
    """The application.

    Args:
        lists: what is answered from; the caller closes it.
        serving: key, limits, ages.
        now: the time, with an offset.
        clock: a monotonic one, in seconds.
    """
    app = FastAPI(title="Larder", version="1", description="Lists cooked at night, served cold.", redoc_url=None)
    metrics = Metrics(lists, now)
    _add_one_list(app, lists, serving, now, metrics)
    _add_many_lists(app, lists, serving, now, metrics)
    _add_watching(app, lists, serving, now, metrics)
    _add_errors(app)
    rate = Rate(serving.per_second, clock) if serving.per_second else None
    app.add_middleware(
        Gate, api_key=serving.api_key, rate=rate, max_body_bytes=serving.max_body_bytes, metrics=metrics, clock=clock
    )
    if serving.api_key is not None:
        _ask_for_key(app)
    return app


def _add_one_list(app: FastAPI, lists: Lists, serving: Serving, now: Now, metrics: Metrics) -> None:
    @app.get(
        "/v1/users/{user_id:path}/lists/{placement}",
        responses={
            200: {"model": shapes.ListAnswer},
            304: {"description": "As before."},
            **problems(401, 404, 422, 429, 503),
        },
    )
    async def one_list(
        user_id: Annotated[str, Path(max_length=shapes.MAX_TEXT, examples=["u-123"])],
        placement: Annotated[str, Path(max_length=shapes.MAX_TEXT, examples=["home"])],
        k: Annotated[int, Query(ge=1, le=shapes.MAX_K, description="Items wanted.")] = 10,
        segment: Annotated[shapes.Text | None, Query(description="Of a user the snapshot does not know.")] = None,
        region: Annotated[shapes.Text | None, Query(description="Whose sold-out items are left out too.")] = None,
        without: ListTexts = [],  # noqa: B006  FastAPI copies it
        if_none_match: Annotated[str | None, Header(description="ETags of answers that you have.")] = None,
    ) -> Response:
        """One user's list. Always answered once a snapshot was published; `source` says whose list it is."""
        time = now()

        def ask() -> TopN:
            return lists.get(
                user_id, k, placement, segment=segment, region=region, without=frozenset(without), now=time
            )

        made = await run_in_threadpool(ask) if serving.is_blocking else ask()
        metrics.answered([made])
        return _answer(msgspec.json.encode(made), [made], serving, if_none_match)


def _add_many_lists(app: FastAPI, lists: Lists, serving: Serving, now: Now, metrics: Metrics) -> None:
    @app.post(
        "/v1/lists", responses={200: {"model": shapes.BatchAnswer}, **problems(400, 401, 404, 413, 422, 429, 503)}
    )
    async def many_lists(asked: shapes.BatchQuestion) -> Response:
        """Many users' lists, in the order asked for, all of one snapshot."""
        time = now()

        def ask() -> list[TopN]:
            return lists.get_many(
                asked.user_ids, asked.k, asked.placement, visitor=asked.visitor, segments=asked.segments,
                region=asked.region, without=frozenset(asked.without), now=time,
            )  # fmt: skip

        made = await run_in_threadpool(ask)
        metrics.answered(made)
        return _answer(msgspec.json.encode({"snapshot": made[0].snapshot, "lists": made}), made, serving, None)


def _add_watching(app: FastAPI, lists: Lists, serving: Serving, now: Now, metrics: Metrics) -> None:
    @app.get("/healthz", responses={200: {"model": shapes.Health}})
    async def health() -> Response:
        """The process is there; says nothing of the lists."""
        return Response(b'{"status":"ok"}', media_type=JSON)

    @app.get("/readyz", responses={200: {"model": shapes.Readiness}, 503: {"model": shapes.Readiness}})
    async def ready() -> Response:
        """200 while fresh lists can be answered; 503 when they are stale, the store is away or nothing is published."""
        found = await run_in_threadpool(lambda: _readiness(lists, serving, now()))
        return Response(found.model_dump_json(), 200 if found.status == "ready" else 503, media_type=JSON)

    @app.get("/metrics", response_class=PlainTextResponse, responses=problems(401, 429))
    async def numbers() -> Response:
        """Latency, sources of the answers, ages and alarms, as Prometheus reads them."""
        return Response(await run_in_threadpool(metrics.text), media_type=PROMETHEUS)


def _readiness(lists: Lists, serving: Serving, now: dt.datetime) -> shapes.Readiness:
    try:
        snapshot = lists.current()
    except LarderError:
        why: Status = "store_away" if lists.is_store_away else "nothing_published"
        return shapes.Readiness(status=why, snapshot=None, age_hours=None, overlay=None)
    age = age_hours(snapshot.manifest.as_of, now)
    is_stale, overlay = age > serving.stale_after_hours, lists.overlay
    status: Status = "store_away" if lists.is_store_away else "stale" if is_stale else "ready"
    return shapes.Readiness(
        status=status, snapshot=snapshot.id, age_hours=round(age, 4), overlay=None if overlay is None else overlay.id
    )


def _answer(body: bytes, made: Sequence[TopN], serving: Serving, known: str | None) -> Response:
    """The lists, or 304 where the reader has them; answers below what the store holds are not to be kept."""
    if any(one.is_degraded or one.source == "last_good" for one in made):
        return Response(body, media_type=JSON, headers={"Cache-Control": "no-store"})
    tag = f'W/"{_name(made[0])}.{made[0].overlay or "none"}"'
    left = (serving.stale_after_hours - (made[0].age_hours or 0.0)) * 3600
    keep = f"private, max-age={min(serving.cache_seconds, int(left))}" if left >= 1 else "private, no-cache"
    headers = {"ETag": tag, "Cache-Control": keep}
    if known is not None and (known.strip() == "*" or tag in [part.strip() for part in known.split(",")]):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type=JSON, headers=headers)


def _name(made: TopN) -> str:
    """The snapshot, or both of an interleaved list and what the salt made of them."""
    if made.canary_snapshot is None:
        return made.snapshot
    drafted = zlib.crc32("\n".join([*made.items, *(made.teams or ())]).encode("utf-8", "surrogatepass"))
    return f"{made.snapshot}+{made.canary_snapshot}-{drafted:08x}"


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(LarderError)
    async def larder(_: Request, error: LarderError) -> JSONResponse:
        if isinstance(error, InputInvalid):
            return JSONResponse(error.as_dict(), 404 if isinstance(error, PlacementUnknown) else 422)
        return JSONResponse(error.as_dict(), 503, {"Retry-After": "1"})

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return _problem(422, "InputInvalid", first["msg"], where, "Mend the request; /docs describes it.")

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        name = HTTPStatus(error.status_code).phrase.title().replace(" ", "")
        made = _problem(error.status_code, name, error.detail, request.url.path, "See /docs.")
        made.headers.update(error.headers or {})
        return made


def _problem(status: int, error: str, what: str, where: str, todo: str) -> JSONResponse:
    return JSONResponse({"error": error, "what": what, "where": where, "todo": todo}, status)


def _ask_for_key(app: FastAPI) -> None:
    """The description says that a key is needed."""
    described = app.openapi()
    described.setdefault("components", {})["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    }
    for path, routes in described["paths"].items():
        if path not in {"/healthz", "/readyz"}:
            for route in routes.values():
                route["security"] = [{"key": []}]
