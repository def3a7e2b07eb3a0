"""What every store promises, whatever it is made of.

- A snapshot is immutable, and in the store as a whole or not at all: `snapshots` lists the complete ones only.
- `publish` takes blessed bytes only, reads back what it wrote, and never moves the pointer; again, it changes nothing.
- Every other method that changes something is one compare-and-swap of the pointer. Killed at any step and run
  again, it ends in the same state. A write whose reply was lost is recognised by the caller's `by`.
- `retain` deletes nothing that is current, canary, shadow, pinned, a rollback's goal, or served until less than the
  grace ago. It says in the pointer what it is going to delete before it deletes it.
- Errors are `LarderError`; nothing is retried for ever, and each call ends within the store's deadline.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec

from export.format.items import Item
from export.format.manifest import Manifest
from export.stores.state import Channels, Event, Pointer


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot that lies in the store, read back and counted.

    Attributes:
        is_new: False where the very same snapshot lay there before.
        numbers: what the store has to say of the cost: requests, bytes, write units.
    """

    snapshot: str
    manifest: Manifest
    is_new: bool
    numbers: Mapping[str, float] = field(default_factory=dict)


class Rows(msgspec.Struct, frozen=True):
    """A list as it is shown: parallel, best first.

    Attributes:
        items: item ids.
        titles: None where the shop gave none.
        scores: comparable within the list only.
        sources: names of the sources that proposed the items.
        reasons: as a shopper reads them.
        indices: item indices; -1 where the store does not know them.
        n_damaged: item entries that could not be read; their items are left out, their anchors' reasons are plain.
    """

    items: list[str]
    titles: list[str | None]
    scores: list[float]
    sources: list[str]
    reasons: list[str]
    indices: list[int]
    n_damaged: int = 0


class UserLists(Protocol):
    """What one snapshot holds for one user."""

    @property
    def segment(self) -> str:
        """The user's segment."""
        ...

    def rows(self, placement: str, k: int) -> Rows | None:
        """The best `k` of the user's own list, or None where there is none or it is empty.

        Args:
            placement: one that the snapshot has.
            k: at least 1.
        """
        ...


@runtime_checkable
class Reader(Protocol):
    """One open snapshot. Safe to share between threads; all of its answers come from the one snapshot."""

    @property
    def id(self) -> str:
        """The snapshot's id."""
        ...

    @property
    def where(self) -> str:
        """The place it is read from, for messages."""
        ...

    @property
    def manifest(self) -> Manifest:
        """Counts and checksums."""
        ...

    @property
    def placements(self) -> Mapping[str, int]:
        """Index of each placement by its name."""
        ...

    def find(self, user_id: str) -> UserLists | None:
        """What the snapshot holds for a user, or None where it does not know the user.

        Raises:
            SnapshotCorrupt: the user's record is damaged; other users' are not concerned.
            SnapshotMissing: the snapshot is in the store no more: read the pointer again.
            StoreUnreachable: the store did not answer in time.
        """
        ...

    def fallback(self, placement: str, segment: str | None, k: int) -> tuple[str, Rows]:
        """The segment that the list is of, `all` where the given one has none, and its best `k`.

        It lies in memory: this is no call to a server, and it never fails.
        """
        ...

    def item(self, index: int) -> Item:
        """One item.

        Raises:
            SnapshotCorrupt: its entry is damaged, or there is none.
        """
        ...

    def items(self) -> Iterator[Item]:
        """Every item, by ascending index.

        Raises:
            SnapshotCorrupt: an entry is damaged.
        """
        ...

    def user_ids(self) -> Iterator[str]:
        """Ids of all users with a record, in no particular order, each once.

        Raises:
            SnapshotCorrupt: a record is damaged, so that its user would be lost.
        """
        ...


class Store(Protocol):
    """Snapshots side by side and a pointer to the current one. Any number of processes may use it at once.

    `by`, `reason` and `at` of each move stand in the history; `by` differs for each run of a publisher.
    """

    @property
    def where(self) -> str:
        """The place, for messages."""
        ...

    def snapshots(self) -> list[str]:
        """Ids of the complete snapshots, oldest date first."""
        ...

    def pointer(self) -> Pointer | None:
        """The pointer, None where nothing was flipped yet.

        Raises:
            SnapshotCorrupt: it cannot be read.
        """
        ...

    def mark(self) -> Hashable:
        """A value that changes whenever the pointer does; never dearer than `pointer`."""
        ...

    def history(self, last: int | None = None) -> list[Event]:
        """Every move or the `last` ones, oldest first, the latest even where a crash kept it from being recorded."""
        ...

    def open(self, snapshot: str) -> Reader:
        """The snapshot, opened for reading; the time does not depend on the number of users.

        Raises:
            SnapshotMissing: the store does not have it.
            SnapshotCorrupt: its manifest, item dictionary or fallback lists are damaged.
        """
        ...

    def publish(self, build: Path, *, blessing: Path) -> Published:
        """The snapshot built in the directory `build`, put into the store, read back and counted; not yet current.

        Args:
            build: a snapshot directory; left as it is.
            blessing: the gates' verdict on it.

        Raises:
            PublishRefused: no blessing names these bytes, retention is just deleting this snapshot, or users are being
                erased or were since this call began.
            SnapshotCorrupt: bytes or counts differ from the manifest, before or after the copy.
        """
        ...

    def verify(self, snapshot: str) -> Manifest:
        """The manifest of a snapshot in the store, all of whose bytes and counts were read back and agree with it.

        Raises:
            SnapshotMissing: the store does not have it.
            SnapshotCorrupt: something differs.
        """
        ...

    def flip(self, snapshot: str, *, expected: Pointer | None, by: str, reason: str, at: str) -> Pointer:
        """The pointer, which names `snapshot`; one that is current already leaves it as it is.

        Args:
            snapshot: lies in the store.
            expected: the pointer as last read; the move is made only if there was none since.
            by: id of the publisher.
            reason: for the history.
            at: ISO time.

        Raises:
            SnapshotMissing: the store does not have it.
            PublishRefused: the pointer moved, the flip is held, users are being erased, or the snapshot was rolled back
                or is being deleted.
        """
        ...

    def rollback(self, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer, moved back to the latest good snapshot; the bad one is quarantined and the next flip held.

        Raises:
            SnapshotMissing: nothing was published yet.
            PublishRefused: there is no earlier snapshot, or somebody else moved the pointer meanwhile.
        """
        ...

    def release(self, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer with its hold lifted; one that is not held is left as it is.

        Raises:
            SnapshotMissing: nothing was published yet.
        """
        ...

    def pin(self, snapshot: str, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer; retention keeps the snapshot until `unpin`.

        Raises:
            SnapshotMissing: the store does not have it, or nothing was published yet.
            PublishRefused: it is being deleted.
        """
        ...

    def unpin(self, snapshot: str, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer; retention may delete the snapshot again."""
        ...

    def rollout(self, channels: Channels, *, by: str, reason: str, at: str) -> Pointer:
        """The pointer with canary, exposure, shadow and salt as given.

        Raises:
            SnapshotMissing: the store lacks one of them, or nothing was published yet.
            InputInvalid: there is exposure without a canary.
            PublishRefused: the flip is held, or a snapshot was rolled back or is being deleted.
        """
        ...

    def erase(self, users: Mapping[str, str], *, by: str, reason: str, at: str) -> Mapping[str, int]:
        """Users taken out of each snapshot that had some, by its id; its id and everybody else's lists stay.

        The pointer moves twice: before, so that a publisher under way starts again, and after, so that readers open
        anew. What was begun and not finished is deleted. Until it ends nothing is published and nothing flipped, so
        that no later flip or rollback serves the users. Run again, nothing changes but these two moves.

        Args:
            users: by user id, any text, the keyed hash under which a store may note that the user is gone.
            by: id of the eraser.
            reason: for the history; names nobody.
            at: ISO time.

        Raises:
            SnapshotCorrupt: a snapshot's manifest or index is damaged, so that it cannot be told who is in it.
            PublishRefused: another erasure began meanwhile and took the place of this one, which is to be run again.
        """
        ...

    def retain(self, *, keep: int, grace_seconds: float, by: str, at: str) -> list[str]:
        """Ids deleted, ascending; see `export.stores.moves.retain`. What crashes left behind goes too.

        Args:
            keep: snapshots kept beside the current one.
            grace_seconds: longer than a reader's pointer cache and its longest read together.
            by: id of the publisher.
            at: ISO time.
        """
        ...
