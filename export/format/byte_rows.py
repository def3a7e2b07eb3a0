"""Rows of bytes, each of its own length, as Arrow arrays: one buffer and int64 offsets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc


def from_matrix(data: npt.NDArray[Any]) -> pa.LargeBinaryArray:
    """One row of bytes for each row of a C-contiguous array, whatever its type; the buffer is shared."""
    offsets = np.arange(len(data) + 1, dtype=np.int64) * (data.nbytes // max(len(data), 1))
    return from_offsets(data.view(np.uint8), offsets)


def from_lengths(data: Any, lengths: npt.NDArray[Any]) -> pa.LargeBinaryArray:
    """The buffer `data` cut into rows of so many bytes, one after the other; the buffer is shared."""
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return from_offsets(data, offsets)


def from_offsets(data: Any, offsets: npt.NDArray[np.int64]) -> pa.LargeBinaryArray:
    """Row i is `data[offsets[i]:offsets[i + 1]]`; the buffer is shared."""
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, buffers)


def offsets_of(rows: pa.LargeBinaryArray) -> npt.NDArray[np.int64]:
    """First byte of each row in the array's buffer, and the byte after the last; int64, shape (rows + 1,)."""
    buffer = rows.buffers()[1]
    if buffer is None or buffer.size == 0:
        return np.zeros(1, dtype=np.int64)
    return np.frombuffer(buffer, dtype=np.int64)[rows.offset : rows.offset + len(rows) + 1]


def data_of(rows: pa.LargeBinaryArray) -> memoryview:
    """The array's buffer, whole."""
    return memoryview(rows.buffers()[2] or b"").cast("B")


def lengths_of(rows: pa.LargeBinaryArray) -> npt.NDArray[np.int64]:
    """Bytes of each row; int64, shape (rows,)."""
    return np.diff(offsets_of(rows))


def span(rows: pa.LargeBinaryArray, start: int, end: int) -> memoryview:
    """The bytes of rows `start` to `end`, the end not included."""
    offsets = offsets_of(rows)
    return data_of(rows)[int(offsets[start]) : int(offsets[end])]


def as_matrix(rows: pa.LargeBinaryArray, n: int) -> npt.NDArray[np.uint8]:
    """The rows, all of which have `n` bytes, as shape (rows, n); the buffer is shared."""
    return np.frombuffer(span(rows, 0, len(rows)), dtype=np.uint8).reshape(len(rows), n)


def join(*parts: pa.LargeBinaryArray) -> pa.LargeBinaryArray:
    """Row i is the parts' rows i, one after the other."""
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", pa.large_binary()))
