"""Keys, lists and records of many users at a time; their bytes are described in `export.format.records`."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from export.format import bits, byte_rows
from export.format.records import LIST_HEAD, SCORE_STEPS, Widths

RECORD_FIELDS: Final = np.dtype([("id_bytes", "<u2"), ("segment", "<u2"), ("lists", "u1")])
LIST_FIELDS: Final = np.dtype([("p", "u1"), ("n", "<u2"), ("a", "<u2"), ("low", "<f4"), ("high", "<f4")])
PLACE_SHIFT: Final = np.uint64(16)
ROW_SHIFT: Final = np.uint64(47)
PLACE_MASK: Final = np.uint64(2**16 - 1)
ANCHOR_MASK: Final = np.uint64(2**31 - 1)


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


def key_hashes(user_ids: pa.LargeBinaryArray) -> npt.NDArray[np.uint64]:
    """`key_hash` of each user; uint64, shape (users,)."""
    digests = bytearray()
    empty = hashlib.blake2b(digest_size=8)  # a copy of it costs less than a new one
    for name in user_ids.to_pylist():
        hashed = empty.copy()
        hashed.update(name)
        digests += hashed.digest()
    return np.frombuffer(digests, dtype="<u8")


def join_records(
    ids: pa.LargeBinaryArray, segments: npt.NDArray[Any], n_lists: npt.NDArray[Any], lists: pa.LargeBinaryArray
) -> memoryview:
    """The records of many users, one after the other; row i of each argument is one user's.

    `lists` has a user's lists joined, `n_lists` of them, in ascending order of placement.
    """
    heads = np.empty(len(ids), dtype=RECORD_FIELDS)
    heads["id_bytes"], heads["segment"], heads["lists"] = byte_rows.lengths_of(ids), segments, n_lists
    bodies = byte_rows.join(byte_rows.from_matrix(heads), ids, lists)
    sums = np.fromiter(map(zlib.crc32, bodies.to_pylist()), dtype="<u4", count=len(ids))
    records = byte_rows.join(byte_rows.from_matrix(sums), bodies)
    return byte_rows.span(records, 0, len(records))


def pack_lists(columns: Columns, widths: Widths) -> pa.LargeBinaryArray:
    """Each row as the bytes of a list, in the order of the rows."""
    starts = np.cumsum(columns.lengths) - columns.lengths
    packed, owners = [], []
    for n in np.unique(columns.lengths).tolist():
        rows = np.flatnonzero(columns.lengths == n)
        packed.append(_pack_equal(columns, rows, starts[rows], n, widths))
        owners.append(rows)
    if len(packed) == 1:
        return packed[0]
    if not packed:
        return pa.array([], pa.large_binary())
    return pa.concat_arrays(packed).take(pa.array(np.argsort(np.concatenate(owners))))


def _pack_equal(
    columns: Columns, rows: npt.NDArray[np.intp], starts: npt.NDArray[np.int64], n: int, widths: Widths
) -> pa.LargeBinaryArray:
    """The rows of one length, `n`; `starts` has the first place of each."""
    packed = np.empty((len(rows), widths.list_bytes(n, 0)), dtype=np.uint8)
    head = np.empty(len(rows), dtype=LIST_FIELDS)
    head["p"], head["n"], head["a"] = columns.placements[rows], n, 0
    at = LIST_HEAD.size + bits.packed_bytes(n, widths.item_bits)
    bits.pack(_matrix(columns.items, starts, n), widths.item_bits, out=packed[:, LIST_HEAD.size : at])
    head["low"], head["high"] = _quantise(_matrix(columns.scores, starts, n), packed[:, at : at + n])
    bits.pack(_matrix(columns.sources, starts, n), widths.source_bits, out=packed[:, at + n :])
    anchors = _matrix(columns.anchors, starts, n)
    tails: list[pa.LargeBinaryArray] = []
    if anchors.size and anchors.max() >= 0:
        head["a"], *tails = _pack_anchors(anchors, widths)
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
    """Lowest and highest of each row; the score bytes, relative to these rounded ends, go to `out`."""
    rows, n = scores.shape
    lowest, highest = np.zeros(rows, dtype=np.float32), np.zeros(rows, dtype=np.float32)
    for block in bits.blocks(rows, n) if n else ():
        columns = np.ascontiguousarray(scores[block].T)
        lowest[block], highest[block] = columns.min(axis=0), columns.max(axis=0)
        low = lowest[block].astype(np.float64)
        span = highest[block].astype(np.float64) - low
        steps = columns.astype(np.float64)
        steps -= low
        steps /= np.where(span > 0, span, 1.0)
        if scores.dtype != np.float32:
            np.clip(steps, 0.0, 1.0, out=steps)  # the ends were rounded
        steps *= np.where(span > 0, SCORE_STEPS, 0.0)
        out[block] = np.rint(steps, out=steps).astype(np.uint8).T
    return lowest, highest


def _pack_anchors(
    anchors: npt.NDArray[np.int32], widths: Widths
) -> tuple[npt.NDArray[np.int64], pa.LargeBinaryArray, pa.LargeBinaryArray]:
    """Number of distinct anchors of each row, their packed table, and the packed references into it."""
    counts, table, references = _anchor_tables(anchors)
    rows, n = anchors.shape
    # A row's table ends in zeros, so that its packed bytes are the first ones of the padded table's.
    tables = _cut(bits.pack(table, widths.item_bits), counts * widths.item_bits)
    reference_bits = np.array([0, *(bits.width(a + 1) for a in range(1, table.shape[1] + 1))])[counts]
    packed = np.zeros((rows, bits.packed_bytes(n, int(reference_bits.max()))), dtype=np.uint8)
    for width in np.flatnonzero(np.bincount(reference_bits)[1:]) + 1:
        chosen = np.flatnonzero(reference_bits == width)
        packed[chosen, : bits.packed_bytes(n, int(width))] = bits.pack(references[chosen], int(width))
    return counts, tables, _cut(packed, n * reference_bits)


def _cut(packed: npt.NDArray[np.uint8], n_bits: npt.NDArray[np.int64]) -> pa.LargeBinaryArray:
    """The first bytes of each row, as many as its bits need."""
    lengths = (n_bits + 7) // 8
    return byte_rows.from_lengths(packed[np.arange(packed.shape[1]) < lengths[:, None]], lengths)


def _anchor_tables(
    anchors: npt.NDArray[np.int32],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """Distinct anchors of each row: their number, the ascending table padded with 0, references from 1, 0 for none."""
    rows, n = anchors.shape
    counts = np.zeros(rows, dtype=np.int64)
    table, references = np.zeros((rows, n), dtype=np.int32), np.zeros((rows, n), dtype=np.int32)
    for block in bits.blocks(rows, n):
        row, place = np.nonzero(anchors[block] >= 0)
        values = anchors[block][row, place].astype(np.uint64)
        # One sort of row, anchor and place in one word: at most 17, 31 and 16 bits, see `bits.BLOCK_VALUES`.
        keys = np.sort((row.astype(np.uint64) << ROW_SHIFT) | (values << PLACE_SHIFT) | place.astype(np.uint64))
        owners = (keys >> ROW_SHIFT).astype(np.intp)
        is_new = np.ones(len(keys), dtype=bool)
        is_new[1:] = (keys[1:] ^ keys[:-1]) >> PLACE_SHIFT != 0
        counts[block] = np.bincount(owners[is_new], minlength=block.stop - block.start)
        numbers = np.cumsum(is_new) - (np.cumsum(counts[block]) - counts[block])[owners]
        references[block][owners, (keys & PLACE_MASK).astype(np.intp)] = numbers
        table[block][owners[is_new], numbers[is_new] - 1] = (keys[is_new] >> PLACE_SHIFT) & ANCHOR_MASK
    return counts, table[:, : int(counts.max())], references
