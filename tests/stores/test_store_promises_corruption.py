from __future__ import annotations

import logging

import pytest

from contracts.errors import LarderError, SnapshotCorrupt, SnapshotMissing
from export.lookup import Lists
from export.stores.state import Channels
from tests.stores import nights
from tests.stores.nights import AT, LATER, USERS, Night
from tests.stores.places import Place


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Night]:
    """Five nights."""
    folder = tmp_path_factory.mktemp("nights")
    return [nights.night(folder, day) for day in range(1, 6)]


FILES = ("shard-00000.bin", "shard-00001.bin", "items.bin", "fallbacks.msgpack", "manifest.json")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("position", [0, 20, -1])
def test_a_flipped_byte_of_any_file_is_found_before_the_flip(
    place: Place, made: list[Night], name: str, position: int
) -> None:
    """Head, index or end: the store does not verify, and the publisher that runs again says so."""
    store = place.store()
    nights.publish(store, made[0])
    place.flip_byte(made[0].id, name, position)
    with pytest.raises(SnapshotCorrupt):
        store.verify(made[0].id)
    with pytest.raises(SnapshotCorrupt):
        nights.publish(place.store(), made[0])


def test_a_flipped_byte_in_a_record_costs_one_user_a_labelled_fallback(
    place: Place, made: list[Night], caplog: pytest.LogCaptureFixture
) -> None:
    """The last record of a shard: its user alone is degraded, and an alarm says so."""
    nights.run(place.store(), made[0])
    place.flip_byte(made[0].id, "shard-00000.bin", -1)
    lists = Lists(place.store())
    with caplog.at_level(logging.ERROR, logger="larder.lookup"):
        answers = [lists.get(user, 3, "home") for user in USERS]
    degraded = [one for one in answers if one.is_degraded]
    assert len(degraded) == 1
    assert (degraded[0].source, degraded[0].items) == ("popular", made[0].items(nights.NOBODY))
    assert [one.items for one in answers if not one.is_degraded] == [
        made[0].items(user) for user in USERS if user != degraded[0].user_id
    ]
    assert lists.counts["corrupt_records"] == 1
    assert "damaged" in caplog.text


@pytest.mark.parametrize("name", ["items.bin", "fallbacks.msgpack", "manifest.json"])
def test_a_damaged_file_that_every_answer_needs_is_not_served(place: Place, made: list[Night], name: str) -> None:
    """A fresh reader refuses the snapshot; one that had an earlier one open stays on it."""
    nights.run(place.store(), made[0])
    lists = Lists(place.store())
    assert lists.get(USERS[0], 3, "home").items == made[0].items(USERS[0])
    nights.publish(place.store(), made[1])
    place.flip_byte(made[1].id, name, 0 if name == "items.bin" else -3)
    nights.flip(place.store(), made[1])
    with pytest.raises(SnapshotCorrupt):
        Lists(place.store()).get(USERS[0], 3, "home")
    assert lists.get(USERS[0], 3, "home").items == made[0].items(USERS[0])


def test_retention_keeps_the_current_the_pinned_the_last_and_the_recent(place: Place, made: list[Night]) -> None:
    """Of five nights: none before the grace is over; then all but the current, one before it and the pinned."""
    store = place.store()
    for night in made:
        nights.run(store, night)
    store.pin(made[1].id, by="mail", reason="campaign", at=AT)
    assert store.retain(keep=1, grace_seconds=3 * 3600, by="r", at=LATER) == []
    assert store.retain(keep=1, grace_seconds=3600, by="r", at=LATER) == [made[0].id, made[2].id]
    assert store.snapshots() == [made[1].id, made[3].id, made[4].id]
    assert store.retain(keep=1, grace_seconds=3600, by="r", at=LATER) == []
    with pytest.raises(SnapshotMissing):
        store.open(made[0].id)
    store.unpin(made[1].id, by="mail", reason="sent", at=AT)
    assert store.retain(keep=1, grace_seconds=3600, by="r", at=LATER) == [made[1].id]
    pointer = store.pointer()
    assert pointer is not None
    assert (pointer.removing, pointer.pinned, [old.snapshot for old in pointer.previous]) == ((), (), [made[3].id])
    assert nights.publish(store, made[0]) == made[0].id
    assert store.rollback(by="r", reason="bad", at=LATER).snapshot == made[3].id


def test_a_canary_that_ended_is_kept_for_the_grace(place: Place, made: list[Night]) -> None:
    """Its readers may still be reading; no rollback goes to it."""
    store = place.store()
    nights.run(store, made[1])
    nights.publish(store, made[0])
    store.rollout(Channels(canary=made[0].id, exposure=5), by="c", reason="try", at=AT)
    assert store.retain(keep=0, grace_seconds=3600, by="r", at=LATER) == []
    store.rollout(Channels(), by="c", reason="end", at=LATER)
    assert store.retain(keep=0, grace_seconds=3600, by="r", at=LATER) == []
    with pytest.raises(LarderError, match="no earlier snapshot"):
        store.rollback(by="r", reason="bad", at=LATER)
    assert store.retain(keep=0, grace_seconds=3600, by="r", at="2026-01-02T07:00:00Z") == [made[0].id]


def test_a_reader_that_misses_a_snapshot_reads_the_pointer_again(place: Place, made: list[Night]) -> None:
    """Retention took what its pointer named: the second look finds the new one."""
    store = place.store()
    nights.run(store, made[0])
    stale = store.pointer()
    nights.run(store, made[1])
    assert store.retain(keep=0, grace_seconds=60, by="r", at=LATER) == [made[0].id]
    behind = place.store()
    answers = [stale]
    real = behind.pointer
    behind.pointer = lambda: answers.pop() if answers else real()  # type: ignore[method-assign]
    assert Lists(behind).get(USERS[0], 3, "home").items == made[1].items(USERS[0])


def test_what_is_being_deleted_is_neither_flipped_to_nor_published(place: Place, made: list[Night]) -> None:
    """A retention that was killed in the middle is finished by the next one, and then the night can be published."""
    store = place.store()
    for night in made[:2]:
        nights.run(store, night)

    class Killed(Exception):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    real = store.remove  # type: ignore[attr-defined]
    store.remove = die  # type: ignore[attr-defined]
    with pytest.raises(Killed):
        store.retain(keep=0, grace_seconds=60, by="r", at=LATER)
    store.remove = real  # type: ignore[attr-defined]
    for attempt in (nights.flip, nights.publish):
        with pytest.raises(LarderError, match="being deleted"):
            attempt(store, made[0])
    assert store.retain(keep=0, grace_seconds=60, by="r2", at=LATER) == [made[0].id]
    assert store.retain(keep=0, grace_seconds=60, by="r3", at=LATER) == []
    assert [event.kind for event in store.history()] == ["flip", "flip", "retain"]
    assert nights.run(store, made[0]).snapshot == made[0].id
