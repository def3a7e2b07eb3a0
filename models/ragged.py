"""Rows of different lengths as flat arrays, between Arrow and numpy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Int16 = npt.NDArray[np.int16]
Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Bool = npt.NDArray[np.bool_]
AnyArray = npt.NDArray[Any]

_ROW_BITS: Final = 12
_ITEM_BITS: Final = 20


def lists(column: pa.Array | pa.ChunkedArray) -> tuple[Int64, AnyArray]:
    """Offsets, shape (rows + 1,), and the flat values of a list column; views of Arrow's memory where possible."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    offsets = column.offsets.to_numpy(zero_copy_only=False).astype(np.int64)
    values = column.values.to_numpy(zero_copy_only=False)
    return offsets - offsets[0], values[offsets[0] : offsets[-1]]


def to_lists(offsets: AnyArray, values: AnyArray, type_: pa.DataType) -> pa.ListArray:
    """A list column of `values` cut at `offsets`, values cast to `type_`."""
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values).cast(type_, safe=False))


def to_bytes(offsets: AnyArray, matrix: AnyArray) -> pa.Array:
    """A binary column of the rows of `matrix` cut at `offsets`: each value holds its rows' bytes, row-major.

    One value is far cheaper to move through Spark than the same numbers as a list. A block must stay below 2 GiB.
    """
    data = np.ascontiguousarray(matrix)
    row_bytes = data.itemsize * data.shape[1]
    ends = pa.py_buffer((offsets * row_bytes).astype(np.int32))
    return pa.Array.from_buffers(pa.binary(), len(offsets) - 1, [None, ends, pa.py_buffer(data)])


def from_bytes(column: pa.Array | pa.ChunkedArray, kind: type[np.generic]) -> AnyArray:
    """The flat numbers of a binary column without nulls, of all rows in a run; a view of Arrow's memory if it can."""
    if isinstance(column, pa.ChunkedArray):
        if column.num_chunks != 1:
            return np.concatenate([from_bytes(chunk, kind) for chunk in column.chunks] or [np.zeros(0, kind)])
        column = column.chunk(0)
    _, ends, data = column.buffers()
    wide = pa.types.is_large_binary(column.type)
    offsets = np.frombuffer(ends, np.int64 if wide else np.int32)[column.offset : column.offset + len(column) + 1]
    return np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]].view(kind) if data is not None else np.zeros(0, kind)


def rows_of(offsets: AnyArray) -> Int64:
    """The row of each flat value, shape (offsets[-1],)."""
    return np.repeat(np.arange(len(offsets) - 1, dtype=np.int64), np.diff(offsets))


def offsets_of(rows: AnyArray, n_rows: int) -> Int64:
    """Offsets, shape (n_rows + 1,), of flat values whose ascending row numbers are `rows`."""
    counts = np.bincount(rows, minlength=n_rows) if len(rows) else np.zeros(n_rows, dtype=np.int64)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def first_of_run(values: AnyArray) -> Int64:
    """The position where each value's run of equal ones begins, of values that lie in runs, such as ascending ones."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero(np.r_[True, values[1:] != values[:-1]])
    return np.repeat(starts, np.diff(np.r_[starts, len(values)]))


def distinct(values: AnyArray) -> AnyArray:
    """The values ascending, each once. Numpy's own hashes integers before it sorts them, and takes twice as long."""
    ordered = np.sort(values)
    return ordered[np.r_[True, ordered[1:] != ordered[:-1]]] if len(ordered) else ordered


def rank_within(rows: AnyArray, scores: AnyArray, ties: AnyArray) -> tuple[Int64, Int64]:
    """Order and rank of flat values inside their rows, best first.

    Args:
        rows: row of each value, in any order.
        scores: higher is better.
        ties: lower wins among equal scores.

    Returns:
        `order`, the positions sorted by row, then score descending, then `ties`; and `ranks`, from 1, of the values
        in that order.
    """
    order = np.lexsort((ties, -scores, rows))
    sorted_rows = rows[order]
    return order, np.arange(len(order), dtype=np.int64) - first_of_run(sorted_rows) + 1


def top_within(rows: AnyArray, scores: AnyArray, items: AnyArray, n: int) -> tuple[Int64, Int32, Int64]:
    """Rows, items and ranks (from 1) of the `n` best of each row, ordered by row, then best first.

    Row, score and item are packed into one uint64 and sorted as such, several times faster than by three keys; what
    does not fit into 64 bits is sorted by `rank_within`.

    Args:
        rows: row of each value, in any order.
        scores: higher is better; not NaN.
        items: lower wins among equal scores.
        n: kept of each row.
    """
    if len(rows) and (int(rows.max()) >= 1 << _ROW_BITS or int(items.max()) >= 1 << _ITEM_BITS):
        order, ranks = rank_within(rows, scores, items)
        kept = ranks <= n
        return rows[order[kept]], items[order[kept]].astype(np.int32), ranks[kept]
    zeros_tie = np.asarray(scores, dtype=np.float32) + np.float32(0)  # -0.0 + 0.0 is 0.0
    bits = zeros_tie.view(np.uint32)
    ascending = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    keys = rows.astype(np.uint64) << np.uint64(32 + _ITEM_BITS)
    keys |= (~ascending).astype(np.uint64) << np.uint64(_ITEM_BITS)
    keys |= items.astype(np.uint64)
    keys.sort()
    sorted_rows = (keys >> np.uint64(32 + _ITEM_BITS)).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(np.bincount(sorted_rows))]) if len(keys) else np.zeros(1, dtype=np.int64)
    ranks = np.arange(len(keys), dtype=np.int64) - offsets[sorted_rows] + 1
    kept = ranks <= n
    items_kept = (keys[kept] & np.uint64((1 << _ITEM_BITS) - 1)).astype(np.int32)
    return sorted_rows[kept], items_kept, ranks[kept]
