from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import ragged
from models.user_block import find

ENTRIES = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from([-2.5, -1.0, -0.0, 0.0, 0.25, 1.0, 3e8]), st.integers(0, 9)),
    unique_by=lambda entry: (entry[0], entry[2]),
    max_size=40,
)


def _by_ranking(rows: Any, scores: Any, items: Any, n: int) -> tuple[list[int], list[int], list[int]]:
    order, ranks = ragged.rank_within(rows, scores, items)
    kept = ranks <= n
    return rows[order[kept]].tolist(), items[order[kept]].tolist(), ranks[kept].tolist()


def _columns(entries: list[tuple[int, float, int]]) -> tuple[Any, Any, Any]:
    rows = np.array([entry[0] for entry in entries], dtype=np.int64)
    scores = np.array([entry[1] for entry in entries], dtype=np.float32)
    return rows, scores, np.array([entry[2] for entry in entries], dtype=np.int32)


def test_rank_within_puts_the_best_first_and_the_lower_index_before_its_equals() -> None:
    """Row 1 has a tie at 2.0, which item 4 wins against item 9."""
    rows, scores, items = _columns([(1, 2.0, 9), (0, -1.0, 3), (1, 5.0, 8), (1, 2.0, 4)])
    assert _by_ranking(rows, scores, items, 9) == ([0, 1, 1, 1], [3, 8, 4, 9], [1, 1, 2, 3])


@settings(max_examples=150, deadline=None)
@given(ENTRIES, st.integers(1, 4))
def test_the_packed_sort_equals_the_ranking(entries: list[tuple[int, float, int]], n: int) -> None:
    """Negative scores, ties and both zeros come in the order that three sort keys give."""
    rows, scores, items = _columns(entries)
    assert [part.tolist() for part in ragged.top_within(rows, scores, items, n)] == list(
        _by_ranking(rows, scores, items, n)
    )


@pytest.mark.parametrize(("row", "item"), [(0, 1 << 20), (1 << 12, 0), (4095, (1 << 20) - 1)])
def test_indices_too_big_to_pack_are_ranked_all_the_same(row: int, item: int) -> None:
    """Around 20 bits of item and 12 bits of row the answer stays the same."""
    rows, scores, items = _columns([(row, 1.0, item), (row, 2.0, 7), (0, 1.0, 5), (row, 1.0, 6)])
    top = ragged.top_within(rows, scores, items, 2)
    assert [part.tolist() for part in top] == list(_by_ranking(rows, scores, items, 2))
    assert top[1].dtype == np.int32


def test_lists_survive_arrow() -> None:
    """Offsets start at zero in a sliced column, and a null list is empty."""
    column = pa.array([[1], [2, 3], None, [4]], pa.list_(pa.int32()))
    offsets, values = ragged.lists(column[1:])
    assert (offsets.tolist(), values.tolist()) == ([0, 2, 2, 3], [2, 3, 4])
    assert ragged.rows_of(offsets).tolist() == [0, 0, 2]
    assert ragged.offsets_of(ragged.rows_of(offsets), 3).tolist() == [0, 2, 2, 3]
    assert ragged.to_lists(offsets, values, pa.int32()).to_pylist() == [[2, 3], [], [4]]


def test_find_gives_the_position_or_minus_one() -> None:
    """Keys below, between and above the known ones are absent, and so is every key of nothing."""
    assert find(np.array([2, 5, 9]), np.array([9, 1, 5, 7, 10, 2])).tolist() == [2, -1, 1, -1, -1, 0]
    assert find(np.zeros(0, dtype=np.int64), np.array([3, 4])).tolist() == [-1, -1]


def test_a_run_begins_where_its_first_value_is() -> None:
    """Each value tells the position of the first of its run; of nothing there is nothing."""
    assert ragged.first_of_run(np.array([2, 2, 5, 7, 7, 7])).tolist() == [0, 0, 2, 3, 3, 3]
    assert ragged.first_of_run(np.array([4])).tolist() == [0]
    assert ragged.first_of_run(np.zeros(0, dtype=np.int64)).tolist() == []


def test_distinct_values_come_ascending() -> None:
    """Each once; of nothing there is nothing."""
    assert ragged.distinct(np.array([5, 2, 5, 9, 2])).tolist() == [2, 5, 9]
    assert ragged.distinct(np.zeros(0, dtype=np.int64)).tolist() == []
