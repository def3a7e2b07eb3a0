from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode

from export.http.app import Serving, create_app
from export.lookup import Lists
from tests.stores.conftest import build_snapshot

LISTS = [("GET", "/v1/users/{user_id}/lists/{placement}"), ("POST", "/v1/lists")]
WATCHING = ["/healthz", "/readyz", "/metrics"]
NOW = dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An endpoint over the hand-made shop, as its OpenAPI description tells of it."""
    folder: Path = tmp_path_factory.mktemp("described") / "snapshot"
    build_snapshot(folder)
    app = create_app(Lists(folder), Serving(per_second=0), now=lambda: NOW, clock=time.perf_counter)
    return schemathesis.openapi.from_asgi("/openapi.json", app)


def check(operation: Any, mode: GenerationMode, placement: str | None = None) -> None:
    """Asks 40 times, for one placement where it is given, and holds the responses to the description."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=40, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    def holds(case: Any) -> None:
        if placement is not None and "placement" in case.path_parameters:
            case.path_parameters["placement"] = placement
        if placement is not None and isinstance(case.body, dict):
            case.body["placement"] = placement
        case.call_and_validate()

    holds()


@pytest.mark.parametrize("placement", ["home", None])
@pytest.mark.parametrize(("method", "path"), LISTS)
def test_right_questions_are_answered_as_described(
    described: Any, method: str, path: str, placement: str | None
) -> None:
    """Statuses, shapes and types, for a placement that there is and for others."""
    check(described[path][method], GenerationMode.POSITIVE, placement)


@pytest.mark.parametrize(("method", "path"), LISTS)
def test_wrong_questions_are_refused_as_described(described: Any, method: str, path: str) -> None:
    """Whatever breaks the description: the wrong types, sizes, names and values."""
    check(described[path][method], GenerationMode.NEGATIVE)


@pytest.mark.parametrize("path", WATCHING)
def test_what_watches_it_is_as_described(described: Any, path: str) -> None:
    """Health, readiness and numbers."""
    check(described[path]["GET"], GenerationMode.POSITIVE)


def test_every_route_is_described(described: Any) -> None:
    """The ones asked above are all there are."""
    assert set(described.raw_schema["paths"]) == {*WATCHING, *(path for _, path in LISTS)}
