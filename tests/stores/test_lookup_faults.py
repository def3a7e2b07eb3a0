from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import StoreUnreachable
from export.lookup import Limits
from export.reading.breaker import Breaker
from export.stores.local import LocalStore
from tests.stores.remote import Remote, lists_of, unreachable

Night = Callable[..., str]
USERS = ("ann", "bob", "nobody")


@pytest.fixture
def remote(store: LocalStore) -> Remote:
    """The store, from far away."""
    return Remote(store)


@pytest.fixture
def clock() -> list[float]:
    """A clock that stands still until the test moves it."""
    return [0.0]


def test_a_store_that_is_away_costs_nobody_an_answer(
    remote: Remote, night: Night, clock: list[float], tmp_path: Path
) -> None:
    """Who was answered lately gets that list again, the others a fallback list; each says so."""
    snapshot = night(remote.store, 1)
    lists = lists_of(remote, clock, last_good=tmp_path / "pack")
    before = lists.get("ann", 3, "home")
    assert (before.source, before.is_degraded) == ("personal", False)
    remote.fails["find"] = unreachable()
    ann, bob, new = (lists.get(user, 2, "home", segment="35-44") for user in USERS)
    assert (ann.source, ann.items, ann.is_degraded, ann.snapshot) == ("last_good", ["jam", "milk"], True, snapshot)
    assert ann.reasons == before.reasons[:2]
    assert (bob.source, bob.items, bob.is_degraded) == ("segment", ["tea", "milk"], True)
    assert (new.source, new.user_id) == ("segment", "nobody")
    assert lists.get("bob", 2, "discover").source == "popular"
    assert (lists.counts["last_good"], lists.counts["unreachable"]) == (1, 4)
    del remote.fails["find"]
    assert lists.get("bob", 2, "home").source == "personal"


def test_a_fresh_process_answers_from_the_file(
    remote: Remote, night: Night, clock: list[float], tmp_path: Path
) -> None:
    """The store was reachable yesterday: its fallback lists and the latest answers are in the file."""
    snapshot = night(remote.store, 1)
    options = {"last_good": tmp_path / "pack", "last_good_answers": 2}
    with lists_of(remote, clock, **options) as lists:
        for user in ("bob", "ann", "bob", "../ünï/\0🌽" + "é" * 121):
            lists.get(user, 3, "home")
    remote.fails = {"mark": unreachable(), "pointer": unreachable()}
    fresh = lists_of(remote, clock, **options)
    bob, ann, other = (fresh.get(user, 3, "home") for user in ("bob", "ann", "other"))
    assert (bob.source, bob.items, bob.snapshot) == ("last_good", ["tea"], snapshot)
    assert (ann.source, ann.items) == ("last_good", ["milk", "bread"])  # a later answer took its place
    assert (other.source, other.items, other.user_id) == ("last_good", ["milk", "bread"], "other")
    assert fresh.get("other", 3, "home", segment="35-44").items == ["tea", "milk"]
    assert fresh.get("other", 3, "home", without={"milk"}).items == ["bread"]
    assert fresh.counts == {"last_good": 5}
    many = fresh.get_many(["bob", "ann"], 3, "home")
    assert [one.items for one in many] == [["milk", "bread"]] * 2  # all of one snapshot, so no kept answers


def test_without_anything_kept_the_error_is_told(remote: Remote, clock: list[float], tmp_path: Path) -> None:
    """A store that never answered and an absent, then a damaged file: no made-up list."""
    remote.fails["mark"] = unreachable()
    path = tmp_path / "pack"
    for _ in range(2):
        lists = lists_of(remote, clock, last_good=path)
        with pytest.raises(StoreUnreachable, match="did not answer"):
            lists.get("ann", 3, "home")
        path.write_bytes(b"LRLG nothing of the kind")
    assert lists.counts["failed_packs"] == 1


def test_a_snapshot_on_this_machine_stands_in(
    remote: Remote, night: Night, build: Callable[..., Any], clock: list[float], tmp_path: Path
) -> None:
    """Own, segment's and popular lists of a configured local snapshot, all labelled."""
    night(remote.store, 2)
    here = build(tmp_path / "here", day=1).snapshot_id
    remote.fails["mark"] = unreachable()
    lists = lists_of(remote, clock, last_good=tmp_path / "here")
    ann, new = lists.get("ann", 2, "home"), lists.get("nobody", 2, "home")
    assert (ann.source, ann.items, ann.segment, ann.snapshot) == ("last_good", ["jam", "milk"], "35-44", here)
    assert (new.source, new.items) == ("last_good", ["milk", "bread"])
    assert lists.get("nobody", 1, "home", segment="35-44").items == ["tea"]


def test_a_call_that_failed_is_made_once_more(remote: Remote, night: Night, clock: list[float]) -> None:
    """The second try answers, and no third is made where it does not."""
    night(remote.store, 1)
    lists = lists_of(remote, clock)
    lists.get("ann", 1, "home")
    remote.calls.clear()
    remote.fails["find"] = unreachable()
    real = remote.did

    def once(name: str) -> None:
        try:
            real(name)
        finally:
            remote.fails.pop(name, None)

    remote.did = once  # type: ignore[method-assign]
    assert lists.get("ann", 1, "home").source == "personal"
    assert remote.calls == ["mark", "find", "find"]
    remote.did = real  # type: ignore[method-assign]
    remote.fails["find"] = unreachable()
    remote.calls.clear()
    assert lists.get("ann", 1, "home").source == "popular"
    assert remote.calls == ["mark", "find", "find"]


def test_a_store_that_keeps_failing_is_left_alone(remote: Remote, night: Night, clock: list[float]) -> None:
    """After 2 failures no call for 10 s; then one try; when it answers, everything is as before."""
    night(remote.store, 1)
    lists = lists_of(remote, clock, pointer_seconds=1000, limits=Limits(failures=2, open_seconds=10))
    lists.get("ann", 1, "home")
    remote.fails["find"] = unreachable()
    for _ in range(2):
        lists.get("ann", 1, "home")
    assert lists.is_store_away
    remote.calls.clear()
    for now in (0.0, 5.0, 9.9):
        clock[0] = now
        assert lists.get("ann", 1, "home").source == "popular"
    assert remote.calls == []
    clock[0] = 10.0
    lists.get("ann", 1, "home")
    lists.get("ann", 1, "home")
    assert remote.calls == ["find", "find"]  # one caller, two tries
    del remote.fails["find"]
    clock[0] = 20.0
    assert [lists.get("ann", 1, "home").source for _ in range(2)] == ["personal"] * 2
    assert not lists.is_store_away


def test_one_caller_tries_while_the_others_are_sent_away(clock: list[float]) -> None:
    """A try that has not ended yet lets nobody else through; one that never ends, the next after the same time."""
    breaker = Breaker(failures=1, open_seconds=10, clock=lambda: clock[0])
    breaker.failed()
    clock[0] = 10.0
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    clock[0] = 20.0
    assert [breaker.allows() for _ in range(2)] == [True, False]
    breaker.succeeded()
    assert (breaker.allows(), breaker.opened) == (True, 1)


def test_a_store_that_hangs_is_waited_for_so_long_only(remote: Remote, night: Night, clock: list[float]) -> None:
    """The fallback is served while the call still hangs."""
    night(remote.store, 1)
    lists = lists_of(remote, clock, pointer_seconds=1000, limits=Limits(try_seconds=0.05))
    assert lists.get("ann", 1, "home").source == "personal"
    remote.hangs = threading.Event()
    made = lists.get("ann", 1, "home")
    assert (made.source, made.is_degraded, remote.hangs.is_set()) == ("popular", True, False)
    remote.hangs.set()
    assert lists.get("ann", 1, "home").source == "personal"
    lists.close()


def test_many_answers_are_of_one_snapshot_also_when_some_cannot_be_read(
    remote: Remote, night: Night, clock: list[float], tmp_path: Path
) -> None:
    """A kept answer of the night before does not slip in: the fallback of the same snapshot does."""
    night(remote.store, 1)
    lists = lists_of(remote, clock, last_good=tmp_path / "pack")
    lists.get("ann", 1, "home")
    second = night(remote.store, 2)
    lists.get("bob", 1, "home")
    remote.fails["find"] = unreachable()
    assert {one.snapshot for one in lists.get_many(["ann", "bob", "nobody"], 1, "home")} == {second}
    assert lists.get("ann", 1, "home").source == "last_good"
