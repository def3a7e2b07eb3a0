"""The item dictionary: item index -> what a reader shows. Memory-mapped, one checksum an item.

The file is, little-endian: `LRDI` | version u16 | 0 u16 | n u32 | 0 u32 | offsets u64[n + 1] | crc32 u32[n] | entries.
Entry i is the MessagePack array (item id, title, category, price, image URL); an unused index has an empty entry.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from contracts.errors import SnapshotCorrupt
from export.format.checksum import crc32
from export.format.manifest import corrupt

HEAD: Final = struct.Struct("<4sHHII")
MAGIC: Final = b"LRDI"
VERSION: Final = 1
CACHED_ITEMS: Final = 65_536
AHEAD_ITEMS: Final = 65_536
AHEAD: Final = 8


class Item(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, gc=False):
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
    np.cumsum(np.fromiter(map(len, blobs), dtype="<u8", count=n), out=offsets[1:])
    crcs = np.fromiter(map(crc32, blobs), dtype="<u4", count=n)
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
        if not data or crc32(data) != self._crcs[index]:
            raise corrupt(f"Item index {index} is damaged or not in the dictionary", self._path)
        return self._decode(data)

    def entries(self) -> Iterator[Item]:
        """Every item, by ascending index, each checked.

        Raises:
            SnapshotCorrupt: one is damaged.
        """
        return (self._get(i) for i in range(self.n) if self._offsets[i] != self._offsets[i + 1])


class ItemColumns:
    """Ids, titles and categories by item index, each read once, when it is first asked for or a little before.

    Attributes:
        ids: by item index; what lies at an index that was not loaded means nothing, as with the other two.
        is_full: whether every index of the dictionary is loaded.
        is_loaded: 1 by item index where it is.
        n_loaded: indices that are.
    """

    def __init__(self, items: ItemDictionary) -> None:
        """Columns of `items`; up to `AHEAD_ITEMS` of them all are loaded by and by, above them those asked for."""
        self.ids = [""] * items.n
        self.titles: list[str | None] = [None] * items.n
        self.categories: list[str | None] = [None] * items.n
        self.is_full = False
        self.n_loaded = 0
        self._items, self.is_loaded = items, bytearray(items.n)
        self._same: dict[str | None, str | None] = {}
        self._next = 0 if items.n <= AHEAD_ITEMS else items.n

    def load(self, indices: Sequence[int]) -> None:
        """These indices are loaded.

        Raises:
            SnapshotCorrupt: an entry is damaged, or the dictionary has no such item.
        """
        is_loaded = self.is_loaded
        for index in indices:
            if not 0 <= index < len(is_loaded) or not is_loaded[index]:
                self._load(index)
        if self._next < len(is_loaded):
            self._load_ahead()

    def _load_ahead(self) -> None:
        """A few more, so that soon none is missing; a damaged or unused entry is left to who asks for it."""
        ahead = range(self._next, min(self._next + AHEAD, len(self.is_loaded)))
        for index in ahead:
            try:
                self._load(index)
            except SnapshotCorrupt:
                continue
        self._next = ahead.stop
        self.is_full = self._next == len(self.is_loaded) and 0 not in self.is_loaded

    def _load(self, index: int) -> None:
        item = self._items.get(index)
        self.ids[index], self.titles[index] = item.item_id, item.title
        self.categories[index] = self._same.setdefault(item.category, item.category)  # one text for a whole category
        self.n_loaded += not self.is_loaded[index]
        self.is_loaded[index] = 1


def _mapped(path: Path) -> mmap.mmap | bytes:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.seek(0, 2) else b""
    except OSError as error:
        raise corrupt(f"The item dictionary cannot be opened: {error}", path) from error
