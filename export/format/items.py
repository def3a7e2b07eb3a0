"""The item dictionary: item index -> what a reader shows. Memory-mapped, one checksum an item.

The file is, little-endian: `LRDI` | version u16 | 0 u16 | n u32 | 0 u32 | offsets u64[n + 1] | crc32 u32[n] | entries.
Entry i is the MessagePack array (item id, title, category, price, image URL); an unused index has an empty entry.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from export.format.manifest import corrupt

HEAD: Final = struct.Struct("<4sHHII")
MAGIC: Final = b"LRDI"
VERSION: Final = 1
CACHED_ITEMS: Final = 65_536


class Item(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a reader shows of an item."""

    item_id: str
    title: str | None = None
    category: str | None = None
    price: float | None = None
    image_url: str | None = None


def encode_items(entries: Iterable[tuple[int, Item]], n: int) -> bytes:
    """The bytes of the file.

    Args:
        entries: index and item, each index 0 <= index < n and at most once.
        n: one more than the highest index.
    """
    encoder = msgspec.msgpack.Encoder()
    blobs = [b""] * n
    for index, item in entries:
        blobs[index] = encoder.encode(item)
    offsets = np.zeros(n + 1, dtype="<u8")
    np.cumsum([len(blob) for blob in blobs], out=offsets[1:])
    crcs = np.array([zlib.crc32(blob) for blob in blobs], dtype="<u4")
    return b"".join((HEAD.pack(MAGIC, VERSION, 0, n, 0), offsets.tobytes(), crcs.tobytes(), *blobs))


class _Cache(dict[int, Item]):
    """Items that were read, up to `CACHED_ITEMS`; then it starts anew. Cheaper to ask than a cache that keeps order."""

    def __init__(self, read: Callable[[int], Item]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, index: int) -> Item:
        if len(self) >= CACHED_ITEMS:
            self.clear()
        made = self[index] = self._read(index)
        return made


class ItemDictionary:
    """The items of a snapshot, read as they are asked for; safe to share between threads."""

    def __init__(self, path: Path | str, data: bytes | None = None) -> None:
        """Maps the file at `path`, or takes its bytes where they are given.

        Raises:
            SnapshotCorrupt: it is absent, not an item dictionary, or has the wrong size.
        """
        self._path = path
        self._map = _mapped(Path(path)) if data is None else data
        size = len(self._map)
        if size < HEAD.size:
            raise corrupt("The item dictionary is truncated", path)
        magic, version, _, self.n, _ = HEAD.unpack_from(self._map)
        self._entries = HEAD.size + 8 * (self.n + 1) + 4 * self.n
        if magic != MAGIC or version != VERSION or size < self._entries:
            raise corrupt("The file is not an item dictionary of this format", path)
        view = memoryview(self._map)
        self._offsets = view[HEAD.size : HEAD.size + 8 * (self.n + 1)].cast("Q")
        self._crcs = view[HEAD.size + 8 * (self.n + 1) : self._entries].cast("I")
        self._decode = msgspec.msgpack.Decoder(Item).decode
        self.get = _Cache(self._get).__getitem__

    def _get(self, index: int) -> Item:
        """The item at `index`.

        Raises:
            SnapshotCorrupt: its bytes are damaged, or the dictionary has no such item.
        """
        if not 0 <= index < self.n:
            raise corrupt(f"Item index {index} is not in the dictionary", self._path)
        data = self._map[self._entries + self._offsets[index] : self._entries + self._offsets[index + 1]]
        if not data or zlib.crc32(data) != self._crcs[index]:
            raise corrupt(f"Item index {index} is damaged or not in the dictionary", self._path)
        return self._decode(data)

    def entries(self) -> Iterator[Item]:
        """Every item, by ascending index, each checked.

        Raises:
            SnapshotCorrupt: one is damaged.
        """
        return (self._get(i) for i in range(self.n) if self._offsets[i] != self._offsets[i + 1])


def _mapped(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b""
    except OSError as error:
        raise corrupt(f"The item dictionary cannot be opened: {error}", path) from error
