from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.format import bits


@pytest.mark.parametrize(("n_values", "expected"), [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (20_000, 15), (2**20, 20)])
def test_width_is_the_fewest_bits(n_values: int, expected: int) -> None:
    """Of so many values; a value of its own still takes a bit."""
    assert bits.width(n_values) == expected


@pytest.mark.parametrize(("n_bits", "expected"), [(1, 4), (4, 4), (5, 8), (9, 16), (16, 16), (17, 32), (32, 32)])
def test_a_row_has_the_narrowest_width_that_holds_its_bits(n_bits: int, expected: int) -> None:
    """4, 8, 16 or 32."""
    assert bits.rounded(n_bits) == expected


def test_packed_bytes_are_as_written_down() -> None:
    """1, 2, 3 at 4 bits, the first in the upper half of its byte; 258 at 16, the lower byte first."""
    narrow, wide = np.empty((1, 2), dtype=np.uint8), np.empty((1, 2), dtype=np.uint8)
    bits.pack(np.array([[1, 2, 3]]), 4, narrow)
    bits.pack(np.array([[258]]), 16, wide)
    assert (narrow.tolist(), wide.tolist()) == ([[0x12, 0x30]], [[2, 1]])


@given(st.data(), st.sampled_from(bits.WIDTHS), st.integers(0, 20), st.integers(1, 3))
def test_rows_come_back_as_they_went_in(data: st.DataObject, width: int, n: int, rows: int) -> None:
    """Each row alone, and its first values alone."""
    table = data.draw(st.lists(st.integers(0, 2**width - 1), min_size=rows * n, max_size=rows * n))
    values = np.array(table, dtype=np.int64).reshape(rows, n)
    packed = np.empty((rows, bits.packed_bytes(n, width)), dtype=np.uint8)
    bits.pack(values, width, packed)
    taken = data.draw(st.integers(0, n))
    for row, expected in zip(packed, values.tolist(), strict=True):
        assert list(bits.unrow(row.tobytes(), taken, width)) == expected[:taken]
