"""Erasures beside publishers, flips, rollbacks and other erasures: one done between two steps of the other."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from contracts.errors import PublishRefused, SnapshotMissing
from export.format.manifest import Manifest
from export.lookup import Lists
from export.stores import s3_erasing
from export.stores.base import Store
from export.stores.objects import Objects
from export.stores.state import Channels
from tests.stores import nights
from tests.stores.contents import naming
from tests.stores.nights import LATER, USERS, Night
from tests.stores.places import NewPlace, Place
from tests.stores.test_erasing_stores import erase_build
from tests.stores.test_store_promises_killed import run_killed

ANN, BOB = "user-07", "user-08"
ACT: dict[str, Any] = {"reason": "ticket 7", "at": LATER}


@pytest.fixture
def made(tmp_path: Path) -> list[Night]:
    """Three nights, built for this test alone."""
    return [nights.night(tmp_path, day) for day in (1, 2, 3)]


def erase(store: Store, user: str, by: str = "on-call") -> None:
    """The user out of the store."""
    store.erase({user: user[::-1] * 8}, by=by, **ACT)


def stop_erasing(place: Place, user: str) -> None:
    """An erasure that is killed at its begin: the pointer says so, and nothing was taken out."""

    def work() -> None:
        store = place.store()
        with mock.patch.object(type(store), "take_out", side_effect=KeyboardInterrupt):
            erase(store, user, "killed")

    with pytest.raises(KeyboardInterrupt):
        work()


@contextmanager
def after_step(place: Place, number: int, work: Callable[[], object]) -> Iterator[list[int]]:
    """A block, after whose so-many-th step `work` is done; beside it on a disk, whose locks would wait for it."""
    calls, threads = [0], list[threading.Thread]()

    def wrap(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            made = real(*args, **kwargs)
            calls[0] += threading.current_thread() not in threads
            if calls[0] == number and not threads:
                threads.append(threading.Thread(target=work))
                threads[0].start()
                if place.is_remote:
                    threads[0].join()
            return made

        return call

    with ExitStack() as patches:
        for owner, name in place.steps:
            patches.enter_context(mock.patch.object(owner, name, wrap(getattr(owner, name))))
        yield calls
        for thread in threads:
            thread.join()


def check_gone(place: Place, users: set[str], made: list[Night]) -> None:
    """No byte of the users is in the place; every snapshot is whole, and has everybody else."""
    store = place.store()
    for user in users:
        assert naming(place, user) == []
    for name in store.snapshots():
        assert store.verify(name).snapshot_id == name
        assert {*store.open(name).user_ids()} == {*USERS} - users
    assert store.snapshots() == [night.id for night in made]


def test_two_erasures_at_once_end_as_one_after_the_other(new_place: NewPlace, made: list[Night]) -> None:
    """The second runs after any step of the first: the first ends well or says to run it again, and then it does."""
    number, n_refused = 1, 0
    while True:
        place = new_place()
        nights.run(place.store(), made[0])
        nights.run(place.store(), made[1])
        with after_step(place, number, lambda place=place: erase(place.store(), BOB, "second")) as calls:
            try:
                erase(place.store(), ANN)
            except PublishRefused as error:
                assert "run this" in str(error)  # noqa: PT017  it need not be raised
                n_refused += 1
        if calls[0] < number:
            break
        if naming(place, ANN) or naming(place, BOB):
            erase(place.store(), BOB)
            erase(place.store(), ANN)
        check_gone(place, {ANN, BOB}, made[:2])
        nights.run(place.store(), made[2])
        number += 3 if place.is_remote else 5
    assert number > 10
    assert n_refused > 0 or not place.is_remote


def test_an_erasure_before_the_first_flip_stops_a_publisher_too(place: Place, made: list[Night]) -> None:
    """Nothing was ever flipped: the erasure is a move all the same, and nobody takes it for a published snapshot."""
    store, other = place.store(), place.store()
    real, looks = type(store).check_publishable, [0]

    def check(self: Store, snapshot: str, **more: Any) -> int:
        seen = int(real(self, snapshot, **more))  # type: ignore[arg-type]
        looks[0] += 1
        if looks[0] == 1 and place.is_remote:
            erase(other, ANN)
        return seen

    with mock.patch.object(type(store), "check_publishable", check):
        if place.is_remote:
            with pytest.raises(PublishRefused, match="Users were erased"):
                nights.publish(store, made[0])
            assert store.snapshots() == []
        else:
            erase(other, ANN)  # the lock of a publish: it comes before or after it
    assert (store.pointer(), [event.kind for event in store.history()]) == (None, ["erase", "erase"])
    with pytest.raises(SnapshotMissing):
        store.rollback(by="r", **ACT)
    with pytest.raises(SnapshotMissing):
        Lists(place.store()).get(BOB, 3, "home")
    assert store.retain(keep=1, grace_seconds=0, by="r", at=LATER) == []
    nights.run(store, erase_build(made[0]))
    check_gone(place, {ANN}, made[:1])
    assert Lists(place.store()).get(BOB, 3, "home").items == made[0].items(BOB)
    assert [(event.sequence, event.kind) for event in store.history()] == [(1, "erase"), (2, "erase"), (3, "flip")]


def test_nothing_new_is_served_while_an_erasure_has_not_ended(place: Place, made: list[Night]) -> None:
    """It was stopped: publish, flip and canary say so; a rollback still goes; run again, all go on."""
    store = place.store()
    nights.run(store, made[0])
    nights.run(store, made[1])
    nights.publish(store, made[2])
    stop_erasing(place, ANN)
    for refused in (
        lambda: nights.flip(store, made[2]),
        lambda: nights.publish(store, made[2]),
        lambda: store.rollout(Channels(canary=made[2].id, exposure=5), by="w", **ACT),
    ):
        with pytest.raises(PublishRefused, match="run it again"):
            refused()
    assert store.rollback(by="r", **ACT).snapshot == made[0].id
    store.release(by="r", **ACT)
    erase(store, ANN)
    check_gone(place, {ANN}, made)
    assert Lists(place.store()).get(ANN, 3, "home").source == "popular"
    assert nights.flip(store, made[2]).snapshot == made[2].id
    assert Lists(place.store()).get(ANN, 3, "home").source == "popular"


def test_an_erasure_after_any_step_of_a_night_holds_for_what_it_serves(new_place: NewPlace, made: list[Night]) -> None:
    """Publish, flip and retention go through or are refused; what is served then, or after a rollback, is without."""
    number, n_refused = 1, 0
    while True:
        place = new_place()
        store = place.store()
        nights.run(store, made[0])
        with after_step(place, number, lambda place=place: erase(place.store(), ANN)) as calls:
            try:
                nights.run(store, made[1])
                store.retain(keep=1, grace_seconds=60, by="night", at=LATER)
            except PublishRefused:
                n_refused += 1
        if calls[0] < number:
            break
        for year in (2037, 2038):  # what a refused publisher sent is nobody's, and goes after the grace
            store.retain(keep=1, grace_seconds=60, by=f"{year}", at=f"{year}-01-01T00:00:00Z")
        present = [night for night in made[:2] if night.id in store.snapshots()]
        check_gone(place, {ANN}, present)
        pointer = store.pointer()
        assert pointer is not None
        if pointer.snapshot == made[1].id:
            assert store.rollback(by="r", **ACT).snapshot == made[0].id
        assert Lists(place.store()).get(ANN, 3, "home").source == "popular"
        number += 2 if place.is_remote else 5
    assert number > 20
    assert n_refused > 0 or not place.is_remote


def test_a_publisher_killed_before_an_erasure_leaves_nothing_that_can_be_flipped(
    new_place: NewPlace, made: list[Night]
) -> None:
    """At any step of the publish: what is complete after the erasure is without the user, the rest is no snapshot."""
    number = 1
    while True:
        place = new_place()
        nights.run(place.store(), made[0])
        is_killed = run_killed(
            lambda place=place: nights.publish(place.store(), made[1]), place.steps, number, "after", 1
        )
        erase(place.store(), ANN)
        present = [night for night in made[:2] if night.id in place.store().snapshots()]
        check_gone(place, {ANN}, present)
        if not is_killed:
            break
        number += 4
    assert number > 10


@pytest.mark.parametrize("new_place", ["s3"], indirect=True)
def test_a_sweep_leaves_what_another_erasure_has_just_written(place: Place, made: list[Night]) -> None:
    """The second one runs between its look at the manifest and that at the files: the first deletes none of them."""
    store = place.store()
    nights.run(store, made[0])
    real, looks = s3_erasing.fetch_manifest, [0]

    def fetch(objects: Objects, folder: str) -> Manifest:
        found = real(objects, folder)
        looks[0] += 1
        if looks[0] == 1:
            erase(place.store(), BOB, "second")
        return found

    with (
        mock.patch.object(s3_erasing, "fetch_manifest", fetch),
        pytest.raises(PublishRefused, match="Another erasure"),
    ):
        erase(store, ANN)
    check_gone(place, {ANN, BOB}, made[:1])
    nights.run(store, made[1])
