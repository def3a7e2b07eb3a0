"""A snapshot in the table opened for reading: one query a user, everything else is in memory from the start."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Final

from contracts.errors import LarderError, SnapshotMissing
from export.format.fallbacks import Fallbacks
from export.format.items import Item, ItemDictionary
from export.format.manifest import Manifest, corrupt
from export.format.records import PackedList, Record
from export.stores.base import Rows
from export.stores.dynamodb.builds import item_ids
from export.stores.dynamodb.catalogue import Catalogue
from export.stores.dynamodb.items import StoredList, decode
from export.stores.dynamodb.lists import ListTable, UserItems
from export.stores.packed import PackedReader
from export.stores.prefetching import ReadPool, failure_of, raise_if_all

PRESENT_SECONDS: Final = 5.0
"""So long a snapshot that was seen in the catalogue is taken to be there; retention's grace is longer."""


class Shelf(PackedReader):
    """What a snapshot has beside its users: items and fallback lists, and how a list of indices is shown."""

    def _record(self, name: bytes, key: int) -> Record | None:  # noqa: ARG002  it has no users
        return None

    def _records(self) -> Iterator[Record]:
        return iter(())


@dataclass(frozen=True, slots=True)
class TableUser:
    """One user's lists, each checked."""

    reader: TableReader
    segment: str
    lists: Mapping[str, StoredList]

    def rows(self, placement: str, k: int) -> Rows | None:
        """The best `k` of the user's own list, or None where there is none or it is empty."""
        made = self.lists.get(placement)
        return self.reader.rows(made, k) if made is not None and made.items else None


class TableReader:
    """What `export.stores.base.Reader` promises. A damaged item costs its own user only."""

    def __init__(
        self, manifest: Manifest, items: ItemDictionary, fallbacks: Fallbacks, lists: ListTable, catalogue: Catalogue
    ) -> None:
        """A reader of the snapshot of `manifest`; `catalogue` tells whether it still is in the store.

        Raises:
            SnapshotCorrupt: the item dictionary differs from the manifest.
        """
        self.id: Final = manifest.snapshot_id
        self.where: Final = f"{lists.table.where}/{self.id}"
        self.manifest: Final = manifest
        self._shelf = Shelf(self.where, manifest, items, fallbacks)
        self.placements: Final = self._shelf.placements
        self._lists, self._catalogue = lists, catalogue
        self._indices = {name: index for index, name in enumerate(item_ids(items, manifest, self.where)) if name}
        self._sources = {name: number for number, name in enumerate(manifest.reasons)}
        self._pool: Final = ReadPool()
        self._read: Mapping[str, UserItems | LarderError | None] = {}
        self._present_until = -math.inf

    def find(self, user_id: str) -> TableUser | None:
        """What the snapshot holds for a user, or None where it does not know the user."""
        items: UserItems | None
        if user_id in self._read:
            read = self._read[user_id]
            if isinstance(read, LarderError):
                raise read
            items = read
        elif (items := self._lists.find(user_id)) is None:
            self._check_present()
        if items is None:
            return None
        lists = {placement: decode(item) for placement, item in items.items()}
        return TableUser(self, next(iter(lists.values())).segment, lists)

    def prefetched(self, user_ids: Collection[str], *, is_brief: bool = False) -> TableReader:
        """A reader of the same snapshot that has read these users: a hundred keys a request, several at once."""
        users = set(user_ids)
        found = self._lists.read_many(users, self._pool, is_brief=is_brief)
        errors = [one for one in found.values() if isinstance(one, LarderError)]
        raise_if_all(errors, len(users))
        if len(found) < len(users):
            self._check_present()
        made = copy(self)
        read = {user: found.get(user) for user in users}
        vars(made)["_read"] = {
            user: failure_of(one) if isinstance(one, LarderError) else one for user, one in read.items()
        }
        return made

    def fallback(self, placement: str, segment: str | None, k: int) -> tuple[str, Rows]:
        """The segment that the list is of, `all` where the given one has none, and its best `k`."""
        return self._shelf.fallback(placement, segment, k)

    def item(self, index: int) -> Item:
        """One item."""
        return self._shelf.item(index)

    def items(self) -> Iterator[Item]:
        """Every item, by ascending index."""
        return self._shelf.items()

    def user_ids(self) -> Iterator[str]:
        """Ids of all users; reads the whole table."""
        return self._lists.user_ids()

    def rows(self, made: StoredList, k: int) -> Rows:
        """The best `k` of a list as it is shown.

        Raises:
            SnapshotCorrupt: it has an item or source that the snapshot does not know.
        """
        try:
            packed = PackedList(
                [self._indices[name] for name in made.items[:k]],
                made.scores[:k],
                [self._sources[name] for name in made.sources[:k]],
                [-1 if name is None else self._indices[name] for name in made.anchors[:k]],
            )
        except KeyError as error:
            raise corrupt(f"A list has {error}, which the snapshot does not know", self.where) from None
        return self._shelf.shown(packed, self.manifest.reasons, made.segment)

    def _check_present(self) -> None:
        """Passes while the snapshot is in the store: a user who is not found may have been deleted with it."""
        now = self._lists.table.calls.retrying.waiting.clock()
        if now < self._present_until:
            return
        entry = self._catalogue.get(self.id)
        if entry is None or entry.phase != "complete":
            raise SnapshotMissing(
                f"Snapshot {self.id} is in the store no more", where=self.where, todo="Read the pointer again."
            )
        self._present_until = now + PRESENT_SECONDS
