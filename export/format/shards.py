"""Shard files: a header, an index by key, the records. One range read answers a lookup once the index is cached.

The file is, little-endian:

    `LRDS` | version u16 | 0 u16 | shard u32 | n u32 | crc32 of the index u32 | start of the records u32 | 0 u64
    | keys u32[n], ascending | offsets u32[n + 1] from the start of the records | records, in the order of the keys

Two users with one key lie side by side in the order of their ids; the id in the record tells them apart.
"""

from __future__ import annotations

import mmap
import struct
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from contracts.errors import InputInvalid
from export.format.checksum import crc32
from export.format.manifest import corrupt
from export.format.records import Record, Widths, shard_key, split_record

HEAD: Final = struct.Struct("<4sHHIIIIQ")
MAGIC: Final = b"LRDS"
VERSION: Final = 2
MAX_RECORDS_BYTES: Final = 2**32 - 1


class Writes(Protocol):
    """Takes bytes, one after the other."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Takes the next bytes."""
        ...


def index_bytes(n: int) -> int:
    """Bytes of header and index of a shard with `n` records: what a remote reader caches."""
    return HEAD.size + 4 * n + 4 * (n + 1)


def write_shard(
    file: Writes,
    shard: int,
    keys: npt.NDArray[Any],
    lengths: npt.NDArray[Any],
    records: Iterable[bytes | memoryview],
) -> None:
    """Writes one shard file.

    Args:
        file: open for writing, at its start.
        shard: number of the shard.
        keys: uint32, ascending, one a record.
        lengths: bytes of each record.
        records: in the order of `keys`, each or many joined.

    Raises:
        InputInvalid: the records take 4 GiB or more.
    """
    total = int(lengths.sum())
    if total > MAX_RECORDS_BYTES:
        raise InputInvalid(
            f"Shard {shard} would take {total:,} bytes, the format allows {MAX_RECORDS_BYTES:,}",
            where="store.shards",
            todo="Raise store.shards.",
        )
    offsets = np.zeros(len(keys) + 1, dtype="<u4")
    np.cumsum(lengths, out=offsets[1:])
    index = keys.astype("<u4").tobytes() + offsets.tobytes()
    head = (MAGIC, VERSION, 0, shard, len(keys), crc32(index), HEAD.size + len(index), 0)
    file.write(HEAD.pack(*head))
    file.write(index)
    for part in records:
        file.write(part)


class ShardIndex:
    """Header and index of a shard: where the records of a key lie. Safe to share between threads."""

    def __init__(self, data: bytes, path: Path | str, *, expected_records: int) -> None:
        """Reads the first `index_bytes(expected_records)` bytes of the shard at `path`.

        Raises:
            SnapshotCorrupt: they are damaged, or not of a shard with so many records.
        """
        if len(data) != index_bytes(expected_records):
            raise corrupt("The shard's index is truncated", path)
        magic, version, _, _, n, crc, self._start, _ = HEAD.unpack_from(data)
        if magic != MAGIC or version != VERSION or n != expected_records or self._start != len(data):
            raise corrupt("The file is not a shard of this format", path)
        if crc32(memoryview(data)[HEAD.size :]) != crc:
            raise corrupt("The shard's index is damaged", path)
        self._keys = memoryview(data)[HEAD.size : HEAD.size + 4 * n].cast("I")
        self._offsets = memoryview(data)[HEAD.size + 4 * n :].cast("I")

    def spans(self, key: int) -> list[tuple[int, int]]:
        """First byte of each record under a key and the byte after its last, in the file; they lie side by side."""
        at = bisect_left(self._keys, key)
        found = []
        while at < len(self._keys) and self._keys[at] == key:
            found.append((self._start + self._offsets[at], self._start + self._offsets[at + 1]))
            at += 1
        return found


class ShardFile:
    """A memory-mapped shard; opening it costs the same for any number of users. Safe to share between threads."""

    def __init__(self, path: Path | str, widths: Widths, *, expected_bytes: int, data: bytes | None = None) -> None:
        """Maps the file at `path`, or takes its bytes where they are given.

        Raises:
            SnapshotCorrupt: it is absent, not a shard of this format, or has another size than expected.
        """
        self._path, self._widths = path, widths
        self._map = _mapped(Path(path)) if data is None else data
        size = len(self._map)
        if size != expected_bytes or size < HEAD.size:
            raise corrupt(f"The shard has {size} bytes, the manifest says {expected_bytes}", path)
        magic, version, _, _, self.n, self._crc, self._start, _ = HEAD.unpack_from(self._map)
        if magic != MAGIC or version != VERSION or self._start != index_bytes(self.n) or self._start > size:
            raise corrupt("The file is not a shard of this format", path)
        view = memoryview(self._map)
        self._keys = view[HEAD.size : HEAD.size + 4 * self.n].cast("I")
        self._offsets = view[HEAD.size + 4 * self.n : self._start].cast("I")

    def find(self, user_id: bytes, key: int) -> Record | None:
        """The user's record, or None where the shard has none.

        Raises:
            SnapshotCorrupt: a record under the user's key is damaged and none that is whole is the user's.
        """
        at = bisect_left(self._keys, key)
        damaged = False
        while at < self.n and self._keys[at] == key:
            record = split_record(self._bytes(at), self._widths)
            if record is None:
                damaged = True
            elif record.user_id == user_id:
                return record
            at += 1
        if damaged:
            raise corrupt(f"The record under key {key:08x} is damaged", self._path)
        return None

    def record(self, position: int) -> Record:
        """The record at a position, 0 <= position < n, in the order of the keys.

        Raises:
            SnapshotCorrupt: it is damaged.
        """
        record = split_record(self._bytes(position), self._widths)
        if record is None:
            raise corrupt(f"Record {position} is damaged", self._path)
        return record

    def records(self) -> Iterator[Record]:
        """Every record in the order of the keys, with the index checked against it.

        Raises:
            SnapshotCorrupt: the index or a record is damaged.
        """
        if crc32(self._map[HEAD.size : self._start]) != self._crc:
            raise corrupt("The shard's index is damaged", self._path)
        for position in range(self.n):
            record = self.record(position)
            if shard_key(record.user_id) != self._keys[position]:
                raise corrupt(f"Record {position} lies under another user's key", self._path)
            yield record

    def write_without(self, file: Writes, shard: int, user_ids: Collection[bytes]) -> list[Record | None]:
        """Writes the shard without some users; their records come back, None for one that is damaged.

        Other damaged records are copied as they are. Nothing is written where there is none of the users.

        Args:
            file: open for writing, at its start.
            shard: number of the shard.
            user_ids: in UTF-8.
        """
        keys = {shard_key(user_id) for user_id in user_ids}
        gone: dict[int, Record | None] = {}
        for position in range(self.n):
            if self._keys[position] in keys:
                record = split_record(self._bytes(position), self._widths)
                if record is None or record.user_id in user_ids:
                    gone[position] = record
        if gone:
            left = [position for position in range(self.n) if position not in gone]
            left_keys = np.array([self._keys[position] for position in left], dtype=np.uint32)
            records = [self._bytes(position) for position in left]
            write_shard(file, shard, left_keys, np.array([len(one) for one in records], dtype=np.int64), records)
        return list(gone.values())

    def _bytes(self, position: int) -> bytes:
        return self._map[self._start + self._offsets[position] : self._start + self._offsets[position + 1]]


def _mapped(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b""
    except OSError as error:
        raise corrupt(f"The shard cannot be opened: {error}", path) from error
