"""One user's record: who it is, the segment, and one packed list for each placement.

A record is, little-endian:

    crc32 u32 of all that follows | id bytes u16 | segment u16 | lists u8 | user id, UTF-8 | lists

and a list is

    placement u8 | n u16 | distinct anchors a u16 | lowest score f32 | highest score f32
    | n items | n score bytes | n sources | a anchor items, ascending | n references into them, 0 for none

Items and anchors take `item_bits` each, sources `source_bits`, references as few bits as a + 1 values need; each of
these rows is padded to whole bytes, and the last two are absent where a is 0. A score byte is linear between the
list's lowest and highest.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from export.format import bits

RECORD_HEAD: Final = struct.Struct("<IHHB")
RECORD_BODY: Final = struct.Struct("<HHB")
LIST_HEAD: Final = struct.Struct("<BHHff")
CRC_BYTES: Final = 4
MAX_ID_BYTES: Final = 256
MAX_LENGTH: Final = 65_535
SCORE_STEPS: Final = 255


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of an item index and of a source index; the same for a whole snapshot."""

    item_bits: int
    source_bits: int

    def list_bytes(self, n: int, anchors: int) -> int:
        """Bytes of a list of `n` items with so many distinct anchors, head included."""
        size = LIST_HEAD.size + bits.packed_bytes(n, self.item_bits) + n + bits.packed_bytes(n, self.source_bits)
        if anchors:
            size += bits.packed_bytes(anchors, self.item_bits) + bits.packed_bytes(n, bits.width(anchors + 1))
        return size


class PackedList(NamedTuple):
    """One list, unpacked. Parallel, best first; `anchors` is -1 for none."""

    items: list[int]
    scores: list[float]
    sources: list[int]
    anchors: list[int]


class Record(NamedTuple):
    """One user's record, its lists still packed."""

    user_id: bytes
    segment: int
    lists: dict[int, int]
    data: bytes


def key_hash(user_id: bytes) -> int:
    """The 64-bit key of a user: BLAKE2b with 8 bytes of digest, read little-endian."""
    return int.from_bytes(hashlib.blake2b(user_id, digest_size=8).digest(), "little")


def join_record(user_id: bytes, segment: int, lists: Sequence[bytes]) -> bytes:
    """A record from its parts; `lists` are in ascending order of placement."""
    body = b"".join((RECORD_BODY.pack(len(user_id), segment, len(lists)), user_id, *lists))
    return zlib.crc32(body).to_bytes(CRC_BYTES, "little") + body


def split_record(data: bytes, widths: Widths) -> Record | None:
    """The record in `data`, or None where its checksum or its lengths are wrong."""
    if len(data) < RECORD_HEAD.size or zlib.crc32(memoryview(data)[CRC_BYTES:]) != int.from_bytes(
        data[:CRC_BYTES], "little"
    ):
        return None
    _, id_bytes, segment, n_lists = RECORD_HEAD.unpack_from(data)
    at = RECORD_HEAD.size + id_bytes
    user_id = data[RECORD_HEAD.size : at]
    lists = {}
    for _ in range(n_lists):
        if at + LIST_HEAD.size > len(data):
            return None
        placement, n, anchors, _, _ = LIST_HEAD.unpack_from(data, at)
        lists[placement] = at
        at += widths.list_bytes(n, anchors)
    return Record(user_id, segment, lists, data + bits.PADDING) if at == len(data) else None


@lru_cache(maxsize=1024)
def _layout(
    n: int, n_anchors: int, m: int, item_bits: int, source_bits: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
    """Byte, shift and mask of each value of a list's first `m` places, from the end of the list's head.

    The values are m items, m score bytes, m sources, and where there are anchors, all of them and m references.
    """
    rows = [(n, m, item_bits), (n, m, 8), (n, m, source_bits)]
    if n_anchors:
        rows += [(n_anchors, n_anchors, item_bits), (n, m, bits.width(n_anchors + 1))]
    starts, masks, at = [], [], 0
    for length, wanted, width in rows:
        starts.append(at * 8 + np.arange(wanted, dtype=np.intp) * width)
        masks.append(np.full(wanted, (1 << width) - 1, dtype=np.uint64))
        at += bits.packed_bytes(length, width)
    places = np.concatenate(starts)
    return places >> 3, (places & 7).astype(np.uint64), np.concatenate(masks)


def unpack_list(record: Record, placement: int, widths: Widths, k: int) -> PackedList | None:
    """The best `k` of the record's list for a placement, fewer where it is shorter; None where it has none."""
    at = record.lists.get(placement)
    if at is None:
        return None
    data = record.data
    _, n, n_anchors, low, high = LIST_HEAD.unpack_from(data, at)
    m = min(n, k)
    at += LIST_HEAD.size
    places, shifts, masks = _layout(n, n_anchors, m, widths.item_bits, widths.source_bits)
    # One gather for all rows: what a lookup costs is the number of NumPy calls, not of values.
    windows: npt.NDArray[Any] = np.ndarray((len(data) - at - 7,), dtype="<u8", buffer=data, offset=at, strides=(1,))
    values: list[int] = ((windows[places] >> shifts) & masks).tolist()
    step = (high - low) / SCORE_STEPS
    items, sources = values[:m], values[2 * m : 3 * m]
    scores = [low + value * step for value in values[m : 2 * m]]
    if n_anchors == 0:
        return PackedList(items, scores, sources, [-1] * m)
    table = [-1, *values[3 * m : 3 * m + n_anchors]]
    return PackedList(items, scores, sources, [table[value] for value in values[3 * m + n_anchors :]])
