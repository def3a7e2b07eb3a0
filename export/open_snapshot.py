"""A snapshot opened for reading: records by user id, items by index, fallback lists by placement and segment."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from contracts.errors import SnapshotCorrupt
from export.format.fallbacks import FallbackList, read_fallbacks
from export.format.items import Item, ItemDictionary
from export.format.manifest import EVERYONE, FALLBACKS_NAME, ITEMS_NAME, corrupt, read_manifest, shard_name
from export.format.records import PackedList, Record, key_hash, unpack_list
from export.format.shards import ShardFile

LOG: Final = logging.getLogger("larder.lookup")


class OpenSnapshot:
    """One snapshot, memory-mapped. A damaged shard costs its own users only. Safe to share between threads."""

    def __init__(self, directory: Path) -> None:
        """Opens the snapshot in `directory`; the time does not depend on the number of users.

        Raises:
            SnapshotMissing: there is none.
            SnapshotCorrupt: its manifest, item dictionary or fallback lists are damaged.
        """
        self.directory = directory
        self.manifest = read_manifest(directory)
        self.id = self.manifest.snapshot_id
        self.placements = {name: i for i, name in enumerate(self.manifest.placements)}
        self._items = ItemDictionary(directory / ITEMS_NAME)
        path = directory / FALLBACKS_NAME
        self._fallbacks = read_fallbacks(path)
        if hashlib.sha256(path.read_bytes()).hexdigest() != self.manifest.files[FALLBACKS_NAME].sha256:
            raise corrupt("The fallback lists differ from the manifest", path)
        self._shards = [self._open_shard(shard) for shard in range(self.manifest.shards)]

    def _open_shard(self, shard: int) -> ShardFile | None:
        path = self.directory / shard_name(shard)
        try:
            return ShardFile(path, self.manifest.widths, expected_bytes=self.manifest.files[path.name].bytes)
        except SnapshotCorrupt:
            LOG.exception("shard %d of %s cannot be used: its users get fallback lists", shard, self.id)
            return None

    def find(self, user_id: str) -> Record | None:
        """The user's record, or None where the snapshot has none.

        Raises:
            SnapshotCorrupt: the user's record or shard is damaged.
        """
        name = user_id.encode("utf-8", "surrogatepass")
        key = key_hash(name)
        return self.shard(key % self.manifest.shards).find(name, key)

    def shard(self, number: int) -> ShardFile:
        """One shard.

        Raises:
            SnapshotCorrupt: it could not be opened.
        """
        shard = self._shards[number]
        if shard is None:
            raise corrupt("The shard is damaged", self.directory / shard_name(number))
        return shard

    def personal(self, record: Record, placement: str, k: int) -> PackedList | None:
        """The best `k` of the user's own list, or None where there is none or it is empty."""
        made = unpack_list(record, self.placements[placement], self.manifest.widths, k)
        return made if made is not None and made.items else None

    def fallback(self, placement: str, segment: str | None) -> tuple[str, FallbackList]:
        """The segment that the fallback list is of, `all` where the given one has no list, and the list."""
        lists = self._fallbacks[placement]
        chosen = segment if segment is not None and segment in lists else EVERYONE
        return chosen, lists[chosen]

    def segment(self, record: Record) -> str:
        """The user's segment."""
        return self.manifest.segments[record.segment]

    def item(self, index: int) -> Item:
        """One item.

        Raises:
            SnapshotCorrupt: its entry is damaged.
        """
        return self._items.get(index)

    def items(self) -> Iterator[Item]:
        """Every item, by ascending index.

        Raises:
            SnapshotCorrupt: an entry is damaged.
        """
        return self._items.entries()
