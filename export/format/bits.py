"""Small integers packed at a fixed number of bits, lowest bit first, each row padded to whole bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WORD_BITS: Final = 64
WORDS: Final = tuple(np.dtype(kind) for kind in ("u1", "<u2", "<u4", "<u8"))
BLOCK_VALUES: Final = 131_072
PADDING: Final = b"\0" * 8
"""What a buffer needs after its last byte so that `unpack` may read whole words."""


def width(n_values: int) -> int:
    """Bits that hold any of `n_values` different values, at least 1."""
    return max(1, (n_values - 1).bit_length())


def packed_bytes(n: int, bits: int) -> int:
    """Bytes of a row of `n` values at `bits` bits."""
    return (n * bits + 7) // 8


def blocks(rows: int, n: int) -> Iterator[slice]:
    """All of `rows` rows of `n` values in parts whose words stay in a core's cache."""
    step = max(1, BLOCK_VALUES // max(n, 1))
    return (slice(at, min(at + step, rows)) for at in range(0, rows, step))


def pack(values: npt.NDArray[Any], bits: int, *, out: npt.NDArray[np.uint8] | None = None) -> npt.NDArray[np.uint8]:
    """Each row of `values` packed.

    Args:
        values: integers, shape (rows, n), each 0 <= value < 2**bits.
        bits: 1 to 32.
        out: where the bytes go; new where it is not given.

    Returns:
        Bytes, shape (rows, packed_bytes(n, bits)).
    """
    rows, n = values.shape
    made = np.empty((rows, packed_bytes(n, bits)), dtype=np.uint8) if out is None else out
    for block in blocks(rows, n):
        made[block] = _pack_block(values[block], bits)
    return made


def _narrowest(bits: int) -> np.dtype[Any]:
    """The smallest unsigned type of so many bits, little-endian."""
    return next(kind for kind in WORDS if kind.itemsize * 8 >= bits)


def _pack_block(values: npt.NDArray[Any], bits: int) -> npt.NDArray[np.uint8]:
    rows, n = values.shape
    size = packed_bytes(n, bits)
    columns: npt.NDArray[Any] = np.ascontiguousarray(values.astype(_narrowest(bits), copy=False).T)
    # Neighbours become one value of twice the bits: half as many are left for the loop below.
    while 2 * bits <= WORD_BITS and len(columns) > 1:
        kind = _narrowest(2 * bits)
        left, right = columns[0::2].astype(kind), columns[1::2].astype(kind)
        left[: len(right)] |= right << kind.type(bits)
        columns, bits = left, 2 * bits
    columns = columns.astype("<u8", copy=False)
    words = np.zeros(((size * 8 + WORD_BITS - 1) // WORD_BITS, rows), dtype="<u8")
    for position, column in enumerate(columns):
        word, shift = divmod(position * bits, WORD_BITS)
        words[word] |= column << np.uint64(shift)
        if shift + bits > WORD_BITS and word + 1 < len(words):
            words[word + 1] |= column >> np.uint64(WORD_BITS - shift)
    return np.ascontiguousarray(words.T).view(np.uint8)[:, :size]


@lru_cache(maxsize=1024)
def _positions(n: int, bits: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint64], np.uint64]:
    starts = np.arange(n, dtype=np.intp) * bits
    return starts >> 3, (starts & 7).astype(np.uint64), np.uint64((1 << bits) - 1)


def unpack(data: bytes, n: int, bits: int, *, offset: int) -> npt.NDArray[np.uint64]:
    """The first `n` values of the packed row that begins at byte `offset`.

    Args:
        data: holds the row and at least 8 bytes more.
        n: values wanted, at most the values of the row.
        bits: 1 to 32.
        offset: in bytes.
    """
    places, shifts, mask = _positions(n, bits)
    windows: npt.NDArray[np.uint64] = np.ndarray(
        (packed_bytes(n, bits),), dtype="<u8", buffer=data, offset=offset, strides=(1,)
    )
    return (windows[places] >> shifts) & mask
