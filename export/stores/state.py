"""The state of a store as one value, kept in one place and swapped as a whole. `export.stores.moves` moves it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from typing import Final, Literal

import msgspec

from contracts.errors import InputInvalid, PublishRefused, SnapshotCorrupt, SnapshotMissing

Kind = Literal["flip", "rollback", "release", "pin", "unpin", "rollout", "retain", "erase"]
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
        salt: changes which users read the canary, and how their lists are interleaved.
        interleave: whether the exposed users read the canary's items among the stable ones, not instead of them.
    """

    canary: str = ""
    exposure: Exposure = 0
    shadow: str = ""
    salt: str = ""
    interleave: bool = False


class Pointer(msgspec.Struct, frozen=True, kw_only=True):
    """The whole state of a store, swapped as a whole.

    Attributes:
        snapshot: the current snapshot; empty where users were erased before the first flip.
        previous: snapshots that were served and may still lie in the store, the latest retired first.
        held: why the next flip is held, empty if it is not.
        quarantined: snapshots that were rolled back, the latest first: never served again.
        pinned: snapshots that retention keeps, ascending.
        removing: snapshots that retention is deleting, ascending: neither served nor published.
        channels: canary and shadow.
        erasures: grows while users' lists are taken out of snapshots, so that who has one open opens it again. Odd from
            the begin of an erasure to its end: it is under way, or was stopped.
        last: the move that made this state.
    """

    snapshot: str
    previous: tuple[Retired, ...] = ()
    held: str = ""
    quarantined: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()
    removing: tuple[str, ...] = ()
    channels: Channels = Channels()
    erasures: int = 0
    last: Event

    @property
    def is_erasing(self) -> bool:
        """Whether an erasure began and did not end."""
        return self.erasures % 2 == 1

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


def published(pointer: Pointer | None) -> Pointer:
    """The state, which there is.

    Raises:
        SnapshotMissing: nothing was published yet.
    """
    if pointer is None or not pointer.snapshot:
        raise SnapshotMissing(
            "No snapshot was published yet", where="pointer", todo="Run a night, or publish and flip a snapshot."
        )
    return pointer


def event(pointer: Pointer | None, kind: Kind, snapshot: str, act: Act) -> Event:
    """The next move, as a line of the history."""
    return Event(
        sequence=1 if pointer is None else pointer.last.sequence + 1,
        kind=kind,
        at=act.at,
        by=act.by,
        reason=act.reason,
        snapshot=snapshot,
        replaced="" if pointer is None else pointer.snapshot,
    )


def refused(what: str, pointer: Pointer | None, todo: str) -> PublishRefused:
    """The error for a move that is not made."""
    return PublishRefused(what, where=f"pointer, move {pointer.last.sequence if pointer else 0}", todo=todo)
