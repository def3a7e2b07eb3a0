"""The moves of a store's state as pure functions: a new state, or `PublishRefused`.

A store swaps its state as a whole, so each move is one compare-and-swap and a crash can lose nothing. A function that
has nothing to change returns the very state it was given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.structs import replace

from contracts.errors import InputInvalid
from export.stores.erasure_moves import check_no_erasure
from export.stores.state import (
    MAX_PREVIOUS,
    MAX_QUARANTINED,
    Act,
    Channels,
    Pointer,
    Retired,
    event,
    published,
    refused,
    seconds,
)


def flip(pointer: Pointer | None, snapshot: str, *, expected: Pointer | None, act: Act) -> Pointer:
    """`snapshot` is current; a canary that becomes current ends.

    Args:
        pointer: the state now.
        snapshot: lies in the store.
        expected: the state that the caller saw; the move is made only if no other came since.
        act: who, when, why.

    Raises:
        PublishRefused: the pointer moved, the flip is held, users are being erased, or the snapshot was rolled back or
            is being deleted.
    """
    if pointer is not None and pointer.snapshot == snapshot:
        return pointer
    check_no_erasure(pointer, "flip")
    if pointer is not None and not pointer.snapshot:
        return replace(pointer, snapshot=snapshot, last=event(pointer, "flip", snapshot, act))
    if (pointer and pointer.last) != (expected and expected.last):
        raise refused(
            f"The pointer moved: it names {pointer and pointer.snapshot}, not {expected and expected.snapshot}",
            pointer,
            "Look at the history, then flip again if this snapshot should still win.",
        )
    if pointer is None:
        return Pointer(snapshot=snapshot, last=event(None, "flip", snapshot, act))
    if pointer.held:
        raise refused(f"The flip is held: {pointer.held}", pointer, "Release the hold with a reason, then flip.")
    _check_servable(pointer, snapshot)
    channels = pointer.channels
    if channels.canary == snapshot:
        channels = replace(channels, canary="", exposure=0, interleave=False)
    return replace(
        pointer,
        snapshot=snapshot,
        previous=_retired(pointer, [Retired(snapshot=pointer.snapshot, at=act.at)], served={snapshot}),
        channels=channels,
        last=event(pointer, "flip", snapshot, act),
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
        raise refused("There is no earlier snapshot to roll back to", pointer, "Run a night that makes a good one.")
    gone = [Retired(snapshot=pointer.snapshot, at=act.at)]
    channels = replace(pointer.channels, canary="", exposure=0, interleave=False)
    if pointer.channels.canary:
        gone.append(Retired(snapshot=pointer.channels.canary, at=act.at, was_current=False))
    if channels.shadow == pointer.snapshot:
        channels = replace(channels, shadow="")
    return replace(
        pointer,
        snapshot=good[0],
        previous=_retired(pointer, gone, served={good[0]}),
        held=f"rolled back: {act.reason}",
        quarantined=_unique([pointer.snapshot, *pointer.quarantined])[:MAX_QUARANTINED],
        channels=channels,
        last=event(pointer, "rollback", good[0], act),
    )


def release(pointer: Pointer | None, *, act: Act) -> Pointer:
    """The hold is lifted.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    pointer = published(pointer)
    if not pointer.held:
        return pointer
    return replace(pointer, held="", last=event(pointer, "release", pointer.snapshot, act))


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
        raise refused(f"{snapshot} is being deleted by retention", pointer, "Pin another snapshot.")
    pinned = tuple(sorted({*pointer.pinned, snapshot}))
    return replace(pointer, pinned=pinned, last=event(pointer, "pin", snapshot, act))


def unpin(pointer: Pointer | None, snapshot: str, *, act: Act) -> Pointer:
    """Retention may delete `snapshot` again.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    pointer = published(pointer)
    if snapshot not in pointer.pinned:
        return pointer
    pinned = tuple(name for name in pointer.pinned if name != snapshot)
    return replace(pointer, pinned=pinned, last=event(pointer, "unpin", snapshot, act))


def rollout(pointer: Pointer | None, channels: Channels, *, act: Act) -> Pointer:
    """Canary, exposure, shadow and salt are those of `channels`, whose snapshots lie in the store.

    Raises:
        SnapshotMissing: nothing was published yet.
        InputInvalid: there is exposure without a canary, nothing to interleave, or the canary is the current snapshot.
        PublishRefused: the flip is held or users are being erased, and more users would read a canary; or a snapshot
            was rolled back or is being deleted.
    """
    pointer = published(pointer)
    old = pointer.channels
    if channels == old:
        return pointer
    if channels.exposure and not channels.canary:
        raise InputInvalid("There is exposure without a canary", where="exposure", todo="Name a canary, or give 0.")
    if channels.interleave and not channels.exposure:
        raise InputInvalid("There is nothing to interleave", where="interleave", todo="Give an exposure above 0.")
    if channels.canary == pointer.snapshot:
        raise InputInvalid("The canary is current already", where="canary", todo="Name another snapshot.")
    is_more = channels.exposure > (old.exposure if channels.canary == old.canary else 0)
    if pointer.held and is_more:
        raise refused(f"The flip is held: {pointer.held}", pointer, "Release the hold with a reason first.")
    if is_more:
        check_no_erasure(pointer, "flip")
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
        last=event(pointer, "rollout", moved, act),
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
    if pointer is None or not pointer.snapshot:
        return pointer
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
        last=event(pointer, "retain", pointer.snapshot, act),
    )


def removed(pointer: Pointer | None, names: Iterable[str]) -> Pointer:
    """The deleting of `names` is over: they may be published again. No move of its own in the history.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    pointer = published(pointer)
    return replace(pointer, removing=tuple(sorted({*pointer.removing} - {*names})))


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
        raise refused(f"{snapshot} was rolled back before", pointer, "Build a snapshot that differs from it.")
    if snapshot in pointer.removing:
        raise refused(
            f"{snapshot} is being deleted by retention", pointer, "Let retention finish, publish it again, then flip."
        )


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))
