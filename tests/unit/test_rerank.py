from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rerank import Lists, cap_categories, cut, fill

CATEGORIES = np.array([0, 0, 0, 1, 1, -1, -1, 2], dtype=np.int32)
ROWS = st.lists(st.lists(st.integers(0, 7), unique=True, max_size=8), min_size=1, max_size=4)


def lists_of(rows: list[list[int]]) -> Lists:
    """Lists of items with falling scores; the reason is 10 plus the item."""
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    scores = np.array([1.0 - n / 10 for row in rows for n in range(len(row))], dtype=np.float32)
    at = np.repeat(np.arange(len(rows), dtype=np.int64), [len(row) for row in rows])
    return Lists(at, items, scores, items + 10)


def shown(lists: Lists, n_rows: int) -> list[list[int]]:
    """The items of each row, in order."""
    assert (np.diff(lists.rows) >= 0).all()
    return [lists.items[lists.rows == row].tolist() for row in range(n_rows)]


def test_items_beyond_the_cap_go_behind() -> None:
    """The third item of category 0 comes last; items without a category are never moved."""
    made = cap_categories(lists_of([[0, 5, 1, 2, 6, 3]]), CATEGORIES, 2)
    assert made.items.tolist() == [0, 5, 1, 6, 3, 2]
    assert made.reasons.tolist() == [10, 15, 11, 16, 13, 12]
    assert cap_categories(lists_of([[0, 1, 2]]), CATEGORIES, 0).items.tolist() == [0, 1, 2]


@settings(max_examples=80, deadline=None)
@given(ROWS, st.integers(1, 3))
def test_a_cap_keeps_items_and_their_order(rows: list[list[int]], cap: int) -> None:
    """Each list holds the same items: first those within the cap, then the others, each in their old order."""
    for before, after in zip(rows, shown(cap_categories(lists_of(rows), CATEGORIES, cap), len(rows)), strict=True):
        counts: Counter[int] = Counter()
        within, beyond = [], []
        for item in before:
            code = int(CATEGORIES[item])
            counts[code] += 1
            (within if code < 0 or counts[code] <= cap else beyond).append(item)
        assert after == within + beyond


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(1, 9))
def test_a_cut_keeps_the_first(rows: list[list[int]], length: int) -> None:
    """Each list is its own beginning."""
    assert shown(cut(lists_of(rows), length), len(rows)) == [row[:length] for row in rows]


def test_short_lists_go_on_with_popular_items() -> None:
    """What is excluded is passed over; added items carry the given reason and scores below the list's."""
    excluded = np.array([[True, False, False, False], [False] * 4, [False] * 4])
    made = fill(lists_of([[3, 7], [], [0, 1, 2]]), np.array([3, 5, 6, 4], dtype=np.int32), excluded, 3, reason=9)
    assert shown(made, 3) == [[3, 7, 5], [3, 5, 6], [0, 1, 2]]
    assert made.reasons.tolist() == [13, 17, 9, 9, 9, 9, 10, 11, 12]
    assert made.scores[:3].tolist() == sorted(made.scores[:3].tolist(), reverse=True)
    assert made.items.dtype == np.int32


@settings(max_examples=80, deadline=None)
@given(ROWS, st.permutations(range(8)), st.integers(1, 9), st.data())
def test_filled_lists_are_as_long_as_can_be(rows: list[list[int]], popular: list[int], length: int, data: Any) -> None:
    """Old items first and untouched, no item twice, nothing excluded added, no longer and no shorter than it can be."""
    bans = [data.draw(st.sets(st.integers(0, 7))) for _ in rows]
    excluded = np.array([[item in ban or item in row for item in popular] for row, ban in zip(rows, bans, strict=True)])
    made = fill(lists_of(rows), np.array(popular, dtype=np.int32), excluded, length, reason=9)
    for before, ban, after in zip(rows, bans, shown(made, len(rows)), strict=True):
        added = [item for item in popular if item not in ban and item not in before]
        assert after == before + added[: max(length - len(before), 0)]
        assert len(set(after)) == len(after)
    falls = (np.diff(made.scores) < 0) | (np.diff(made.rows) > 0)
    assert falls.all()
