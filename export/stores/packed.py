"""A snapshot of packed records as a reader shows it: what the local store and S3 share, whatever holds the bytes."""

from __future__ import annotations

import hashlib
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from contracts.errors import SnapshotCorrupt
from export import reasons
from export.format.fallbacks import Fallbacks
from export.format.items import Item, ItemDictionary
from export.format.manifest import EVERYONE, FALLBACKS_NAME, Manifest, corrupt
from export.format.records import PackedList, Record, coded_list, shard_key, uncoded
from export.stores.base import Rows
from export.stores.coded import CodedLists

LOG: Final = logging.getLogger("larder.lookup")


class PackedUser(msgspec.Struct, frozen=True):
    """One user's record, its lists still packed."""

    reader: PackedReader
    record: Record

    @property
    def segment(self) -> str:
        """The user's segment."""
        return self.reader.manifest.segments[self.record.segment]

    def rows(self, placement: str, k: int) -> Rows | None:
        """The best `k` of the user's own list, or None where there is none or it is empty."""
        reader, record = self.reader, self.record
        number, segment = reader.placements[placement], self.segment
        at = record.lists.get(number)
        if at is None:
            return None
        if (rows := reader.coded.shown_at(record.data, at, k, segment)) is not None:
            return rows
        made = coded_list(record, number, reader.widths, k)
        if made is None or not made.items:
            return None
        try:
            return reader.coded.shown(made, segment)
        except SnapshotCorrupt:
            return reader.shown(uncoded(made, reader.widths), reader.manifest.reasons, segment)


class PackedReader(ABC):
    """What `export.stores.base.Reader` promises, over packed records; a subclass fetches a record by its key."""

    def __init__(self, where: str, manifest: Manifest, items: ItemDictionary, fallbacks: Fallbacks) -> None:
        """A reader of the snapshot that `manifest` describes, at `where`."""
        self.where: Final = where
        self.manifest: Final = manifest
        self.widths: Final = manifest.widths
        self.id: Final = manifest.snapshot_id
        self.placements: Final = {name: i for i, name in enumerate(manifest.placements)}
        self.coded: Final = CodedLists(items, manifest.reasons, manifest.widths)
        self._items = items
        self._fallbacks = fallbacks

    @abstractmethod
    def _record(self, name: bytes, key: int) -> Record | None:
        """The record of the user `name`, whose key is `key`, or None where there is none.

        Raises:
            SnapshotCorrupt: it is damaged.
        """

    @abstractmethod
    def _records(self) -> Iterator[Record]:
        """Every record.

        Raises:
            SnapshotCorrupt: one is damaged.
        """

    def find(self, user_id: str) -> PackedUser | None:
        """What the snapshot holds for a user, or None where it does not know the user."""
        name = user_id.encode("utf-8", "surrogatepass")
        record = self._record(name, shard_key(name))
        return None if record is None else PackedUser(self, record)

    def fallback(self, placement: str, segment: str | None, k: int) -> tuple[str, Rows]:
        """The segment that the list is of, `all` where the given one has none, and its best `k`."""
        lists = self._fallbacks[placement]
        owner = segment if segment is not None and segment in lists else EVERYONE
        made = lists[owner]
        n = min(k, len(made.items))
        source = "popular" if owner == EVERYONE else "segment"
        packed = PackedList(list(made.items[:n]), list(made.scores[:n]), [0] * n, [-1] * n)
        return owner, self.shown(packed, (source,), segment)

    def item(self, index: int) -> Item:
        """One item."""
        return self._items.get(index)

    def items(self) -> Iterator[Item]:
        """Every item, by ascending index."""
        return self._items.entries()

    def user_ids(self) -> Iterator[str]:
        """Ids of all users with a record."""
        return (record.user_id.decode() for record in self._records())

    def shown(self, made: PackedList, sources: Sequence[str], segment: str | None) -> Rows:
        """The list with ids, titles and reasons; an item whose entry is damaged is left out, counted and logged."""
        get = self._items.get
        try:
            items = list(map(get, made.items))
            anchors = [get(anchor).title if anchor >= 0 else None for anchor in made.anchors]
        except SnapshotCorrupt:
            return self._shown_damaged(made, sources, segment)
        plans = reasons.plans(tuple(sources), segment)
        texts = []
        for number, anchor, item in zip(made.sources, anchors, items, strict=True):
            particular, plain, before, after = plans[number]
            value = particular and (anchor if particular == "anchor" else item.category)
            texts.append(before + value + after if value else plain)
        return Rows(
            [item.item_id for item in items],
            [item.title for item in items],
            made.scores,
            [sources[number] for number in made.sources],
            texts,
            made.items,
        )

    def _shown_damaged(self, made: PackedList, sources: Sequence[str], segment: str | None) -> Rows:
        """The same, place by place."""
        rows = Rows([], [], [], [], [], [])
        n_damaged = 0
        for index, score, number, anchor in zip(made.items, made.scores, made.sources, made.anchors, strict=True):
            item = self._item(index)
            explains = self._item(anchor) if item is not None and anchor >= 0 else None
            n_damaged += (item is None) + (item is not None and anchor >= 0 and explains is None)
            if item is None:
                continue
            source = sources[number]
            rows.items.append(item.item_id)
            rows.titles.append(item.title)
            rows.scores.append(score)
            rows.sources.append(source)
            title = explains.title if explains is not None else None
            rows.reasons.append(reasons.render(source, anchor_title=title, segment=segment, category=item.category))
            rows.indices.append(index)
        if not n_damaged:
            return rows
        return Rows(rows.items, rows.titles, rows.scores, rows.sources, rows.reasons, rows.indices, n_damaged=n_damaged)

    def _item(self, index: int) -> Item | None:
        try:
            return self._items.get(index)
        except SnapshotCorrupt:
            LOG.exception("snapshot %s: the item at %d is left out", self.id, index)
            return None


def check_fallbacks(data: bytes, manifest: Manifest, where: str) -> None:
    """Passes where the bytes of the fallback lists are those of the manifest.

    Raises:
        SnapshotCorrupt: they are not.
    """
    if hashlib.sha256(data).hexdigest() != manifest.files[FALLBACKS_NAME].sha256:
        raise corrupt("The fallback lists differ from the manifest", where)
