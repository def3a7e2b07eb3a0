from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from contracts.errors import SnapshotCorrupt, SnapshotMissing
from export.lookup import Limits, Lists
from export.stores.local import LocalStore
from tests.stores.remote import Remote, lists_of, unreachable

Night = Callable[..., str]


@pytest.fixture
def remote(store: LocalStore) -> Remote:
    """The store, from far away."""
    return Remote(store)


@pytest.fixture
def clock() -> list[float]:
    """A clock that stands still until the test moves it."""
    return [0.0]


def test_a_missed_snapshot_makes_the_reader_look_at_the_pointer_once(
    remote: Remote, night: Night, clock: list[float]
) -> None:
    """Retention took it: the pointer, though cached, is read again and names another one."""
    night(remote.store, 1)
    lists = lists_of(remote, clock, pointer_seconds=1000)
    lists.get("ann", 1, "home")
    second = night(remote.store, 2)
    real = remote.did

    def gone_once(name: str) -> None:
        real(name)
        if name == "find":
            remote.did = real  # type: ignore[method-assign]
            raise SnapshotMissing("gone", where="far away", todo="-")

    remote.did = gone_once  # type: ignore[method-assign]
    remote.calls.clear()
    made = lists.get("ann", 1, "home")
    assert (made.snapshot, made.source) == (second, "personal")
    assert remote.calls == ["find", "mark", "pointer", "open", "find"]
    assert lists.counts["missed_snapshots"] == 1


def test_a_snapshot_that_stays_missing_costs_the_own_list_only(
    remote: Remote, night: Night, clock: list[float]
) -> None:
    """The pointer is read again once; then the fallback lists that were read at opening are served."""
    snapshot = night(remote.store, 1)
    lists = lists_of(remote, clock, pointer_seconds=1000)
    lists.get("ann", 1, "home")
    remote.fails["find"] = SnapshotMissing("gone", where="far away", todo="-")
    remote.calls.clear()
    made = lists.get("ann", 1, "home")
    assert (made.source, made.is_degraded, made.snapshot, made.items) == ("popular", True, snapshot, ["milk"])
    assert remote.calls.count("pointer") == 1


def test_the_pointer_is_looked_at_when_the_last_look_is_old(remote: Remote, night: Night, clock: list[float]) -> None:
    """One look in `pointer_seconds`; a flip is seen by then."""
    first = night(remote.store, 1)
    lists = lists_of(remote, clock, pointer_seconds=5)
    for _ in range(3):
        assert lists.get("ann", 1, "home").snapshot == first
    assert remote.calls.count("mark") == 1
    second = night(remote.store, 2)
    clock[0] = 4.9
    assert lists.get("ann", 1, "home").snapshot == first
    clock[0] = 5.0
    assert lists.get("ann", 1, "home").snapshot == second
    assert remote.calls.count("mark") == 2


def test_a_pointer_that_cannot_be_read_leaves_the_snapshot_that_is_open(
    remote: Remote, night: Night, clock: list[float], caplog: pytest.LogCaptureFixture
) -> None:
    """Counted and logged; looked for again after a second, not with every request."""
    first = night(remote.store, 1)
    lists = lists_of(remote, clock)
    lists.get("ann", 1, "home")
    remote.fails["mark"] = unreachable()
    with caplog.at_level(logging.ERROR, logger="larder.lookup"):
        assert [lists.get("ann", 1, "home").snapshot for _ in range(5)] == [first] * 5
    assert lists.counts["failed_pointers"] == 1
    assert "still serving" in caplog.text
    del remote.fails["mark"]
    second = night(remote.store, 2)
    clock[0] = 1.0
    assert lists.get("ann", 1, "home").snapshot == second


def test_an_error_of_the_store_is_no_absence(remote: Remote, night: Night, clock: list[float]) -> None:
    """A damaged record is neither tried again nor held against the store."""
    night(remote.store, 1)
    lists = lists_of(remote, clock, pointer_seconds=1000, limits=Limits(failures=1))
    lists.get("ann", 1, "home")
    remote.calls.clear()
    remote.fails["find"] = SnapshotCorrupt("damaged", where="far away", todo="-")
    assert lists.get("ann", 1, "home").is_degraded
    assert (remote.calls, lists.is_store_away) == (["find"], False)
    assert lists.counts["corrupt_records"] == 1


@pytest.fixture
def flipping(store: LocalStore, night: Night, publish: Night) -> Iterator[tuple[LocalStore, dict[str, list[str]]]]:
    """A store that is flipped to and fro while the test runs, and ann's items in each of its snapshots."""
    row = {"user_id": "ann", "segment": "x", "item_idx": [1], "scores": [1.0], "reasons": [1], "anchors": [-1]}
    rows = [{**row, "placement": placement} for placement in ("home", "discover")]
    one = night(store, 1)
    two = publish(store, 2, rows=rows)
    done = threading.Event()

    def flip() -> None:
        turn = 0
        while not done.is_set():
            store.flip(
                (two, one)[turn % 2], expected=store.pointer(), by=f"t{turn}", reason="to and fro", at="2026-01-02"
            )
            turn += 1

    thread = threading.Thread(target=flip)
    thread.start()
    yield store, {one: ["jam", "tea"], two: ["milk", "milk"]}
    done.set()
    thread.join()


def test_a_page_and_many_answers_are_of_one_snapshot_while_the_pointer_moves(
    flipping: tuple[LocalStore, dict[str, list[str]]],
) -> None:
    """Until both snapshots were seen 20 times: ids and items never mix."""
    store, wanted = flipping
    lists = Lists(store)
    seen = dict.fromkeys(wanted, 0)
    end = time.monotonic() + 60
    while min(seen.values()) < 20:
        assert time.monotonic() < end
        page = lists.get_page("ann", 1, ("home", "discover"))
        (snapshot,) = {one.snapshot for one in page}
        assert [one.items[0] for one in page] == wanted[snapshot]
        many = lists.get_many(["ann"] * 3, 1, "home")
        (other,) = {one.snapshot for one in many}
        assert {one.items[0] for one in many} == {wanted[other][0]}
        seen[snapshot] += 1


def test_a_pointer_that_cannot_be_looked_at_leaves_the_view_that_was_seen(
    store: LocalStore, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is shut to this process: counted, the last snapshot goes on, and a flip is seen when it opens."""
    first = night(store, 1)
    lists = Lists(store)
    assert lists.get("ann", 1, "home").snapshot == first

    def shut(_: LocalStore) -> None:
        raise PermissionError("no")

    lists._views._quick_mark = lambda: shut(store)  # type: ignore[union-attr]
    monkeypatch.setattr(LocalStore, "mark", shut)
    assert lists.get("ann", 1, "home").snapshot == first
    assert lists.counts["failed_pointers"] == 1
    monkeypatch.undo()
    lists._views._quick_mark = store.mark  # type: ignore[union-attr]
    second = night(store, 2)
    time.sleep(1.1)  # so long an unreadable pointer is left alone
    assert lists.get("ann", 1, "home").snapshot == second
