from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import StoreUnreachable
from export.http.app import Serving, create_app
from export.http.gate import Rate
from export.lookup import Limits, Lists, Options
from export.reading.overlay import Column, encode_overlay
from export.reading.overlays import Folder, publish_overlay
from export.stores.local import LocalStore
from tests.stores.asking import Asking
from tests.stores.remote import Remote, lists_of, unreachable

Night = Callable[..., str]
NOW = dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC)
ANN = "/v1/users/ann/lists/home"
BODY = {"user_ids": ["ann", "nobody"], "placement": "home"}


def asking(lists: Lists, clock: list[float] | None = None, now: dt.datetime = NOW, **serving: Any) -> Asking:
    """An endpoint over `lists` whose clock stands at `clock[0]`."""
    still = clock or [0.0]
    return Asking(create_app(lists, Serving(**serving), now=lambda: now, clock=lambda: still[0]))


@pytest.mark.parametrize("given", [None, "", "sesam", "Sesame", "sesame ", "sésame"])
def test_without_the_key_nothing_is_told(store: LocalStore, night: Night, given: str | None) -> None:
    """Lists, numbers and description need it; whether the process lives and is ready does not."""
    night(store, 1)
    one = asking(Lists(store), api_key="sesame")
    headers = {} if given is None else {"X-API-Key": given.encode()}
    for url in (ANN, "/metrics", "/docs", "/openapi.json", "/nothing"):
        got = one.get(url, headers=headers)
        assert (got.status_code, got.json()["error"]) == (401, "KeyInvalid")
    assert one.post("/v1/lists", json=BODY, headers=headers).status_code == 401
    assert one.get("/healthz", headers=headers).status_code == 200
    assert one.get("/readyz", headers=headers).status_code == 200


def test_with_the_key_everything_is(store: LocalStore, night: Night) -> None:
    """And the description says that it is needed."""
    night(store, 1)
    one = asking(Lists(store), api_key="sesame")
    headers = {"X-API-Key": "sesame"}
    assert one.get(ANN, headers=headers).json()["items"] == ["jam", "milk", "bread"]
    assert one.post("/v1/lists", json=BODY, headers=headers).status_code == 200
    described = one.get("/openapi.json", headers=headers).json()
    assert described["components"]["securitySchemes"]["key"]["name"] == "X-API-Key"
    assert described["paths"]["/v1/lists"]["post"]["security"] == [{"key": []}]
    assert "security" not in described["paths"]["/healthz"]["get"]


def test_a_client_may_ask_so_often(store: LocalStore, night: Night) -> None:
    """Twice the rate at once, then as time passes; health is not counted, and a refusal says when to come back."""
    night(store, 1)
    clock = [0.0]
    one = asking(Lists(store), clock, per_second=2)
    assert [one.get(ANN).status_code for _ in range(6)] == [200] * 4 + [429] * 2
    refused = one.get(ANN)
    assert (refused.json()["error"], refused.headers["retry-after"]) == ("TooManyRequests", "1")
    assert one.get("/healthz").status_code == 200
    clock[0] = 1.0
    assert [one.get(ANN).status_code for _ in range(3)] == [200, 200, 429]
    clock[0] = 1000.0
    assert [one.get(ANN).status_code for _ in range(5)] == [200] * 4 + [429]


def test_clients_do_not_count_against_each_other() -> None:
    """Each address has its own allowance; of ten thousand, the one that asked longest ago is forgotten first."""
    rate = Rate(1, clock=lambda: 0.0)
    assert [rate.allows(client) for client in "aaabbb"] == [True, True, False] * 2
    assert all(rate.allows(f"c{i}") for i in range(9_998))
    assert not rate.allows("a")
    assert rate.allows("new")
    assert [rate.allows(client) for client in "ab"] == [False, True]


def test_ready_while_fresh(store: LocalStore, night: Night) -> None:
    """Not past `stale_after_hours`; the answers go on, and say so."""
    snapshot = night(store, 1)
    end = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    for hours, status, text in ((36.0, 200, "ready"), (36.1, 503, "stale")):
        one = asking(Lists(store), now=end + dt.timedelta(hours=hours))
        got = one.get("/readyz")
        assert (got.status_code, got.json()["status"], got.json()["snapshot"]) == (status, text, snapshot)
        assert got.json()["age_hours"] == pytest.approx(hours)
        assert one.get(ANN).json()["is_stale"] == (status == 503)


def test_not_ready_while_the_store_is_away(store: LocalStore, night: Night) -> None:
    """The breaker is open: others should be asked, though what is here is still served."""
    night(store, 1)
    remote, clock = Remote(store), [0.0]
    lists = lists_of(remote, clock, pointer_seconds=1000, limits=Limits(failures=1))
    one = asking(lists, is_blocking=True)
    assert one.get("/readyz").status_code == 200
    remote.fails["find"] = unreachable()
    assert one.get(ANN).json()["is_degraded"]
    got = one.get("/readyz")
    assert (got.status_code, got.json()["status"]) == (503, "store_away")
    assert "larder_store_away 1.0" in one.get("/metrics").text


def test_a_store_that_never_answered_is_told(store: LocalStore) -> None:
    """503, not an empty list."""
    remote = Remote(store, fails={"mark": StoreUnreachable("no answer", where="far away", todo="wait")})
    got = asking(lists_of(remote, [0.0])).get(ANN)
    assert (got.status_code, got.json()["error"]) == (503, "StoreUnreachable")


def test_metrics_count_what_was_answered(store: LocalStore, night: Night) -> None:
    """Requests by route and status with their seconds, lists by source, ages of snapshot and overlay."""
    snapshot = night(store, 1)
    made = publish_overlay(Folder(store.root), encode_overlay({Column("hidden"): []}, at="2026-01-02T07:00:00+00:00"))
    one = asking(Lists(store, Options()))
    one.get(ANN)
    one.get("/v1/users/a%2Fb/lists/home")
    one.get("/v1/users/ann/lists/mail")
    one.post("/v1/lists", json=BODY)
    one.get("/who/are/you")
    lines = one.get("/metrics").text.splitlines()
    route = 'route="/v1/users/{user_id:path}/lists/{placement}"'
    for line in (
        f'larder_request_seconds_count{{{route},status="200"}} 2.0',
        f'larder_request_seconds_count{{{route},status="404"}} 1.0',
        f'larder_request_seconds_bucket{{le="0.0005",{route},status="200"}} 2.0',
        'larder_request_seconds_count{route="/v1/lists",status="200"} 1.0',
        'larder_request_seconds_count{route="none",status="404"} 1.0',
        'larder_answers_total{channel="stable",placement="home",source="personal"} 2.0',
        'larder_answers_total{channel="stable",placement="home",source="popular"} 2.0',
        f'larder_snapshot_age_seconds{{snapshot="{snapshot}"}} 28800.0',
        f'larder_overlay_age_seconds{{overlay="{made.id}"}} 3600.0',
        "larder_store_away 0.0",
    ):
        assert line in lines
    assert not any('event="personal"' in line for line in lines)
