"""What is the same in every store: the moves of its pointer, and the order in which users are erased from it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from contracts.errors import PublishRefused, SnapshotCorrupt, SnapshotMissing
from export.stores import erasure_moves, moves, publishable, state
from export.stores.state import Act, Channels, Event, Pointer
from export.stores.swapping import PointerCell, history, move


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
        found = self.cell.read()[0]
        return found if found is not None and found.snapshot else None

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
    def sweep(self, check_mine: Callable[[], None]) -> None:
        """What the snapshots were before `take_out` is gone. Again, nothing is left to do.

        Args:
            check_mine: asked once it is known what to delete; raises where another erasure may just be writing it.
        """

    def erase(self, users: Mapping[str, str], *, by: str, reason: str, at: str) -> dict[str, int]:
        """Users taken out of each snapshot that had some."""
        act = Act(by=by, at=at, reason=reason)
        begun = move(self.cell, lambda current: erasure_moves.begin(current, act=act))
        mine = 0 if begun is None else begun.erasures
        found = self.take_out(users)
        done = Act(by=by, at=at, reason=f"{reason}; {sum(found.values())} records of {len(found)} snapshots")
        move(self.cell, lambda current: erasure_moves.taken_out(current, erasures=mine, act=done))
        mine += 2

        def check_mine() -> None:
            erasure_moves.end(self.cell.read()[0], erasures=mine)

        self.sweep(check_mine)
        move(self.cell, lambda current: erasure_moves.end(current, erasures=mine))
        return found

    def check_publishable(self, snapshot: str, *, erasures: int | None = None) -> int:
        """The count of erasures; passes unless one is under way or retention is deleting the snapshot.

        Args:
            snapshot: about to be published.
            erasures: what was returned when the publish began.

        Raises:
            PublishRefused: so it is, or users were erased since, whom the publisher may still have.
        """
        return publishable.check(self.cell.read()[0], snapshot, self.where, erasures=erasures)

    @contextmanager
    def unless_erased(self, snapshot: str, erasures: int) -> Iterator[None]:
        """A block that reads back; what is not found because users were erased meanwhile is no corruption.

        Raises:
            PublishRefused: users were erased since the publish began.
        """
        try:
            yield
        except SnapshotCorrupt:
            self.check_publishable(snapshot, erasures=erasures)
            raise

    def _moved(self, make: Callable[[Pointer | None], Pointer]) -> Pointer:
        return state.published(move(self.cell, make))
