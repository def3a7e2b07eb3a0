"""A snapshot in S3 opened for reading: shard indexes cached, then exactly one range read a lookup."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from copy import copy
from typing import Final

from contracts.errors import LarderError, SnapshotMissing
from export.format.fallbacks import decode_fallbacks
from export.format.items import ItemDictionary
from export.format.manifest import (
    FALLBACKS_NAME,
    FILE_NAME,
    ITEMS_NAME,
    Manifest,
    corrupt,
    decode_manifest,
)
from export.format.records import Record, shard_key, split_record
from export.format.shards import ShardFile, ShardIndex, index_bytes
from export.stores.bodies import absent
from export.stores.objects import Objects
from export.stores.packed import PackedReader, PackedUser
from export.stores.prefetching import ReadPool, failure_of, raise_if_all


class S3Reader(PackedReader):
    """One snapshot in S3. An index is fetched at the first lookup in its shard, 8 bytes a user, or by `warm`."""

    def __init__(self, folder: str, objects: Objects, brief: Callable[[], Objects]) -> None:
        """Opens the snapshot whose files' names begin with `folder`: three requests for any number of users.

        Args:
            folder: ends with a slash.
            objects: fetches what is held in memory.
            brief: objects for one lookup, with its own short deadline.

        Raises:
            SnapshotMissing: it is not there, or is just being deleted.
            SnapshotCorrupt: its manifest, item dictionary or fallback lists are damaged.
        """
        self._folder: Final = folder
        self._brief: Final = brief
        self._indexes: Final[dict[int, ShardIndex]] = {}
        self._pool: Final = ReadPool()
        self._read: Mapping[str, PackedUser | LarderError | None] = {}
        manifest = fetch_manifest(objects, folder)
        self._names: Final = manifest.shard_names
        self._locks: Final = [threading.Lock() for _ in range(manifest.shards)]
        items = _fetch(objects, folder, ITEMS_NAME, manifest)
        fallbacks = _fetch(objects, folder, FALLBACKS_NAME, manifest)
        where = objects.where(folder)
        super().__init__(
            where,
            manifest,
            ItemDictionary(f"{where}{ITEMS_NAME}", items),
            decode_fallbacks(fallbacks, f"{where}{FALLBACKS_NAME}"),
        )

    def warm(self) -> None:
        """Every shard's index is in memory.

        Raises:
            SnapshotCorrupt: one is damaged.
        """
        for number in range(self.manifest.shards):
            self._index(number, self._brief())

    def find(self, user_id: str) -> PackedUser | None:
        """What the snapshot holds for a user, or None where it does not know the user."""
        if user_id not in self._read:
            return super().find(user_id)
        found = self._read[user_id]
        if isinstance(found, LarderError):
            raise found
        return found

    def prefetched(self, user_ids: Collection[str], *, is_brief: bool = False) -> S3Reader:
        """A reader of the same snapshot that has read these users, one range read each, several at once."""
        shared = self._brief() if is_brief else None
        users = list(dict.fromkeys(user_ids))

        def read(user: str) -> PackedUser | LarderError | None:
            name = user.encode("utf-8", "surrogatepass")
            try:
                record = self._fetched(name, shard_key(name), shared or self._brief())
            except SnapshotMissing:
                raise
            except LarderError as error:
                return error
            return None if record is None else PackedUser(self, record)

        found = dict(zip(users, self._pool.map(read, users), strict=True))
        errors = [one for one in found.values() if isinstance(one, LarderError)]
        raise_if_all(errors, len(found))
        made = copy(self)
        made._read = {  # noqa: SLF001  it is of this very class
            user: failure_of(one) if isinstance(one, LarderError) else one for user, one in found.items()
        }
        return made

    def _record(self, name: bytes, key: int) -> Record | None:
        return self._fetched(name, key, self._brief())

    def _fetched(self, name: bytes, key: int, objects: Objects) -> Record | None:
        number = key % self.manifest.shards
        spans = self._index(number, objects).spans(key)
        if not spans:
            return None
        path = f"{self._folder}{self._names[number]}"
        first = spans[0][0]
        data = objects.get_range(path, first, spans[-1][1])
        records = [split_record(data[start - first : stop - first], self.manifest.widths) for start, stop in spans]
        found = next((record for record in records if record is not None and record.user_id == name), None)
        if found is None and None in records:
            raise corrupt(f"The record under key {key:08x} is damaged", f"{self.where}{self._names[number]}")
        return found

    def _records(self) -> Iterator[Record]:
        for name in self._names:
            data = _fetch(self._brief(), self._folder, name, self.manifest)
            n_bytes = self.manifest.files[name].bytes
            yield from ShardFile(
                f"{self.where}{name}", self.manifest.widths, expected_bytes=n_bytes, data=data
            ).records()

    def _index(self, number: int, objects: Objects) -> ShardIndex:
        index = self._indexes.get(number)
        if index is not None:
            return index
        with self._locks[number]:
            if number not in self._indexes:
                name = self._names[number]
                n = self.manifest.files[name].records
                data = objects.get_range(f"{self._folder}{name}", 0, index_bytes(n))
                self._indexes[number] = ShardIndex(data, f"{self.where}{name}", expected_records=n)
            return self._indexes[number]


def fetch_manifest(objects: Objects, folder: str) -> Manifest:
    """The manifest of the snapshot in a folder, checked against its own hash.

    Raises:
        SnapshotMissing: there is none.
        SnapshotCorrupt: it is damaged.
    """
    where = objects.where(f"{folder}{FILE_NAME}")
    found = objects.get(f"{folder}{FILE_NAME}")
    if found is None:
        raise absent(where)
    return decode_manifest(found[0], where)


def _fetch(objects: Objects, folder: str, name: str, manifest: Manifest) -> bytes:
    where = objects.where(f"{folder}{name}")
    found = objects.get(f"{folder}{name}")
    if found is None:
        raise absent(where)
    if hashlib.sha256(found[0]).hexdigest() != manifest.files[name].sha256:
        raise corrupt("The file differs from the manifest", where)
    return found[0]
