"""Moves of the pointer over any place that can compare and swap, and the history behind them.

A move reads the state, makes the next one and swaps. Before it swaps it records the previous move in the history, so
that a crash after a swap costs nothing: the next mover, or a reader of the history, finds that move in the pointer.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from contracts.errors import PublishRefused, SnapshotMissing, StoreUnreachable
from export.stores import moves, state
from export.stores.state import Act, Channels, Event, Pointer

LOG: Final = logging.getLogger("larder.store")
MAX_ROUNDS: Final = 50


class PointerCell(Protocol):
    """The one place of a store that can be compared and swapped, and the list of moves beside it."""

    @property
    def where(self) -> str:
        """The place, for messages."""
        ...

    def read(self) -> tuple[Pointer | None, Any]:
        """The pointer, None before the first move, and a token that only this very state has."""
        ...

    def swap(self, pointer: Pointer, token: Any) -> bool:
        """Whether the state was still that of `token`, and so was replaced.

        False also where the reply of a swap that was made got lost and the second try found it changed.

        Raises:
            StoreUnreachable: it is not known whether it was replaced.
        """
        ...

    def record(self, event: Event) -> None:
        """The event stands in the history, once. All events before it stand there already."""
        ...

    def recorded(self, last: int | None = None) -> list[Event]:
        """The history as recorded, oldest first: all moves but perhaps the last one.

        Args:
            last: only so many of the latest are wanted; None for all.
        """
        ...


def move(cell: PointerCell, make: Callable[[Pointer | None], Pointer | None]) -> Pointer | None:
    """The state that `make` made of the state there was; `make` is asked again when somebody else was faster.

    Args:
        cell: where the state lies.
        make: gives back what it was given where there is nothing to change; raises to refuse.

    Raises:
        PublishRefused: others moved the pointer so many times in a row.
        StoreUnreachable: the store does not answer; the pointer is what it was, or moved as asked.
    """
    for _ in range(MAX_ROUNDS):
        current, token = cell.read()
        made = make(current)
        if current is not None:
            cell.record(current.last)
        if made is None or made == current:
            return current
        if _swap(cell, made, token):
            _record_made(cell, made.last)
            return made
    raise PublishRefused(
        f"Others moved the pointer {MAX_ROUNDS} times meanwhile",
        where=cell.where,
        todo="Look who does, then try again.",
    )


def _record_made(cell: PointerCell, event: Event) -> None:
    """The event stands in the history; where the store went away after the swap, the next mover writes it."""
    try:
        cell.record(event)
    except StoreUnreachable as error:
        LOG.warning(
            "%s moved, but its history lacks move %d until the next: %s", cell.where, event.sequence, error.what
        )


def history(cell: PointerCell, last: int | None = None) -> list[Event]:
    """Every move or the `last` ones, oldest first, the latest even where a crash kept it from its record."""
    pointer, _ = cell.read()
    events = cell.recorded(last)
    if pointer is not None and (not events or events[-1].sequence < pointer.last.sequence):
        events.append(pointer.last)
    return events if last is None else events[-last:]


def _swap(cell: PointerCell, made: Pointer, token: Any) -> bool:
    try:
        return cell.swap(made, token) or _is_made(cell, made)
    except StoreUnreachable:
        if not _is_made_at_last(cell, made):
            raise
        return True


def _is_made_at_last(cell: PointerCell, made: Pointer) -> bool:
    try:
        return _is_made(cell, made)
    except StoreUnreachable as error:
        raise StoreUnreachable(
            f"{error.what}; it is not known whether the pointer moved",
            where=cell.where,
            todo="Look at `larder status` when it answers again, before anything else.",
        ) from None


def _is_made(cell: PointerCell, made: Pointer) -> bool:
    """Whether the state became `made` after all: it is, or it was and others moved on, who recorded it."""
    current, _ = cell.read()
    if current is None or current.last.sequence < made.last.sequence:
        return False
    moves_since = current.last.sequence - made.last.sequence
    return current == made or (moves_since > 0 and made.last in cell.recorded(moves_since + 1))


class MovedStore(ABC):
    """The moves of a store: what `export.stores.base.Store` says of `pointer`, `history` and all that change them."""

    cell: PointerCell

    @property
    def where(self) -> str:
        """The place, for messages."""
        return self.cell.where

    @abstractmethod
    def snapshots(self) -> list[str]:
        """Ids of the complete snapshots, oldest date first."""

    @abstractmethod
    def remove(self, names: list[str], *, at: str, grace_seconds: float) -> None:
        """The snapshots are deleted, and so is what crashes left longer than the grace ago. Again, nothing is left."""

    def pointer(self) -> Pointer | None:
        """The pointer, None where nothing was flipped yet."""
        return self.cell.read()[0]

    def history(self, last: int | None = None) -> list[Event]:
        """Every move or the `last` ones, oldest first."""
        return history(self.cell, last)

    def check_present(self, snapshot: str) -> None:
        """Passes where the store has the complete snapshot.

        Raises:
            SnapshotMissing: it does not.
        """
        if snapshot not in self.snapshots():
            raise SnapshotMissing(
                f"Snapshot {snapshot!r} is not in the store", where=self.where, todo="Name one that `status` lists."
            )

    def flip(self, snapshot: str, *, expected: Pointer | None, by: str, reason: str, at: str) -> Pointer:
        """The pointer, which names `snapshot`."""
        act = Act(by=by, at=at, reason=reason)

        def make(current: Pointer | None) -> Pointer:
            # After the read and not before it: what retention takes away in between fails the swap.
            self.check_present(snapshot)
            return moves.flip(current, snapshot, expected=expected, act=act)

        return self._moved(make)

    def rollback(self, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer, moved back to the latest good snapshot."""
        act = Act(by=by, at=at, reason=reason)
        seen: list[Pointer | None] = []

        def make(current: Pointer | None) -> Pointer:
            seen.append(current)
            if (current and current.last) != (seen[0] and seen[0].last):
                raise PublishRefused(
                    f"The pointer moved: it names {current and current.snapshot}",
                    where=self.where,
                    todo="Look at the history, then roll back again if this snapshot is bad too.",
                )
            return moves.rollback(current, present=self.snapshots(), act=act)

        return self._moved(make)

    def release(self, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer with its hold lifted."""
        act = Act(by=by, at=at, reason=reason)
        return self._moved(lambda current: moves.release(current, act=act))

    def pin(self, snapshot: str, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer; retention keeps the snapshot."""
        act = Act(by=by, at=at, reason=reason)

        def make(current: Pointer | None) -> Pointer:
            self.check_present(snapshot)
            return moves.pin(current, snapshot, act=act)

        return self._moved(make)

    def unpin(self, snapshot: str, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer; retention may delete the snapshot again."""
        act = Act(by=by, at=at, reason=reason)
        return self._moved(lambda current: moves.unpin(current, snapshot, act=act))

    def rollout(self, channels: Channels, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer with these channels."""
        act = Act(by=by, at=at, reason=reason)

        def make(current: Pointer | None) -> Pointer:
            for name in filter(None, (channels.canary, channels.shadow)):
                self.check_present(name)
            return moves.rollout(current, channels, act=act)

        return self._moved(make)

    def retain(self, *, keep: int, grace_seconds: float, by: str, at: str) -> list[str]:
        """Ids deleted, ascending."""
        act = Act(by=by, at=at, reason=f"keep {keep}")

        def make(current: Pointer | None) -> Pointer | None:
            present = self.snapshots()
            return moves.retain(current, present=present, keep=keep, grace_seconds=grace_seconds, act=act)

        pointer = move(self.cell, make)
        gone = [] if pointer is None else list(pointer.removing)
        self.remove(gone, at=at, grace_seconds=grace_seconds)
        if gone:
            self._moved(lambda current: moves.removed(current, gone))
        return gone

    @abstractmethod
    def take_out(self, users: Mapping[str, str]) -> dict[str, int]:
        """Users taken out of each snapshot, by id; what is not finished is deleted. Again, nothing is left to do."""

    @abstractmethod
    def sweep(self) -> None:
        """What the snapshots were before `take_out` is gone. Again, nothing is left to do."""

    def erase(self, users: Mapping[str, str], *, by: str, reason: str, at: str) -> dict[str, int]:
        """Users taken out of each snapshot that had some."""
        act = Act(by=by, at=at, reason=reason)
        move(self.cell, lambda current: moves.erase(current, act=act))
        found = self.take_out(users)
        n = sum(found.values())
        done = Act(by=by, at=at, reason=f"{reason}; {n} records of {len(found)} snapshots")
        move(self.cell, lambda current: moves.erase(current, act=done))
        self.sweep()
        return found

    def check_publishable(self, snapshot: str, *, erasures: int | None = None) -> int:
        """How often users were erased from the store; passes unless retention is deleting the snapshot.

        Args:
            snapshot: about to be published.
            erasures: what was returned when the publish began.

        Raises:
            PublishRefused: it is, or users were erased since, whom the publisher may still have.
        """
        pointer = self.pointer()
        now = 0 if pointer is None else pointer.erasures
        if erasures is not None and now != erasures:
            raise PublishRefused(
                f"Users were erased while {snapshot} was published", where=self.where, todo="Publish again."
            )
        if pointer is not None and snapshot in pointer.removing:
            raise PublishRefused(
                f"{snapshot} is being deleted by retention",
                where=self.where,
                todo="Let retention finish, or run it again, then publish.",
            )
        return now

    def _moved(self, make: Callable[[Pointer | None], Pointer]) -> Pointer:
        return state.published(move(self.cell, make))
