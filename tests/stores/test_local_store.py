from __future__ import annotations

import datetime as dt
import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.errors import EnvironmentUnfit, ExitCode, PublishRefused, SnapshotCorrupt, SnapshotMissing
from export.blessing import Blessing, read_blessing, write_blessing
from export.format.manifest import Manifest
from export.lookup import Lists
from export.stores.local import LocalStore
from export.stores.state import Event, Pointer, Retired

Build = Callable[..., Manifest]
Night = Callable[..., str]
AT = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T04:04:05Z"


def flip(store: LocalStore, snapshot: str) -> Pointer:
    """A flip by someone who just looked."""
    return store.flip(snapshot, expected=store.pointer(), by="test", reason="test", at=AT)


def blessing_of(path: Path, manifest: Manifest, **change: Any) -> Path:
    """A blessing of the manifest at `path`, with changes."""
    blessing = Blessing(as_of=manifest.as_of, manifest_sha256=manifest.sha256, verdict="blessed", gates=[{"n": 1}])
    write_blessing(path, msgspec.structs.replace(blessing, **change))
    return path


def test_only_blessed_bytes_are_published(tmp_path: Path, store: LocalStore, build: Build) -> None:
    """No blessing, a held one, one for other bytes, a broken one: refused, and the store stays empty."""
    manifest = build(tmp_path / "b")
    cases = {
        "there is no blessing": tmp_path / "absent.json",
        "The gates hold": blessing_of(tmp_path / "held.json", manifest, verdict="held"),
        "other bytes": blessing_of(tmp_path / "other.json", manifest, manifest_sha256="0" * 64),
        "names other": blessing_of(tmp_path / "day.json", manifest, as_of=dt.date(2026, 1, 2)),
        "cannot be read": tmp_path / "broken.json",
    }
    (tmp_path / "broken.json").write_text("{")
    for message, path in cases.items():
        with pytest.raises(PublishRefused, match=message) as caught:
            store.publish(tmp_path / "b", blessing=path)
        assert caught.value.exit_code == ExitCode.HELD
    assert store.snapshots() == []
    good = blessing_of(tmp_path / "good.json", manifest)
    assert read_blessing(good).gates == [{"n": 1}]
    assert store.publish(tmp_path / "b", blessing=good).snapshot == manifest.snapshot_id


def test_blessed_bytes_that_changed_since_are_not_published(tmp_path: Path, store: LocalStore, build: Build) -> None:
    """A flipped byte in the build is found before anything is visible; a repaired build then goes through."""
    manifest = build(tmp_path / "b")
    good = blessing_of(tmp_path / "good.json", manifest)
    path = tmp_path / "b" / "shard-00000.bin"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(SnapshotCorrupt):
        store.publish(tmp_path / "b", blessing=good)
    path.unlink()
    with pytest.raises(SnapshotCorrupt, match=r"lacks shard-00000\.bin"):
        store.publish(tmp_path / "b", blessing=good)
    assert store.snapshots() == []
    path.write_bytes(whole)
    assert store.publish(tmp_path / "b", blessing=good).is_new


def test_publishing_the_same_again_changes_nothing(tmp_path: Path, store: LocalStore, build: Build) -> None:
    """The same id, no second copy, and the published files are the built ones."""
    manifest = build(tmp_path / "b")
    good = blessing_of(tmp_path / "good.json", manifest)
    first, second = (store.publish(tmp_path / "b", blessing=good) for _ in range(2))
    assert (first.is_new, second.is_new, first.snapshot) == (True, False, second.snapshot)
    folder = store.directory(first.snapshot)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {
        p.name: p.read_bytes() for p in (tmp_path / "b").iterdir()
    }
    assert sorted(p.name for p in folder.parent.iterdir()) == [first.snapshot]


def test_publish_does_not_flip(store: LocalStore, publish: Night) -> None:
    """A published snapshot is not current until the pointer says so."""
    publish(store, 1)
    assert store.pointer() is None


def test_a_flip_names_what_it_replaced(store: LocalStore, night: Night) -> None:
    """Pointer and history after two nights, exactly."""
    first, second = night(store, 1), night(store, 2)
    flips = [
        Event(sequence=1, kind="flip", at=AT, by="test", reason="night 1", snapshot=first),
        Event(sequence=2, kind="flip", at=AT, by="test", reason="night 2", snapshot=second, replaced=first),
    ]
    assert store.pointer() == Pointer(snapshot=second, previous=(Retired(snapshot=first, at=AT),), last=flips[1])
    assert store.history() == flips


def test_flipping_to_the_current_snapshot_changes_nothing(store: LocalStore, night: Night) -> None:
    """A second run of a night, with whatever it expected, finds its work done."""
    first = night(store, 1)
    before = store.pointer()
    assert store.flip(first, expected=None, by="test", reason="again", at=AT) == before
    assert len(store.history()) == 1


def test_a_flip_that_expected_another_pointer_is_refused(store: LocalStore, night: Night, publish: Night) -> None:
    """The one who looked first and flips last loses."""
    night(store, 1)
    seen = store.pointer()
    late = publish(store, 3)
    second = night(store, 2)
    with pytest.raises(PublishRefused, match="The pointer moved"):
        store.flip(late, expected=seen, by="test", reason="late", at=AT)
    with pytest.raises(PublishRefused, match="The pointer moved"):
        store.flip(late, expected=None, by="test", reason="late", at=AT)
    pointer = store.pointer()
    assert pointer is not None
    assert pointer.snapshot == second


@pytest.mark.parametrize("name", ["2026-01-09-000000000000", "", "..", "../store", ".lock", "a/b"])
def test_a_flip_to_what_the_store_does_not_have_is_refused(store: LocalStore, night: Night, name: str) -> None:
    """Whatever the name looks like; the pointer stays."""
    first = night(store, 1)
    with pytest.raises(SnapshotMissing):
        flip(store, name)
    pointer = store.pointer()
    assert pointer is not None
    assert pointer.snapshot == first


def test_of_two_who_flip_at_once_one_wins(store: LocalStore, night: Night, publish: Night) -> None:
    """Fifty rounds of two threads that saw the same pointer: one pointer move a round, one refusal."""
    night(store, 1)
    rivals = [publish(store, day) for day in (2, 3, 4)]
    for number in range(50):
        seen = store.pointer()
        assert seen is not None
        pair = [name for name in rivals if name != seen.snapshot][:2]
        outcomes: list[str] = []
        gate = threading.Barrier(2)

        def rival(name: str, seen: Pointer = seen, gate: threading.Barrier = gate, out: list[str] = outcomes) -> None:
            gate.wait()
            try:
                out.append(store.flip(name, expected=seen, by="test", reason="race", at=AT).snapshot)
            except PublishRefused:
                out.append("refused")

        threads = [threading.Thread(target=rival, args=(name,)) for name in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        pointer = store.pointer()
        assert pointer is not None
        assert sorted(outcomes) == sorted([pointer.snapshot, "refused"])
        assert pointer.last.sequence == number + 2
    assert [event.sequence for event in store.history()] == list(range(1, 52))


def test_a_rollback_quarantines_and_holds_until_released(store: LocalStore, night: Night, publish: Night) -> None:
    """Back to the good one; the bad one never again; the next night waits for a person's reason."""
    first, bad = night(store, 1), night(store, 2)
    back = store.rollback(by="test", reason="prices wrong", at=AT)
    assert (back.snapshot, back.quarantined, back.held) == (first, (bad,), "rolled back: prices wrong")
    assert Lists(store).get("ann", 1, "home").snapshot == first
    third = publish(store, 3)
    with pytest.raises(PublishRefused, match="held: rolled back: prices wrong"):
        flip(store, third)
    assert store.release(by="test", reason="fixed", at=AT).held == ""
    with pytest.raises(PublishRefused, match="rolled back before"):
        flip(store, bad)
    assert [old.snapshot for old in flip(store, third).previous] == [first, bad]
    assert [(event.kind, event.reason) for event in store.history()] == [
        ("flip", "night 1"), ("flip", "night 2"), ("rollback", "prices wrong"), ("release", "fixed"), ("flip", "test"),
    ]  # fmt: skip


def test_a_second_rollback_skips_what_the_first_one_left(store: LocalStore, night: Night) -> None:
    """From the third to the second to the first, and no further."""
    first, second, third = (night(store, day) for day in (1, 2, 3))
    assert store.rollback(by="test", reason="a", at=AT).snapshot == second
    assert store.rollback(by="test", reason="b", at=AT).snapshot == first
    with pytest.raises(PublishRefused, match="no earlier snapshot"):
        store.rollback(by="test", reason="c", at=AT)
    pointer = store.pointer()
    assert pointer is not None
    assert (pointer.snapshot, pointer.quarantined) == (first, (second, third))


def test_before_the_first_snapshot_there_is_nothing_to_roll_back_or_release(store: LocalStore) -> None:
    """Said so, not answered with a traceback."""
    with pytest.raises(SnapshotMissing):
        store.rollback(by="test", reason="a", at=AT)
    with pytest.raises(SnapshotMissing):
        store.release(by="test", reason="a", at=AT)
    assert store.retain(keep=1, grace_seconds=60, by="test", at=LATER) == []


def test_releasing_what_is_not_held_changes_nothing(store: LocalStore, night: Night) -> None:
    """No line in the history."""
    night(store, 1)
    assert store.release(by="test", reason="a", at=AT) == store.pointer()
    assert len(store.history()) == 1


def test_retention_keeps_the_current_the_pinned_and_the_last(store: LocalStore, night: Night, publish: Night) -> None:
    """Of six nights with two kept: the oldest go, but for the pinned; a later one that waits for its flip stays."""
    names = [night(store, day) for day in range(1, 7)]
    waiting = publish(store, 7)
    store.pin(names[1], by="test", reason="mail", at=AT)
    assert store.retain(keep=2, grace_seconds=60, by="test", at=LATER) == [names[0], names[2]]
    assert store.snapshots() == [names[1], *names[3:], waiting]
    store.unpin(names[1], by="test", reason="sent", at=AT)
    assert store.retain(keep=2, grace_seconds=60, by="test", at=LATER) == [names[1]]
    assert store.retain(keep=2, grace_seconds=60, by="test", at=LATER) == []
    assert store.rollback(by="test", reason="a", at=AT).snapshot == names[4]


def test_retention_takes_away_what_a_crash_left(store: LocalStore, night: Night) -> None:
    """Half-copied and half-deleted folders are no snapshots and go."""
    night(store, 1)
    for name in (".incoming-x", ".trash-y"):
        (store.root / "snapshots" / name).mkdir()
        (store.root / "snapshots" / name / "manifest.json").write_text("{}")
    assert len(store.snapshots()) == 1
    store.retain(keep=1, grace_seconds=60, by="test", at=LATER)
    assert len(list((store.root / "snapshots").iterdir())) == 1


def test_an_open_reader_survives_retention(store: LocalStore, night: Night) -> None:
    """What is mapped can be read to the end, also when its files are gone."""
    first = night(store, 1)
    snapshot = Lists(store).current()
    night(store, 2)
    assert store.retain(keep=0, grace_seconds=60, by="test", at=LATER) == [first]
    user = snapshot.find("bob")
    assert user is not None
    rows = user.rows("home", 1)
    assert rows is not None
    assert rows.items == ["tea"]


@pytest.mark.parametrize("torn", [b"", b'{"sequence":2,"ki', b"x" * 900])
def test_a_history_line_lost_to_a_crash_is_written_by_the_next_move(
    store: LocalStore, night: Night, torn: bytes
) -> None:
    """Killed between the swap and the line, or within the line: the history is complete at once and stays so."""
    night(store, 1)
    one = (store.root / "history.jsonl").read_bytes()
    night(store, 2)
    whole = (store.root / "history.jsonl").read_bytes()
    (store.root / "history.jsonl").write_bytes(one + torn)
    assert [event.sequence for event in store.history()] == [1, 2]
    night(store, 3)
    assert [event.sequence for event in store.history()] == [1, 2, 3]
    assert (store.root / "history.jsonl").read_bytes().startswith(whole)


def test_a_full_disk_is_said_and_leaves_the_store_as_it_was(
    tmp_path: Path, store: LocalStore, night: Night, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While building, copying or moving the pointer: a named error, the old snapshot current, nothing half-made."""
    first = night(store, 1)
    manifest = build(tmp_path / "b", day=2)
    good = blessing_of(tmp_path / "good.json", manifest)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for attempt in (
            lambda: build(tmp_path / "c", day=3),
            lambda: store.publish(tmp_path / "b", blessing=good),
        ):
            with pytest.raises(EnvironmentUnfit, match="No space left"):
                attempt()
    assert [p.name for p in (store.root / "snapshots").iterdir()] == [first]
    assert Lists(store).get("ann", 1, "home").snapshot == first
    second = store.publish(tmp_path / "b", blessing=good).snapshot
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(EnvironmentUnfit, match="No space left") as caught:
            flip(store, second)
    assert "Free space" in caught.value.todo
    assert Lists(store).get("ann", 1, "home").snapshot == first
