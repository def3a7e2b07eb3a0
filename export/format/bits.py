"""Small integers in rows of 4, 8, 16 or 32 bits, each row padded to whole bytes.

Of two values of 4 bits the first lies in the upper half of the byte; wider ones are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

WIDTHS: Final = (4, 8, 16, 32)
BLOCK_VALUES: Final = 131_072
NIBBLES: Final = bytes(int(chr(code), 16) if chr(code) in "0123456789abcdef" else 0 for code in range(256))
"""The value of each hexadecimal digit, by its ASCII code."""


def width(n_values: int) -> int:
    """Bits that hold any of `n_values` different values, at least 1."""
    return max(1, (n_values - 1).bit_length())


def rounded(bits: int) -> int:
    """The narrowest width of a row that has so many bits, 1 to 32."""
    return next(one for one in WIDTHS if one >= bits)


def packed_bytes(n: int, bits: int) -> int:
    """Bytes of a row of `n` values at `bits` bits."""
    return (n * bits + 7) // 8


def blocks(rows: int, n: int) -> Iterator[slice]:
    """All of `rows` rows of `n` values in parts that stay in a core's cache."""
    step = max(1, BLOCK_VALUES // max(n, 1))
    return (slice(at, min(at + step, rows)) for at in range(0, rows, step))


def pack(values: npt.NDArray[Any], bits: int, out: npt.NDArray[np.uint8]) -> None:
    """Puts each row of `values` into the same row of `out`.

    Args:
        values: integers, shape (rows, n), each 0 <= value < 2**bits.
        bits: 4, 8, 16 or 32.
        out: shape (rows, packed_bytes(n, bits)).
    """
    if bits == WIDTHS[0]:
        n_even = values.shape[1] // 2 * 2
        both = np.array(values[:, :n_even], dtype=np.uint8, order="C").view("<u2")  # the first value in the lower byte
        out[:, : n_even // 2] = both << 4 | both >> 8
        out[:, n_even // 2 :] = values[:, n_even:] << 4
        return
    if values.size:
        wide = np.ascontiguousarray(values, dtype=f"<u{bits // 8}")
        out[:] = wide.view(np.uint8)


def unrow(data: bytes, n: int, bits: int) -> Sequence[int]:
    """The first `n` values of a packed row.

    Args:
        data: the row.
        n: values wanted, at most the row's.
        bits: 4, 8, 16 or 32.
    """
    if bits == WIDTHS[0]:
        return data.hex().encode().translate(NIBBLES)[:n]
    if bits == WIDTHS[1]:
        return data[:n]
    return struct.unpack_from(f"<{n}{'H' if bits == WIDTHS[2] else 'I'}", data)
