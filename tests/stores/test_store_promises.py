from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import InputInvalid, PublishRefused, SnapshotMissing
from export.blessing import Blessing, write_blessing
from export.lookup import Lists
from export.stores.base import Store
from export.stores.state import Channels, Event, Pointer, Retired
from tests.stores import nights
from tests.stores.nights import AT, NOBODY, USERS, Night
from tests.stores.places import Place
from tests.stores.servers.faults import watched

WHO: dict[str, Any] = {"by": "on-call", "at": AT}


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> list[Night]:
    """Seven nights; `week[1]` is the first."""
    folder = tmp_path_factory.mktemp("week")
    return [nights.night(folder, day) for day in (8, 1, 2, 3, 4, 5, 6, 7)]


def test_readers_see_one_snapshot_at_a_time_while_it_flips(place: Place, week: list[Night]) -> None:
    """Twenty flips between three nights: every answer and every page is wholly of one of them, and none fails."""
    store = place.store()
    for night in week[2:4]:
        nights.publish(store, night)
    nights.run(store, week[1])
    with nights.reading(place.store, week[1:4]) as seen:
        for number in range(20):
            nights.flip(store, week[1 + (number + 1) % 3], by=f"flip-{number}")
    assert (seen.wrong, seen.failed) == ([], [])
    assert seen.snapshots <= {night.id for night in week[1:4]}
    assert len(seen.snapshots) > 1
    assert len(store.history()) == 21


def test_what_is_written_is_what_is_read_back(place: Place, week: list[Night]) -> None:
    """Users, lists and items: as many as the manifest says and each as built; the unknown get a labelled fallback."""
    store = place.store()
    published = store.publish(week[1].build, blessing=week[1].blessing)
    assert (published.snapshot, published.manifest, published.is_new) == (week[1].id, week[1].manifest, True)
    assert store.verify(week[1].id) == week[1].manifest
    reader = store.open(week[1].id)
    assert (reader.id, reader.manifest, dict(reader.placements)) == (week[1].id, week[1].manifest, {"home": 0})
    assert sorted(reader.user_ids()) == list(USERS)
    assert reader.manifest.placements["home"].lists == len(USERS) == reader.manifest.n_users
    assert [item.item_id for item in reader.items()] == list(nights.ITEM_IDS)
    assert reader.item(3).title == "Tea"
    nights.flip(store, week[1])
    lists = Lists(place.store())
    assert [lists.get(user, 3, "home").items for user in USERS] == [week[1].items(user) for user in USERS]
    assert {lists.get(user, 3, "home").source for user in USERS} == {"personal"}
    unknown = lists.get(NOBODY, 3, "home")
    assert (unknown.source, unknown.items) == ("popular", week[1].items(NOBODY))
    user = reader.find(USERS[0])
    assert user is not None
    assert user.segment == "north"
    rows = user.rows("home", 2)
    assert rows is not None
    assert (rows.items, rows.sources, rows.scores) == (week[1].items(USERS[0])[:2], ["own", "als"], [255.0, 51.0])


def test_publishing_again_changes_nothing(place: Place, week: list[Night]) -> None:
    """The second time it is read back, not written, and the store is still not served from."""
    nights.publish(place.store(), week[1])
    store = place.store()
    assert store.publish(week[1].build, blessing=week[1].blessing).is_new is False
    assert (store.snapshots(), store.pointer(), store.history()) == ([week[1].id], None, [])


@pytest.mark.parametrize("fault", ["absent", "held", "other bytes", "broken"])
def test_only_blessed_bytes_are_published(place: Place, week: list[Night], tmp_path: Path, fault: str) -> None:
    """Without a blessing that names this very manifest nothing is written."""
    path, manifest = tmp_path / "blessing.json", week[1].manifest
    sha256 = "0" * 64 if fault == "other bytes" else manifest.sha256
    if fault == "broken":
        path.write_text("{")
    elif fault != "absent":
        verdict = "held" if fault == "held" else "blessed"
        write_blessing(path, Blessing(as_of=manifest.as_of, manifest_sha256=sha256, verdict=verdict))
    store = place.store()
    with pytest.raises(PublishRefused):
        store.publish(week[1].build, blessing=path)
    assert store.snapshots() == []


def test_a_rollback_quarantines_and_holds_until_a_release_with_a_reason(place: Place, week: list[Night]) -> None:
    """Back to the good one; the bad one is refused for ever; the next flip waits; every word is in the history."""
    store = place.store()
    nights.run(store, week[1])
    nights.run(store, week[2])
    nights.publish(store, week[3])
    back = place.store().rollback(reason="prices wrong", **WHO)
    assert (back.snapshot, back.quarantined, back.held) == (week[1].id, (week[2].id,), "rolled back: prices wrong")
    assert Lists(place.store()).get(USERS[0], 3, "home").items == week[1].items(USERS[0])
    with pytest.raises(PublishRefused, match="held: rolled back: prices wrong"):
        nights.flip(store, week[3])
    released = store.release(reason="prices fixed", **WHO)
    assert released.held == ""
    assert store.release(reason="again", **WHO) == released
    with pytest.raises(PublishRefused, match="rolled back before"):
        nights.flip(store, week[2])
    assert nights.flip(store, week[3]).snapshot == week[3].id
    first, second, third = (night.id for night in week[1:4])
    assert store.history() == [
        Event(sequence=1, kind="flip", at=AT, by="night-1", reason="1", snapshot=first),
        Event(sequence=2, kind="flip", at=AT, by="night-2", reason="2", snapshot=second, replaced=first),
        Event(sequence=3, kind="rollback", snapshot=first, replaced=second, reason="prices wrong", **WHO),
        Event(sequence=4, kind="release", snapshot=first, replaced=first, reason="prices fixed", **WHO),
        Event(sequence=5, kind="flip", at=AT, by="night-3", reason="3", snapshot=third, replaced=first),
    ]
    assert store.history(2) == store.history()[-2:]


def test_a_rollback_takes_less_than_a_second(place: Place, week: list[Night]) -> None:
    """Three in a row, the fastest counts: the machine may be busy. Nothing of a snapshot is read or written."""
    store, seconds = place.store(), []
    for night in week[1:5]:
        nights.run(store, night)
    for number in range(3):
        began = time.perf_counter()
        with watched() as requests:
            store.rollback(by=f"on-call-{number}", reason="bad", at=AT)
        seconds.append(time.perf_counter() - began)
        assert len(requests) <= 8
    assert min(seconds) < 1.0
    assert store.pointer() == store.flip(week[1].id, expected=None, by="x", reason="x", at=AT)


def test_moves_before_the_first_snapshot_are_refused(place: Place, week: list[Night]) -> None:
    """Nothing to roll back, release, pin or roll out; retention finds nothing."""
    store = place.store()
    for move in (
        lambda: store.rollback(reason="a", **WHO),
        lambda: store.release(reason="a", **WHO),
        lambda: store.pin(week[1].id, reason="a", **WHO),
        lambda: store.rollout(Channels(salt="x"), reason="a", **WHO),
        lambda: store.open(week[1].id),
        lambda: store.verify(week[1].id),
    ):
        with pytest.raises(SnapshotMissing):
            move()
    assert store.retain(keep=1, grace_seconds=0, by="x", at=AT) == []


@pytest.mark.parametrize("name", ["2026-01-09-000000000000", "", "..", "../store", "a/b"])
def test_a_flip_to_what_the_store_does_not_have_is_refused(place: Place, week: list[Night], name: str) -> None:
    """Whatever the name looks like; the pointer stays."""
    store = place.store()
    before = nights.run(store, week[1])
    with pytest.raises(SnapshotMissing):
        store.flip(name, expected=before, by="x", reason="x", at=AT)
    assert store.pointer() == before


def test_the_canary_is_part_of_the_pointer(place: Place, week: list[Night]) -> None:
    """One move rolls it out, its flip to stable ends it, and what it was before is known to retention."""
    store = place.store()
    nights.run(store, week[1])
    nights.publish(store, week[2])
    with pytest.raises(SnapshotMissing):
        store.rollout(Channels(canary=week[3].id, exposure=5), reason="r", **WHO)
    with pytest.raises(InputInvalid):
        store.rollout(Channels(exposure=5), reason="r", **WHO)
    channels = Channels(canary=week[2].id, exposure=25, salt="s")
    assert store.rollout(channels, reason="r", **WHO).channels == channels
    assert store.pointer() == store.rollout(channels, reason="again", **WHO)
    flipped = nights.flip(store, week[2])
    assert (flipped.snapshot, flipped.channels) == (week[2].id, Channels(salt="s"))
    assert flipped.previous == (Retired(snapshot=week[1].id, at=AT),)


def _race(stores: list[Store], pair: list[str], seen: Pointer) -> list[str]:
    """Two flips at once by two who saw the same pointer: what each was told."""
    outcomes = ["", ""]
    gate = threading.Barrier(2)

    def rival(number: int) -> None:
        gate.wait()
        try:
            by = f"{seen.last.sequence}-{number}"
            made = stores[number].flip(pair[number], expected=seen, by=by, reason="race", at=AT)
            outcomes[number] = made.snapshot
        except PublishRefused:
            outcomes[number] = "refused"

    threads = [threading.Thread(target=rival, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_two_publishers_exactly_one_wins(place: Place, week: list[Night]) -> None:
    """Two hundred rounds of two that saw the same pointer: one move a round, one refusal, a history without a gap."""
    stores = [place.store(), place.store()]
    nights.run(stores[0], week[1])
    rivals = [nights.publish(stores[0], night) for night in week[2:5]]
    for number in range(200):
        seen = stores[0].pointer()
        assert seen is not None
        pair = [name for name in rivals if name != seen.snapshot][:2]
        outcomes = _race(stores, pair, seen)
        pointer = stores[1].pointer()
        assert pointer is not None
        assert sorted(outcomes) == sorted([pointer.snapshot, "refused"])
        assert pointer.last.sequence == number + 2
    assert [event.sequence for event in stores[0].history()] == list(range(1, 202))


def test_of_two_who_roll_back_at_once_one_wins(
    place: Place, week: list[Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is slower does not take away the good snapshot that the faster one went back to."""
    fast, slow = place.store(), place.store()
    for night in week[1:4]:
        nights.run(fast, night)
    real = slow.cell.swap  # type: ignore[attr-defined]

    def swap(pointer: Pointer, token: Any) -> bool:
        fast.rollback(by="fast", reason="bad", at=AT)
        monkeypatch.undo()
        done: bool = real(pointer, token)
        return done

    monkeypatch.setattr(slow.cell, "swap", swap)  # type: ignore[attr-defined]
    with pytest.raises(PublishRefused, match="The pointer moved"):
        slow.rollback(by="slow", reason="bad", at=AT)
    pointer = slow.pointer()
    assert pointer is not None
    assert (pointer.snapshot, pointer.last.by) == (week[2].id, "fast")
