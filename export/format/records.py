"""One user's record: who it is, the segment, and one packed list for each placement.

A record is, little-endian:

    id bytes u16 | segment u16 | lists u8 | user id, UTF-8 | lists | crc32 u32 of all before

and a list is

    placement u8 | n u16 | pairs p u16 | lowest score f32 | highest score f32
    | n low halves of items u16 | n high parts of items | n score bytes | n codes
    | p low halves of anchors u16 | p high parts of anchors, whole bytes | p sources u8

High parts of items have 0, 4, 8 or 16 bits, as few as `item_bits` needs beyond 16; those of anchors 0, 1 or 2 bytes.
A code below 2**source_bits is a source without an anchor; one more for each pair, ascending by anchor and source,
stands for an anchor with its source. Codes have 4, 8, 16 or 32 bits, as few as the list's own need. Of two values of
4 bits the first lies in the upper half of the byte. A score byte is linear between the list's lowest and highest.

Every row begins at a byte, so that one `struct` call takes a list apart.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from export.format import bits
from export.format.checksum import crc32
from export.format.compiled import compiled

RECORD_HEAD: Final = struct.Struct("<HHB")
LIST_HEAD: Final = struct.Struct("<BHHff")
CRC_BYTES: Final = 4
CRC_RESIDUE: Final = 0x2144DF1C
"""CRC-32 of any bytes followed by their own CRC-32, little-endian."""
MAX_ID_BYTES: Final = 256
MAX_LENGTH: Final = 65_535
SCORE_STEPS: Final = 255
LOW_BITS: Final = 16


@dataclass(frozen=True, slots=True)
class Widths:
    """Bits of an item index and of a source index; the same for a whole snapshot."""

    item_bits: int
    source_bits: int

    @property
    def high_bits(self) -> int:
        """Bits of an item's high part."""
        return bits.rounded(self.item_bits - LOW_BITS) if self.item_bits > LOW_BITS else 0

    @property
    def anchor_bits(self) -> int:
        """Bits of an anchor's high part."""
        return (self.high_bits + 7) // 8 * 8

    def code_bits(self, pairs: int) -> int:
        """Bits of a code in a list with so many pairs."""
        return bits.rounded(bits.width((1 << self.source_bits) + pairs))

    def list_bytes(self, n: int, pairs: int) -> int:
        """Bytes of a list of `n` items with so many pairs, head included."""
        return (
            LIST_HEAD.size
            + 3 * n
            + bits.packed_bytes(n, self.high_bits)
            + bits.packed_bytes(n, self.code_bits(pairs))
            + pairs * (3 + self.anchor_bits // 8)
        )


class PackedList(NamedTuple):
    """One list, unpacked. Parallel, best first; `anchors` is -1 for none."""

    items: list[int]
    scores: list[float]
    sources: list[int]
    anchors: list[int]


class CodedList(NamedTuple):
    """One list, its sources and anchors still as codes. The first three are parallel, best first; so are the last two.

    Attributes:
        codes: below 2**source_bits a source, from there on the number of a pair.
        anchors: item of each pair.
        sources: source of each pair.
    """

    items: Sequence[int]
    scores: list[float]
    codes: Sequence[int]
    anchors: Sequence[int]
    sources: bytes


class Record(msgspec.Struct, frozen=True):
    """One user's record, its lists still packed.

    Attributes:
        lists: where each placement's list begins in `data`.
    """

    user_id: bytes
    segment: int
    lists: dict[int, int]
    data: bytes


def key_hash(user_id: bytes) -> int:
    """A 64-bit hash of a user: BLAKE2b with 8 bytes of digest, read little-endian."""
    return int.from_bytes(hashlib.blake2b(user_id, digest_size=8).digest(), "little")


shard_key: Final[Callable[[bytes], int]] = crc32
"""The 32-bit key of a user, by which the shard and the place in its index are found: the CRC-32 of the id."""


def join_record(user_id: bytes, segment: int, lists: Sequence[bytes]) -> bytes:
    """A record from its parts; `lists` are in ascending order of placement."""
    body = b"".join((RECORD_HEAD.pack(len(user_id), segment, len(lists)), user_id, *lists))
    return body + crc32(body).to_bytes(CRC_BYTES, "little")


@lru_cache(maxsize=4096)
def _list_bytes(n: int, pairs: int, item_bits: int, source_bits: int) -> int:
    return Widths(item_bits, source_bits).list_bytes(n, pairs)


def split_record(data: bytes, widths: Widths) -> Record | None:
    """The record in `data`, or None where its checksum or its lengths are wrong."""
    if crc32(data) != CRC_RESIDUE:
        return None
    made = _split(data, widths.item_bits, widths.source_bits)
    return None if made is None else Record(*made, data)


def split(data: bytes, item_bits: int, source_bits: int) -> tuple[bytes, int, dict[int, int]] | None:
    """User id, segment and where each placement's list begins, or None where the record's lengths are wrong."""
    end = len(data) - CRC_BYTES
    if end < RECORD_HEAD.size:
        return None
    id_bytes, segment, n_lists = RECORD_HEAD.unpack_from(data)
    start = at = RECORD_HEAD.size + id_bytes
    lists = {}
    for _ in range(n_lists):
        if at + LIST_HEAD.size > end:
            return None
        placement, n, pairs, _, _ = LIST_HEAD.unpack_from(data, at)
        lists[placement] = at
        at += _list_bytes(n, pairs, item_bits, source_bits)
    return (data[RECORD_HEAD.size : start], segment, lists) if at == end else None


_split: Final = split if compiled is None else compiled.split


class _Layout(NamedTuple):
    """How a list is taken apart.

    Attributes:
        rows: takes `m` low halves, the high parts, `m` score bytes, the codes, and then of the pairs the low halves,
            high parts and sources; the list's head is left out.
        code_bits: bits of a code.
    """

    rows: Callable[[bytes, int], tuple[Any, ...]]
    code_bits: int


@lru_cache(maxsize=4096)
def _layout(n: int, pairs: int, m: int, item_bits: int, source_bits: int) -> _Layout:
    widths = Widths(item_bits, source_bits)
    code_bits = widths.code_bits(pairs)
    high, codes = bits.packed_bytes(n, widths.high_bits), bits.packed_bytes(n, code_bits)
    own = f"<{m}H{2 * (n - m)}x{high}s{m}s{n - m}x{codes}s"
    return _Layout(struct.Struct(f"{own}{pairs}H{pairs * widths.anchor_bits // 8}s{pairs}s").unpack_from, code_bits)


def coded_list(record: Record, placement: int, widths: Widths, k: int) -> CodedList | None:
    """The best `k` of the record's list for a placement, fewer where it is shorter; None where it has none."""
    at = record.lists.get(placement)
    if at is None:
        return None
    data = record.data
    _, n, n_pairs, low, high = LIST_HEAD.unpack_from(data, at)
    m = min(n, k)
    rows, code_bits = _layout(n, n_pairs, m, widths.item_bits, widths.source_bits)
    values = rows(data, at + LIST_HEAD.size)
    items: Sequence[int] = values[:m]
    highs, levels, codes = values[m], values[m + 1], values[m + 2]
    anchors: Sequence[int] = values[m + 3 : -2]
    if highs:
        items = _whole(items, bits.unrow(highs, m, widths.high_bits))
        anchors = _whole(anchors, bits.unrow(values[-2], n_pairs, widths.anchor_bits))
    step = (high - low) / SCORE_STEPS
    scores = [low + level * step for level in levels]
    return CodedList(items, scores, bits.unrow(codes, m, code_bits), anchors, values[-1])


def _whole(lows: Sequence[int], highs: Sequence[int]) -> list[int]:
    return [high << LOW_BITS | low for low, high in zip(lows, highs, strict=True)]


def unpack_list(record: Record, placement: int, widths: Widths, k: int) -> PackedList | None:
    """The same with the sources and anchors themselves."""
    made = coded_list(record, placement, widths, k)
    return None if made is None else uncoded(made, widths)


def uncoded(made: CodedList, widths: Widths) -> PackedList:
    """The list with its sources and anchors themselves."""
    n_sources = 1 << widths.source_bits
    sources, anchors = [*range(n_sources), *made.sources], [*[-1] * n_sources, *made.anchors]
    return PackedList(
        list(made.items), made.scores, [sources[code] for code in made.codes], [anchors[code] for code in made.codes]
    )
