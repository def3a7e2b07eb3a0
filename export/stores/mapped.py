"""A snapshot directory opened for reading: memory-mapped, one page or two touched a lookup."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from contracts.errors import SnapshotCorrupt
from export.format.fallbacks import read_fallbacks
from export.format.items import ItemDictionary
from export.format.manifest import FALLBACKS_NAME, ITEMS_NAME, corrupt, read_manifest
from export.format.records import Record
from export.format.shards import ShardFile
from export.stores.packed import LOG, PackedReader, check_fallbacks


class MappedReader(PackedReader):
    """One snapshot on a disk. A damaged shard costs its own users only."""

    def __init__(self, directory: Path) -> None:
        """Opens the snapshot in `directory`; the time does not depend on the number of users.

        Raises:
            SnapshotMissing: there is none.
            SnapshotCorrupt: its manifest, item dictionary or fallback lists are damaged.
        """
        self.directory = directory
        manifest = read_manifest(directory)
        items, path = ItemDictionary(directory / ITEMS_NAME), directory / FALLBACKS_NAME
        fallbacks = read_fallbacks(path)
        check_fallbacks(path.read_bytes(), manifest, str(path))
        super().__init__(str(directory), manifest, items, fallbacks)
        self._shards = [self._open_shard(number, name) for number, name in enumerate(manifest.shard_names)]

    def _open_shard(self, number: int, name: str) -> ShardFile | None:
        path = self.directory / name
        try:
            entry = self.manifest.files[path.name]
            return ShardFile(path, self.manifest.widths, expected_bytes=entry.bytes)
        except SnapshotCorrupt:
            LOG.exception("shard %d of %s cannot be used: its users get fallback lists", number, self.id)
            return None

    def _record(self, name: bytes, key: int) -> Record | None:
        shard = self._shards[key % len(self._shards)]
        return (shard or self._shard(key % len(self._shards))).find(name, key)

    def _records(self) -> Iterator[Record]:
        return (record for number in range(self.manifest.shards) for record in self._shard(number).records())

    def _shard(self, number: int) -> ShardFile:
        shard = self._shards[number]
        if shard is None:
            raise corrupt("The shard is damaged", self.directory / self.manifest.shard_names[number])
        return shard
