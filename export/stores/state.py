"""The state of a store as one value, and its moves as pure functions: a new state, or `PublishRefused`.

A store keeps this value in one place and swaps it as a whole, so each move is one compare-and-swap and a crash can lose
nothing. A function that has nothing to change returns the very state it was given.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from contracts.errors import InputInvalid, PublishRefused, SnapshotCorrupt, SnapshotMissing

Kind = Literal["flip", "rollback", "release", "pin", "unpin", "rollout", "retain"]
Exposure = Literal[0, 5, 10, 25, 50, 100]
MAX_PREVIOUS: Final = 100
MAX_QUARANTINED: Final = 1000


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """Who moves the pointer, when and why.

    Attributes:
        by: id of the publisher, different for each run: a write whose reply was lost is recognised by it.
        at: ISO time; without an offset it is UTC.
        reason: for the history.
    """

    by: str
    at: str
    reason: str

    def __post_init__(self) -> None:
        seconds(self.at)


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One move, as a line of the history.

    Attributes:
        sequence: number of the move, from 1.
        kind: what was done.
        at: ISO time, as given by the caller.
        by: id of the publisher, as given by the caller.
        reason: as given by the caller.
        snapshot: what was moved to, pinned, unpinned or rolled out; the current one after any other move.
        replaced: current before the move, empty if there was none.
    """

    sequence: int
    kind: Kind
    at: str
    by: str
    reason: str
    snapshot: str
    replaced: str = ""


class Retired(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot that is served no more.

    Attributes:
        at: ISO time from which no new answer comes from it.
        was_current: False where it only was a canary or a shadow, so that no rollback goes to it.
    """

    snapshot: str
    at: str
    was_current: bool = True


class Channels(msgspec.Struct, frozen=True, kw_only=True):
    """What is read beside the current snapshot, which is the channel `stable`.

    Attributes:
        canary: snapshot that a share of the users reads, empty for none.
        exposure: percent of the users who read the canary.
        shadow: snapshot that is computed and compared, never served; empty for none.
        salt: changes which users read the canary.
    """

    canary: str = ""
    exposure: Exposure = 0
    shadow: str = ""
    salt: str = ""


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a store, swapped as a whole.

    Attributes:
        snapshot: the current snapshot.
        previous: snapshots that were served and may still lie in the store, the latest retired first.
        held: why the next flip is held, empty if it is not.
        quarantined: snapshots that were rolled back, the latest first: never served again.
        pinned: snapshots that retention keeps, ascending.
        removing: snapshots that retention is deleting, ascending: neither served nor published.
        channels: canary and shadow.
        last: the move that made this state.
    """

    snapshot: str
    previous: tuple[Retired, ...] = ()
    held: str = ""
    quarantined: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    removing: tuple[str, ...] = ()
    channels: Channels = Channels()
    last: Event

    def good_previous(self, present: Collection[str]) -> list[str]:
        """What a rollback may go to, the latest first: was current, lies in the store, was never rolled back."""
        bad = {*self.quarantined, *self.removing, self.snapshot}
        return [
            old.snapshot
            for old in self.previous
            if old.was_current and old.snapshot in present and old.snapshot not in bad
        ]


def decode(raw: bytes, where: str) -> Pointer:
    """The state in the bytes of `encode`.

    Raises:
        SnapshotCorrupt: they are not such bytes.
    """
    try:
        return msgspec.json.decode(raw, type=Pointer)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SnapshotCorrupt(
            f"The pointer cannot be read: {error}", where=where, todo="Put back a pointer that the history names."
        ) from error


def encode(pointer: Pointer) -> bytes:
    """The state as indented JSON."""
    return msgspec.json.format(msgspec.json.encode(pointer), indent=2) + b"\n"


def seconds(at: str) -> float:
    """Seconds since 1970 of an ISO time; one without an offset is UTC.

    Raises:
        InputInvalid: it is no ISO time.
    """
    try:
        time = dt.datetime.fromisoformat(at)
    except ValueError as error:
        raise InputInvalid(f"{at!r} is no time", where="at", todo="Give an ISO time.") from error
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()


def flip(pointer: Pointer | None, snapshot: str, *, expected: Pointer | None, act: Act) -> Pointer:
    """`snapshot` is current; a canary that becomes current ends.

    Args:
        pointer: the state now.
        snapshot: lies in the store.
        expected: the state that the caller saw; the move is made only if no other came since.
        act: who, when, why.

    Raises:
        PublishRefused: the pointer moved, the flip is held, or the snapshot was rolled back or is being deleted.
    """
    if pointer is not None and pointer.snapshot == snapshot:
        return pointer
    if (pointer and pointer.last) != (expected and expected.last):
        raise _refused(
            f"The pointer moved: it names {pointer and pointer.snapshot}, not {expected and expected.snapshot}",
            pointer,
            "Look at the history, then flip again if this snapshot should still win.",
        )
    if pointer is None:
        return Pointer(snapshot=snapshot, last=_event(None, "flip", snapshot, act))
    if pointer.held:
        raise _refused(f"The flip is held: {pointer.held}", pointer, "Release the hold with a reason, then flip.")
    _check_servable(pointer, snapshot)
    channels = pointer.channels
    if channels.canary == snapshot:
        channels = replace(channels, canary="", exposure=0)
    return replace(
        pointer,
        snapshot=snapshot,
        previous=_retired(pointer, [Retired(snapshot=pointer.snapshot, at=act.at)], served={snapshot}),
        channels=channels,
        last=_event(pointer, "flip", snapshot, act),
    )


def rollback(pointer: Pointer | None, *, present: Collection[str], act: Act) -> Pointer:
    """The latest good snapshot is current again; the bad one is quarantined, the canary ended, the next flip held.

    Args:
        pointer: the state now.
        present: snapshots in the store.
        act: who, when, why.

    Raises:
        SnapshotMissing: nothing was published yet.
        PublishRefused: there is no earlier snapshot to go back to.
    """
    pointer = published(pointer)
    good = pointer.good_previous(present)
    if not good:
        raise _refused("There is no earlier snapshot to roll back to", pointer, "Run a night that makes a good one.")
    gone = [Retired(snapshot=pointer.snapshot, at=act.at)]
    if pointer.channels.canary:
        gone.append(Retired(snapshot=pointer.channels.canary, at=act.at, was_current=False))
    return replace(
        pointer,
        snapshot=good[0],
        previous=_retired(pointer, gone, served={good[0]}),
        held=f"rolled back: {act.reason}",
        quarantined=_unique([pointer.snapshot, *pointer.quarantined])[:MAX_QUARANTINED],
        channels=replace(pointer.channels, canary="", exposure=0),
        last=_event(pointer, "rollback", good[0], act),
    )


def release(pointer: Pointer | None, *, act: Act) -> Pointer:
    """The hold is lifted.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    pointer = published(pointer)
    if not pointer.held:
        return pointer
    return replace(pointer, held="", last=_event(pointer, "release", pointer.snapshot, act))


def pin(pointer: Pointer | None, snapshot: str, *, act: Act) -> Pointer:
    """Retention keeps `snapshot`, which lies in the store, until `unpin`.

    Raises:
        SnapshotMissing: nothing was published yet.
        PublishRefused: it is being deleted.
    """
    pointer = published(pointer)
    if snapshot in pointer.pinned:
        return pointer
    if snapshot in pointer.removing:
        raise _refused(f"{snapshot} is being deleted by retention", pointer, "Pin another snapshot.")
    pinned = tuple(sorted({*pointer.pinned, snapshot}))
    return replace(pointer, pinned=pinned, last=_event(pointer, "pin", snapshot, act))


def unpin(pointer: Pointer | None, snapshot: str, *, act: Act) -> Pointer:
    """Retention may delete `snapshot` again.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    pointer = published(pointer)
    if snapshot not in pointer.pinned:
        return pointer
    pinned = tuple(name for name in pointer.pinned if name != snapshot)
    return replace(pointer, pinned=pinned, last=_event(pointer, "unpin", snapshot, act))


def rollout(pointer: Pointer | None, channels: Channels, *, act: Act) -> Pointer:
    """Canary, exposure, shadow and salt are those of `channels`, whose snapshots lie in the store.

    Raises:
        SnapshotMissing: nothing was published yet.
        InputInvalid: there is exposure without a canary.
        PublishRefused: the flip is held and more users would read a canary, or a snapshot was rolled back or is being
            deleted.
    """
    pointer = published(pointer)
    old = pointer.channels
    if channels == old:
        return pointer
    if channels.exposure and not channels.canary:
        raise InputInvalid("There is exposure without a canary", where="exposure", todo="Name a canary, or give 0.")
    is_more = channels.exposure > (old.exposure if channels.canary == old.canary else 0)
    if pointer.held and is_more:
        raise _refused(f"The flip is held: {pointer.held}", pointer, "Release the hold with a reason first.")
    new = [name for name in _unique([channels.canary, channels.shadow]) if name]
    for name in new:
        _check_servable(pointer, name)
    gone = [
        Retired(snapshot=name, at=act.at, was_current=False)
        for name in _unique([old.canary, old.shadow])
        if name and name not in new
    ]
    moved = channels.canary or channels.shadow or pointer.snapshot
    return replace(
        pointer,
        previous=_retired(pointer, gone, served={pointer.snapshot}),
        channels=channels,
        last=_event(pointer, "rollout", moved, act),
    )


def retain(
    pointer: Pointer | None, *, present: Collection[str], keep: int, grace_seconds: float, act: Act
) -> Pointer | None:
    """Its `removing` names what may be deleted; unchanged where there is nothing more to delete.

    That is no snapshot that is served, pinned, among the `keep` latest good ones, was served until less than
    `grace_seconds` ago, or is of the current one's date or later.

    Args:
        pointer: the state now; None is left so.
        present: snapshots in the store.
        keep: snapshots kept beside the current one, for a rollback.
        grace_seconds: longer than a reader's pointer cache and its longest read together.
        act: who, when, why.
    """
    if pointer is None:
        return None
    now = seconds(act.at)
    recent = {old.snapshot for old in pointer.previous if now - seconds(old.at) < grace_seconds}
    kept = {*_served(pointer), *pointer.pinned, *pointer.good_previous(present)[:keep], *recent}
    day = pointer.snapshot[:10]
    gone = {name for name in present if name not in kept and name[:10] < day} | {*pointer.removing}
    if gone == {*pointer.removing}:
        return pointer
    return replace(
        pointer,
        previous=tuple(old for old in pointer.previous if old.snapshot in recent or old.snapshot in {*present} - gone),
        removing=tuple(sorted(gone)),
        last=_event(pointer, "retain", pointer.snapshot, act),
    )


def removed(pointer: Pointer | None, names: Iterable[str]) -> Pointer:
    """The deleting of `names` is over: they may be published again. No move of its own in the history.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    pointer = published(pointer)
    return replace(pointer, removing=tuple(sorted({*pointer.removing} - {*names})))


def published(pointer: Pointer | None) -> Pointer:
    """The state, which there is.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    if pointer is None:
        raise SnapshotMissing(
            "No snapshot was published yet", where="pointer", todo="Run a night, or publish and flip a snapshot."
        )
    return pointer


def _event(pointer: Pointer | None, kind: Kind, snapshot: str, act: Act) -> Event:
    return Event(
        sequence=1 if pointer is None else pointer.last.sequence + 1,
        kind=kind,
        at=act.at,
        by=act.by,
        reason=act.reason,
        snapshot=snapshot,
        replaced="" if pointer is None else pointer.snapshot,
    )


def _retired(pointer: Pointer, gone: Iterable[Retired], *, served: Collection[str]) -> tuple[Retired, ...]:
    """`previous` with `gone` before it; a snapshot stands in it once and never while it is served."""
    first = [old for old in gone if old.snapshot not in served]
    skipped = {*served, *(old.snapshot for old in first)}
    once_current = {old.snapshot for old in pointer.previous if old.was_current}
    first = [replace(old, was_current=old.was_current or old.snapshot in once_current) for old in first]
    return (*first, *(old for old in pointer.previous if old.snapshot not in skipped))[:MAX_PREVIOUS]


def _served(pointer: Pointer) -> set[str]:
    return {pointer.snapshot, pointer.channels.canary, pointer.channels.shadow}


def _check_servable(pointer: Pointer, snapshot: str) -> None:
    if snapshot in pointer.quarantined:
        raise _refused(f"{snapshot} was rolled back before", pointer, "Build a snapshot that differs from it.")
    if snapshot in pointer.removing:
        raise _refused(
            f"{snapshot} is being deleted by retention", pointer, "Let retention finish, publish it again, then flip."
        )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _refused(what: str, pointer: Pointer | None, todo: str) -> PublishRefused:
    return PublishRefused(what, where=f"pointer, move {pointer.last.sequence if pointer else 0}", todo=todo)
