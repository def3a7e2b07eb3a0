"""Keys, lists and records of many users at a time; their bytes are described in `export.format.records`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from contracts.errors import InputInvalid
from export.format import bits, byte_rows
from export.format.checksum import crc32
from export.format.records import LIST_HEAD, LOW_BITS, SCORE_STEPS, Widths, shard_key

RECORD_FIELDS: Final = np.dtype([("id_bytes", "<u2"), ("segment", "<u2"), ("lists", "u1")])
MAX_FLOAT: Final = float(np.finfo(np.float32).max)
LIST_FIELDS: Final = np.dtype([("p", "u1"), ("n", "<u2"), ("pairs", "<u2"), ("low", "<f4"), ("high", "<f4")])


@dataclass(frozen=True, slots=True)
class Columns:
    """Lists as flat arrays: row i owns the next `lengths[i]` places of each of the other four.

    Attributes:
        placements: uint8, one a row.
        lengths: int64, one a row.
        items: int32, a valid item index.
        scores: float32 or float64, finite.
        sources: int32, a valid source index.
        anchors: int32, a valid item index or -1.
    """

    placements: npt.NDArray[np.uint8]
    lengths: npt.NDArray[np.int64]
    items: npt.NDArray[np.int32]
    scores: npt.NDArray[np.floating[Any]]
    sources: npt.NDArray[np.int32]
    anchors: npt.NDArray[np.int32]


def shard_keys(user_ids: pa.LargeBinaryArray) -> npt.NDArray[np.uint32]:
    """`shard_key` of each user; uint32, shape (users,)."""
    data, starts = np.frombuffer(byte_rows.data_of(user_ids), np.uint8), byte_rows.offsets_of(user_ids)[:-1]
    lengths = byte_rows.lengths_of(user_ids)
    keys = np.empty(len(user_ids), dtype=np.uint32)
    for n in np.flatnonzero(np.bincount(lengths)).tolist():
        rows = np.flatnonzero(lengths == n)
        keys[rows] = _keys_of(_matrix(data, starts[rows], n))
    return keys


def _keys_of(names: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """`shard_key` of ids of one length, shape (users, bytes).

    A CRC is linear: that of a message is that of as many zeros, XORed with what each byte alone changes in it.
    """
    n = names.shape[1]
    keys = np.full(len(names), shard_key(bytes(n)), dtype=np.uint32)
    for place in range(n):
        keys ^= _changes(n - 1 - place).take(names[:, place])
    return keys


@cache
def _changes(n_after: int) -> npt.NDArray[np.uint32]:
    """What each value of a byte changes in the CRC-32 of zeros, with so many bytes after it; shape (256,)."""
    after = bytes(n_after)
    zeros = shard_key(b"\0" + after)
    return np.array([shard_key(bytes((value,)) + after) ^ zeros for value in range(256)], dtype=np.uint32)


def join_records(
    ids: pa.LargeBinaryArray, segments: npt.NDArray[Any], n_lists: npt.NDArray[Any], lists: pa.LargeBinaryArray
) -> memoryview:
    """The records of many users, one after the other; row i of each argument is one user's.

    `lists` has a user's lists joined, `n_lists` of them, in ascending order of placement.
    """
    heads = np.empty(len(ids), dtype=RECORD_FIELDS)
    heads["id_bytes"], heads["segment"], heads["lists"] = byte_rows.lengths_of(ids), segments, n_lists
    bodies = byte_rows.join(byte_rows.from_matrix(heads), ids, lists)
    sums = np.fromiter(map(crc32, bodies.to_pylist()), dtype="<u4", count=len(ids))
    records = byte_rows.join(bodies, byte_rows.from_matrix(sums))
    return byte_rows.span(records, 0, len(records))


def pack_lists(columns: Columns, widths: Widths) -> pa.LargeBinaryArray:
    """Each row as the bytes of a list, in the order of the rows.

    Raises:
        InputInvalid: a score is not a finite 32-bit number.
    """
    starts = np.cumsum(columns.lengths) - columns.lengths
    if len(starts) and columns.lengths.max() == columns.lengths[0] == columns.lengths.min():
        return _pack_equal(columns, np.arange(len(starts)), starts, int(columns.lengths[0]), widths)
    packed, owners = [], []
    for n in np.unique(columns.lengths).tolist():
        rows = np.flatnonzero(columns.lengths == n)
        packed.append(_pack_equal(columns, rows, starts[rows], n, widths))
        owners.append(rows)
    if not packed:
        return pa.array([], pa.large_binary())
    return pa.concat_arrays(packed).take(pa.array(np.argsort(np.concatenate(owners))))


def _pack_equal(
    columns: Columns, rows: npt.NDArray[np.intp], starts: npt.NDArray[np.int64], n: int, widths: Widths
) -> pa.LargeBinaryArray:
    """The rows of one length, `n`; `starts` has the first place of each."""
    items, codes = _matrix(columns.items, starts, n), _matrix(columns.sources, starts, n)
    anchors = _matrix(columns.anchors, starts, n)
    is_plain = not anchors.size or anchors.max() < 0
    high = LIST_HEAD.size + 2 * n
    level = high + bits.packed_bytes(n, widths.high_bits)
    code = level + n
    packed = np.empty((len(rows), widths.list_bytes(n, 0) if is_plain else code), dtype=np.uint8)
    head = np.empty(len(rows), dtype=LIST_FIELDS)
    head["p"], head["n"], head["pairs"] = columns.placements[rows], n, 0
    bits.pack(items, LOW_BITS, packed[:, LIST_HEAD.size : high])
    if widths.high_bits:
        bits.pack(items >> LOW_BITS, widths.high_bits, packed[:, high:level])
    head["low"], head["high"] = _quantise(_matrix(columns.scores, starts, n), packed[:, level:code])
    tails: list[pa.LargeBinaryArray] = []
    if is_plain:
        bits.pack(codes, widths.code_bits(0), packed[:, code:])
    else:
        head["pairs"], *tails = _pack_pairs(codes, anchors, widths)
    packed[:, : LIST_HEAD.size] = head.view(np.uint8).reshape(len(rows), LIST_HEAD.size)
    lists = byte_rows.from_matrix(packed)
    return byte_rows.join(lists, *tails) if tails else lists


def _matrix(values: npt.NDArray[Any], starts: npt.NDArray[np.int64], n: int) -> npt.NDArray[Any]:
    """The `n` values from each start on, shape (starts, n); a view where they lie side by side."""
    first = int(starts[0])
    if starts[-1] - first == (len(starts) - 1) * n:
        places = slice(first, first + len(starts) * n)
        whole: npt.NDArray[Any] = values[places]
        return whole.reshape(len(starts), n)
    gathered: npt.NDArray[Any] = values[starts[:, None] + np.arange(n)]
    return gathered


def _quantise(
    scores: npt.NDArray[Any], out: npt.NDArray[np.uint8]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Lowest and highest of each row; the score bytes, relative to these rounded ends, go to `out`.

    Raises:
        InputInvalid: a score is not a finite 32-bit number.
    """
    rows, n = scores.shape
    lowest, highest = np.zeros(rows, dtype=np.float32), np.zeros(rows, dtype=np.float32)
    for block in bits.blocks(rows, n) if n else ():
        with np.errstate(over="ignore"):  # what is too large is refused below
            steps = np.array(scores[block], dtype=np.float32, order="C")
        low, high = lowest[block], highest[block] = _ends(steps)
        if not (low.min() >= -MAX_FLOAT and high.max() <= MAX_FLOAT):
            raise InputInvalid(
                "A score is not a finite 32-bit number",
                where="top_n_lists",
                todo="Correct the table that the snapshot is made from and run the step again.",
            )
        span = high.astype(np.float64) - low
        scale = SCORE_STEPS / np.where(span > 0, span, np.inf)
        if max(span.max(), scale.max()) > MAX_FLOAT:
            steps = steps.astype(np.float64)
        steps -= low[:, None]
        steps *= scale.astype(steps.dtype)[:, None]
        steps += 0.5  # a cast to an integer then rounds
        out[block] = steps
    return lowest, highest


def _ends(scores: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Lowest and highest of each row; rows that are best first, as most are, need no search for them."""
    if (scores[:, 1:] <= scores[:, :-1]).all():
        return scores[:, -1].copy(), scores[:, 0].copy()
    columns = np.array(scores.T, order="C")  # along the rows it takes four times as long
    return columns.min(axis=0), columns.max(axis=0)


def _pack_pairs(
    sources: npt.NDArray[np.int32], anchors: npt.NDArray[np.int32], widths: Widths
) -> tuple[npt.NDArray[np.int64], *tuple[pa.LargeBinaryArray, ...]]:
    """Number of pairs of each row, its packed codes, and the rows of its pairs."""
    counts, codes, pairs = _pair_tables(sources, anchors, widths)
    rows, n = codes.shape
    code_bits = np.array([widths.code_bits(count) for count in range(int(counts.max()) + 1)])[counts]
    packed = np.zeros((rows, bits.packed_bytes(n, int(code_bits.max()))), dtype=np.uint8)
    for width in np.unique(code_bits).tolist():
        chosen = np.flatnonzero(code_bits == width)
        part = np.empty((len(chosen), bits.packed_bytes(n, width)), dtype=np.uint8)
        bits.pack(codes[chosen], width, part)
        packed[chosen, : part.shape[1]] = part
    lengths = (n * code_bits + 7) // 8
    is_used = np.arange(packed.shape[1]) < lengths[:, None]
    made = byte_rows.from_lengths(packed.ravel() if is_used.all() else packed[is_used], lengths)
    parts = [(pairs >> np.uint64(widths.source_bits)).astype("<u2"), pairs.astype(np.uint8)]
    parts[1] &= (1 << widths.source_bits) - 1
    if widths.anchor_bits:
        highs = pairs >> np.uint64(widths.source_bits + LOW_BITS)
        parts.insert(1, highs.astype(f"<u{widths.anchor_bits // 8}"))
    return counts, made, *(byte_rows.from_lengths(part, counts * part.itemsize) for part in parts)


def _pair_tables(
    sources: npt.NDArray[np.int32], anchors: npt.NDArray[np.int32], widths: Widths
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.uint64]]:
    """Number of distinct pairs of each row, the codes, and all pairs, ascending within a row, row after row."""
    rows, n = anchors.shape
    counts = np.zeros(rows, dtype=np.int64)
    codes, pairs = sources.astype(np.int64), []
    place_bits, pair_bits = np.uint64(bits.width(n)), np.uint64(widths.item_bits + widths.source_bits)
    for block in bits.blocks(rows, n):
        row, place = np.nonzero(anchors[block] >= 0)
        values = anchors[block][row, place].astype(np.uint64) << np.uint64(widths.source_bits)
        values |= sources[block][row, place].astype(np.uint64)
        # One sort of row, pair and place in one word: row and place have 18 bits together, see `bits.BLOCK_VALUES`.
        keys = ((row.astype(np.uint64) << pair_bits | values) << place_bits) | place.astype(np.uint64)
        keys.sort()
        own = keys >> place_bits
        is_new = np.ones(len(keys), dtype=bool)
        is_new[1:] = own[1:] != own[:-1]
        owners = (own >> pair_bits).astype(np.intp)
        counts[block] = np.bincount(owners[is_new], minlength=block.stop - block.start)
        numbers = np.cumsum(is_new) - 1 - (np.cumsum(counts[block]) - counts[block])[owners]
        places = (keys & ((np.uint64(1) << place_bits) - np.uint64(1))).astype(np.intp)
        codes[block][owners, places] = numbers + (1 << widths.source_bits)
        pairs.append(own[is_new] & ((np.uint64(1) << pair_bits) - np.uint64(1)))
    return counts, codes, np.concatenate(pairs).astype("<u8")
