"""Interleaved lists, read from a store: who gets one, what it says, and what stays a list of one snapshot."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import InputInvalid
from export.http.app import Serving, create_app
from export.lookup import Lists
from export.reading.channels import is_exposed
from export.reading.interleaving import team_draft
from export.stores.local import LocalStore
from export.stores.state import Channels
from tests.stores.asking import Asking

Night = Callable[..., str]
AT = "2026-01-02T03:04:05Z"


def rollout(store: LocalStore, **channels: Any) -> None:
    """Moves the channels."""
    store.rollout(Channels(**channels), by="test", reason="a test", at=AT)


def test_an_interleaved_answer_says_so(store: LocalStore, night: Night, publish: Night) -> None:
    """It names both snapshots, each item's team, and holds what the two lists hold; columns stay parallel."""
    stable, canary = night(store, 1), publish(store, 2)
    alone = Lists(store).get("ann", 4, "home").items
    rollout(store, canary=canary, exposure=100, salt="s")
    other = Lists(store).get("ann", 4, "home").items
    rollout(store, canary=canary, exposure=100, salt="s", interleave=True)
    lists = Lists(store)
    made = lists.get("ann", 4, "home")
    assert (made.channel, made.snapshot, made.canary_snapshot) == ("interleaved", stable, canary)
    drafted = team_draft(alone, other, 4, "s\nhome\nann")
    assert made.teams == [team for team, _ in drafted]
    assert made.items == [(alone if team == "stable" else other)[place] for team, place in drafted]
    assert {*made.items} == {*alone, *other}
    assert {*made.teams} == {"stable", "canary"}
    columns = (made.items, made.titles, made.scores, made.reasons, made.sources, made.teams)
    assert len({len(column) for column in columns}) == 1
    assert lists.get("ann", 4, "home") == made


def test_only_one_users_one_list_is_interleaved(store: LocalStore, night: Night, publish: Night) -> None:
    """Pages and many answers stay of one snapshot, the stable one; so do users who are not exposed, and fallbacks."""
    stable, canary = night(store, 1), publish(store, 2)
    rollout(store, canary=canary, exposure=50, salt="s", interleave=True)
    lists = Lists(store)
    outside = next(f"u{n}" for n in range(99) if not is_exposed(f"u{n}", "s", 50))
    inside = next(f"u{n}" for n in range(99) if is_exposed(f"u{n}", "s", 50))
    page = lists.get_page(inside, 2, ["home"])
    many = lists.get_many([inside], 2, "home", visitor=inside)
    for made in (*page, *many, lists.get(outside, 2, "home"), lists.get(inside, 2, "home")):
        assert (made.channel, made.snapshot, made.teams, made.canary_snapshot) == ("stable", stable, None, None)
    assert lists.get(inside, 2, "home").source != "personal"
    rollout(store, canary=canary, exposure=100, salt="s", interleave=True)
    assert lists.get("ann", 2, "home").channel == "interleaved"
    for made in (*lists.get_page("ann", 2, ["home"]), *lists.get_many(["ann"], 2, "home", visitor="ann")):
        assert (made.source, made.channel, made.snapshot, made.teams) == ("personal", "stable", stable, None)


def test_interleaving_ends_with_the_canary(store: LocalStore, night: Night, publish: Night) -> None:
    """After a flip to the canary, or at no exposure, lists are of one snapshot; there is no interleaving of one."""
    night(store, 1)
    canary = publish(store, 2)
    rollout(store, canary=canary, exposure=100, salt="s", interleave=True)
    store.flip(canary, expected=store.pointer(), by="test", reason="better", at=AT)
    made = Lists(store).get("ann", 2, "home")
    assert (made.channel, made.snapshot, made.teams) == ("stable", canary, None)
    pointer = store.pointer()
    assert pointer is not None
    assert not pointer.channels.interleave
    with pytest.raises(InputInvalid, match="nothing to interleave"):
        rollout(store, interleave=True)


def test_the_endpoint_tells_an_interleaved_list_from_others(store: LocalStore, night: Night, publish: Night) -> None:
    """Its ETag names both snapshots and the draft: lists of one snapshot, or of another salt, are asked for anew."""
    lists = Lists(store)
    app = create_app(lists, Serving(), now=lambda: dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC), clock=time.perf_counter)
    client = Asking(app)
    stable, canary = night(store, 1), publish(store, 2)
    alone = client.get("/v1/users/ann/lists/home?k=4").headers["etag"]
    tags = set()
    for salt in "abcdefgh":
        rollout(store, canary=canary, exposure=100, salt=salt, interleave=True)
        got = client.get("/v1/users/ann/lists/home?k=4", headers={"If-None-Match": alone})
        assert (got.status_code, got.json()["channel"]) == (200, "interleaved")
        tags.add(got.headers["etag"])
        assert f"{stable}+{canary}" in got.headers["etag"]
    assert len(tags) > 1
    again = client.get("/v1/users/ann/lists/home?k=4", headers={"If-None-Match": got.headers["etag"]})
    assert again.status_code == 304
