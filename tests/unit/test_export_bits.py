from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.format import bits


@pytest.mark.parametrize(("n_values", "expected"), [(0, 1), (1, 1), (2, 1), (3, 2), (4, 2), (5, 3), (500_000, 19)])
def test_width_is_the_bits_of_the_highest_value(n_values: int, expected: int) -> None:
    """So many different values need so many bits, never none."""
    assert bits.width(n_values) == expected


def test_values_lie_lowest_bit_first_and_fill_whole_bytes() -> None:
    """1, 2 and 3 at 3 bits are 1 + 2 * 8 + 3 * 64 = 209, in two bytes."""
    assert bits.pack(np.array([[1, 2, 3]]), 3).tolist() == [[209, 0]]


@given(data=st.data(), width=st.integers(1, 32), n=st.integers(0, 70), rows=st.integers(1, 3))
def test_what_is_packed_comes_back(data: st.DataObject, width: int, n: int, rows: int) -> None:
    """Every row, at every width, over word ends, and also where only the first values are asked for."""
    value = st.integers(0, 2**width - 1)
    table = np.array(data.draw(st.lists(st.lists(value, min_size=n, max_size=n), min_size=rows, max_size=rows)))
    packed = bits.pack(table.reshape(rows, n).astype(np.int64), width)
    assert packed.shape == (rows, bits.packed_bytes(n, width))
    taken = data.draw(st.integers(0, n))
    for row, expected in zip(packed, table.tolist(), strict=True):
        buffer = b"xx" + row.tobytes() + bits.PADDING
        assert bits.unpack(buffer, taken, width, offset=2).tolist() == expected[:taken]
