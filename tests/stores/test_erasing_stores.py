from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contracts.errors import PublishRefused
from export.blessing import read_blessing, write_blessing
from export.erasing import snapshots
from export.format.manifest import Manifest, read_manifest
from export.lookup import Lists, Options
from export.stores.base import Store
from export.verification import verify
from tests.stores import nights
from tests.stores.contents import contents, naming
from tests.stores.nights import NOBODY, USERS, Night
from tests.stores.places import NewPlace, Place
from tests.stores.test_store_promises_killed import When, run_killed

WHO: dict[str, Any] = {"by": "on-call", "reason": "ticket 7", "at": "2026-01-03T00:00:00Z"}
ANN = "user-07"
GONE = {ANN: "f" * 64}


@pytest.fixture
def made(tmp_path: Path) -> list[Night]:
    """Three nights, built for this test alone."""
    return [nights.night(tmp_path, day) for day in (1, 2, 3)]


def snapshot_of(place: Place, night: Night) -> dict[str, bytes]:
    """All bytes of the night's snapshot; the catalogue's entry apart, which names the table."""
    found = contents(place).items()
    return {name: data for name, data in found if night.id in name and "larder#snapshots" not in name}


def erase_build(night: Night) -> Night:
    """The build without the user, blessed as it is then."""

    def bless(old: Manifest, new: Manifest) -> None:
        blessing = read_blessing(night.blessing)
        assert blessing.manifest_sha256 == old.sha256
        write_blessing(night.blessing, replace(blessing, manifest_sha256=new.sha256))

    snapshots.take_out(night.build, GONE, before_manifest=bless)
    snapshots.sweep(night.build)
    return Night(night.day, night.build, night.blessing, verify(night.build))


def test_an_erased_user_is_in_no_snapshot(place: Place, made: list[Night]) -> None:
    """No byte of the id is left in the place; others' lists, the snapshots' ids and their checks stay."""
    store = place.store()
    nights.run(store, made[0])
    nights.run(store, made[1])
    assert naming(place, ANN)
    assert store.erase(GONE, **WHO) == {made[0].id: 1, made[1].id: 1}
    assert naming(place, ANN) == []
    for night in made[:2]:
        found = store.verify(night.id)
        assert found.snapshot_id == night.id
        reader = store.open(night.id)
        assert sorted(reader.user_ids()) == [user for user in USERS if user != ANN]
    lists = Lists(place.store())
    mine = lists.get(ANN, 3, "home")
    assert (mine.source, mine.is_degraded, mine.snapshot, mine.items) == (
        "popular", False, made[1].id, made[1].items(NOBODY),
    )  # fmt: skip
    others = lists.get_many([user for user in USERS if user != ANN], 3, "home")
    assert [one.items for one in others] == [made[1].items(one.user_id) for one in others]
    assert lists.counts["corrupt_records"] == 0
    back = store.rollback(by="r", reason="bad", at=nights.LATER)
    assert back.snapshot == made[0].id
    assert Lists(place.store()).get(ANN, 3, "home").source == "popular"


def test_erased_again_nothing_changes(place: Place, made: list[Night]) -> None:
    """Every byte of the snapshots is as after the first time; only the two moves stand in the history again."""
    store = place.store()
    nights.run(store, made[0])
    store.erase(GONE, **WHO)
    before = snapshot_of(place, made[0])
    assert store.erase(GONE, **WHO) == {}
    assert snapshot_of(place, made[0]) == before
    assert [event.kind for event in store.history()] == ["flip", *["erase"] * 4]
    assert [event.reason for event in store.history()][1:3] == ["ticket 7", "ticket 7; 1 records of 1 snapshots"]


def test_users_erased_one_by_one_or_at_once_leave_the_same_bytes(new_place: NewPlace, made: list[Night]) -> None:
    """The snapshot does not depend on how the requests came."""
    users = {user: user[::-1] * 8 for user in USERS[3:9]}
    places = [new_place(), new_place()]
    for place in places:
        nights.publish(place.store(), made[0])
    places[0].store().erase(users, **WHO)
    for user, hashed in users.items():
        places[1].store().erase({user: hashed}, **WHO)
    first, second = (snapshot_of(place, made[0]) for place in places)
    assert first == second


def test_a_reader_that_is_open_sees_it(place: Place, made: list[Night], tmp_path: Path) -> None:
    """Its next answer is the fallback list, and nothing that it kept for the time the store is away is left."""
    store = place.store()
    nights.run(store, made[0])
    lists = Lists(place.store(), Options(last_good=tmp_path / "pack"))
    assert lists.get(ANN, 3, "home").source == "personal"
    lists.get_many(USERS, 3, "home")
    store.erase(GONE, **WHO)
    assert lists.get(ANN, 3, "home").source == "popular"
    others = lists.get_many([user for user in USERS if user != ANN], 3, "home")
    assert {(one.source, one.is_degraded) for one in others} == {("personal", False)}
    lists.close()
    assert lists._kept is not None
    assert lists._kept.personal(ANN, 3, "home", ()) is None


def test_nobody_gets_a_wrong_list_while_users_are_erased(place: Place, made: list[Night]) -> None:
    """Readers run all the time: every answer is whole and right, the erased user's apart."""
    store = place.store()
    nights.run(store, made[0])
    rest = USERS[:12]
    with nights.reading(place.store, made, users=rest) as seen:
        for user in USERS[12:18]:
            store.erase({user: f"hash of {user[::-1]}"}, **WHO)
    assert (seen.wrong, seen.failed) == ([], [])
    assert sorted(store.open(made[0].id).user_ids()) == sorted({*USERS} - {*USERS[12:18]})


@pytest.mark.parametrize("when", ["before", "during", "after"])
def test_killed_anywhere_and_run_again(new_place: NewPlace, made: list[Night], when: When) -> None:
    """At each step of an erasure: the next run ends with the very bytes of one that was never killed."""

    def prepared() -> Place:
        place = new_place()
        nights.run(place.store(), made[0])
        return place

    whole = prepared()
    whole.store().erase(GONE, **WHO)
    wanted, number = snapshot_of(whole, made[0]), 1
    while True:
        place = prepared()
        is_killed = run_killed(lambda place=place: place.store().erase(GONE, **WHO), place.steps, number, when, 1)
        if is_killed:
            place.store().erase(GONE, **WHO)
        assert (naming(place, ANN), snapshot_of(place, made[0])) == ([], wanted)
        if not is_killed:
            break
        number += 3 if place.is_remote else 1
    assert number > 5


def test_the_build_without_the_user_is_the_same_snapshot(place: Place, made: list[Night]) -> None:
    """Published again after the erasure, with the user or without, it changes nothing."""
    store = place.store()
    nights.run(store, made[0])
    store.erase(GONE, **WHO)
    published = store.publish(made[0].build, blessing=made[0].blessing)
    assert (published.snapshot, published.is_new, naming(place, ANN)) == (made[0].id, False, [])
    less = erase_build(made[0])
    assert (less.id, less.manifest.n_erased, less.manifest.n_users) == (made[0].id, 1, 23)
    published = store.publish(less.build, blessing=less.blessing)
    assert (published.snapshot, published.is_new, naming(place, ANN)) == (made[0].id, False, [])


def test_a_build_without_the_user_is_refused_where_the_store_still_has_the_user(
    place: Place, made: list[Night]
) -> None:
    """The erasure has not reached the store: it must be run again before anything is published."""
    store = place.store()
    nights.run(store, made[0])
    less = erase_build(made[0])
    with pytest.raises(PublishRefused, match="still in the store"):
        store.publish(less.build, blessing=less.blessing)


def test_a_revised_build_that_was_never_published_can_be(place: Place, made: list[Night]) -> None:
    """Under the id that the gates blessed; without a new blessing it is refused."""
    store = place.store()
    old = made[0].blessing.read_bytes()
    less = erase_build(made[0])
    new = less.blessing.read_bytes()
    less.blessing.write_bytes(old)
    with pytest.raises(PublishRefused, match="other bytes"):
        store.publish(less.build, blessing=less.blessing)
    less.blessing.write_bytes(new)
    nights.run(store, less)
    assert store.verify(less.id) == less.manifest
    assert naming(place, ANN) == []
    assert store.publish(less.build, blessing=less.blessing).is_new is False


@pytest.mark.parametrize(("look", "is_before"), [(1, False), (2, True), (2, False)])
def test_a_publish_under_way_does_not_bring_the_user_back(
    place: Place,
    made: list[Night],
    monkeypatch: pytest.MonkeyPatch,
    look: int,
    is_before: bool,  # noqa: FBT001  one of the cases
) -> None:
    """Users are erased after its first look, or around its last write: it is refused, and the next has them not."""
    store = place.store()
    nights.run(store, made[0])
    other = place.store()
    real, looks = type(store).check_publishable, [0]

    def check(self: Store, snapshot: str, **more: Any) -> int:
        looks[0] += 1
        is_now = looks[0] == look and place.is_remote
        if is_now and is_before:
            other.erase(GONE, **WHO)
        seen = int(real(self, snapshot, **more))  # type: ignore[arg-type]
        if is_now and not is_before:
            other.erase(GONE, **WHO)
        return seen

    monkeypatch.setattr(type(store), "check_publishable", check)
    if place.is_remote:
        with pytest.raises(PublishRefused, match="erased while"):
            nights.publish(store, made[1])
        assert store.snapshots() == [made[0].id]
        less = erase_build(made[1])
        nights.run(store, less)
    else:
        nights.publish(store, made[1])  # it holds the lock: the erasure comes before it or after it
        other.erase(GONE, **WHO)
    assert naming(place, ANN) == []
    assert store.verify(made[1].id).snapshot_id == made[1].id


def test_what_a_killed_publisher_left_is_gone_too(new_place: NewPlace, made: list[Night]) -> None:
    """Half a snapshot, at any step: nobody can read it, and the bytes of the user are not in it."""
    for number in (6, 9, 12):
        place = new_place()
        nights.run(place.store(), made[0])
        is_killed = run_killed(
            lambda place=place: nights.publish(place.store(), made[1]), place.steps, number, "after", 2
        )
        assert is_killed
        place.store().erase(GONE, **WHO)
        assert naming(place, ANN) == []
        copy = made[1].build.with_name(f"copy-{number}")
        if not copy.exists():
            shutil.copytree(made[1].build, copy)
        snapshots.take_out(copy, GONE)
        snapshots.sweep(copy)
        assert read_manifest(copy).snapshot_id == made[1].id
