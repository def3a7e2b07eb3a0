"""The endpoint over the store that the settings name, for as long as the process lives."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.errors import EnvironmentUnfit
from contracts.settings import Settings
from export.lookup import Limits, Lists, Options
from export.stores.opening import store_of
from jobs.paths import layout_of

LAST_GOOD: Final = Path("cache") / "last-good.bin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where it listens and whom it answers.

    Attributes:
        host: address to listen on.
        port: 0 takes a free one.
        api_key: what requests must bring; None lets everybody ask who reaches `host`, which must be this machine.
        per_second: requests of one client address; 0 for no limit.
        cache_seconds: a fresh list may be kept by its reader for so long.
    """

    host: str
    port: int
    api_key: str | None
    per_second: float
    cache_seconds: int


def run(
    settings: Settings, endpoint: Endpoint, *, now: Callable[[], dt.datetime], on_ready: Callable[[str], None]
) -> float:
    """Seconds that it served.

    Args:
        settings: root and store.
        endpoint: where, and for whom.
        now: the time, with an offset.
        on_ready: told the URL once requests are accepted.

    Raises:
        EnvironmentUnfit: the extra `serve` is not installed, or the port is taken.
        InputInvalid: others than this machine could ask without a key.
    """
    _check_installed()
    from export.http import running
    from export.http.app import Serving, create_app

    running.check_exposed(endpoint.host, endpoint.api_key)
    serving = Serving(
        api_key=endpoint.api_key,
        stale_after_hours=settings.store.stale_after_hours,
        cache_seconds=endpoint.cache_seconds,
        per_second=endpoint.per_second,
        is_blocking=settings.store.kind != "local",
    )
    listener = running.listening(endpoint.host, endpoint.port)
    name = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
    url = f"http://{name}:{listener.getsockname()[1]}"
    started = time.perf_counter()
    with Lists(store_of(settings.store, layout_of(settings)), options_of(settings)) as lists:
        app = create_app(lists, serving, now=now, clock=time.perf_counter)
        running.run(app, listener, on_ready=lambda: on_ready(url))
    return time.perf_counter() - started


def _check_installed() -> None:
    try:
        import fastapi
        import prometheus_client
        import uvicorn
    except ModuleNotFoundError as error:
        raise EnvironmentUnfit(
            f"The package {error.name} is not installed",
            where="the extra `serve`",
            todo="Install larder[serve]; `make setup` does.",
        ) from error
    del fastapi, prometheus_client, uvicorn


def options_of(settings: Settings) -> Options:
    """How a server reads the settings' store: a local one looks at the pointer each time, a remote one is bounded."""
    section = settings.store
    if section.kind == "local":
        return Options(stale_after_hours=section.stale_after_hours)
    return Options(
        pointer_seconds=section.pointer_cache_seconds,
        stale_after_hours=section.stale_after_hours,
        limits=Limits(try_seconds=2 * section.lookup_timeout_seconds + 1, tries=1),  # the store tries twice by itself
        last_good=layout_of(settings).root / LAST_GOOD,
    )
