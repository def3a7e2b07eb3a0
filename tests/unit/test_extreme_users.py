from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from jobs.evaluation.extreme_users import extremes, listed_first


def test_the_best_and_the_worst_are_most_extreme_first() -> None:
    """By value; among equals who bought more, then the lower row; a user without a value is neither."""
    values = np.array([0.5, 1.0, 0.0, 1.0, 0.0, np.nan, 0.7, 0.0])
    taken = np.array([4, 2, 9, 6, 1, 50, 3, 9])
    found = extremes(values, taken, 3)
    assert found["best"].tolist() == [3, 1, 6]
    assert found["worst"].tolist() == [2, 7, 4]


def test_few_users_are_parted_in_halves() -> None:
    """Of three users the best two and the worst one are told, nobody twice."""
    found = extremes(np.array([0.2, 0.9, 0.4]), np.array([1, 1, 1]), 10)
    assert (found["best"].tolist(), found["worst"].tolist()) == ([1, 2], [0])


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), max_size=40), st.integers(1, 12))
def test_nobody_is_on_both_sides(values: list[float], n: int) -> None:
    """Whatever the values, the sides have no user in common and none without a value, and each is at most `n`."""
    found = extremes(np.array(values, dtype=np.float64), np.arange(len(values)), n)
    best, worst = found["best"].tolist(), found["worst"].tolist()
    known = [row for row, value in enumerate(values) if not np.isnan(value)]
    assert not set(best) & set(worst)
    assert {*best, *worst} <= set(known)
    assert len(best) + len(worst) == min(2 * n, len(known))
    assert max(len(best), len(worst)) <= n or len(known) < 2 * n


def test_what_was_listed_and_bought_comes_first() -> None:
    """Hits in the order of the list, then the rest by index."""
    assert listed_first([1, 5, 7, 9], [9, 2, 5]) == [9, 5, 1, 7]
