"""The highest dot products: exact whatever the sample says, and nothing that is left out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import top_scores
from models.ragged import top_within

NOBODY = np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32)


def best(queries: np.ndarray, items: np.ndarray, left: tuple[np.ndarray, np.ndarray], n: int) -> dict[int, list[int]]:
    """The n best items of each query that has any."""
    rows, columns, scores = top_scores.top_scores(queries.astype(np.float32), items.astype(np.float32), *left, n)
    made: dict[int, list[int]] = {}
    for row, item, _ in zip(*top_within(rows, scores, columns, n), strict=True):
        made.setdefault(int(row), []).append(int(item))
    return made


def test_the_best_items_of_each_query() -> None:
    """Two queries look along two axes; ties go to the lower item."""
    items = np.array([[1, 0], [3, 1], [2, 2], [0, 3], [3, 0]])
    assert best(np.array([[1, 0], [0, 1]]), items, NOBODY, 3) == {0: [1, 4, 2], 1: [3, 2, 1]}


def test_items_left_out_make_room_for_others() -> None:
    """A query whose best two are left out gets the next; one with nothing left has no row."""
    items = np.array([[1.0], [2.0], [3.0]])
    left = np.array([0, 0, 1, 1, 1]), np.array([1, 2, 0, 1, 2], dtype=np.int32)
    assert best(np.array([[1.0], [1.0], [-1.0]]), items, left, 2) == {0: [0], 2: [0, 1]}


def test_items_out_of_reach_are_not_multiplied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once no later norm can reach a query's n-th best score, its products end; what is not read may be anything."""
    monkeypatch.setattr(top_scores, "_TILE_ITEMS", 2)
    items = np.array([[9.0, 0.0], [8.0, 0.0], [7.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    seen: list[int] = []
    monkeypatch.setattr(
        top_scores._Best,
        "take",
        lambda self, rows, tile, take=top_scores._Best.take: (seen.append(len(rows)), take(self, rows, tile)),
    )
    assert best(np.array([[1.0, 0.0], [-1.0, 0.0]]), items, NOBODY, 2) == {0: [0, 1], 1: [3, 4]}
    assert seen == [2, 1, 1]


def test_a_later_item_that_ties_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """An item whose score equals the n-th best is among them wherever it lies, so that the lower index can win."""
    monkeypatch.setattr(top_scores, "_TILE_ITEMS", 1)
    rows, items, _ = top_scores.top_scores(
        np.ones((1, 1), np.float32), np.array([[3], [2], [2], [1]], np.float32), *NOBODY, 2
    )
    assert (rows.tolist(), sorted(items.tolist())) == ([0, 0, 0], [0, 1, 2])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 90), st.integers(1, 300), st.integers(1, 40), st.integers(1, 400))
def test_the_same_as_sorting_everything(seed: int, queries: int, n_items: int, n: int, tile: int) -> None:
    """For any shapes, blocks and items left out, the lists are those of a full sort."""
    random = np.random.default_rng(seed)
    left, right = random.integers(-9, 9, (queries, 3)), random.integers(-9, 9, (n_items, 3))
    n = min(n, n_items)
    out = random.random((queries, n_items)) < 0.3
    rows, columns = np.nonzero(out)
    scores = np.where(out, -np.inf, left @ right.T)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :n]
    wanted = {q: [int(i) for i in order[q] if np.isfinite(scores[q, i])] for q in range(queries)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(top_scores, "_TILE_ITEMS", tile)
        made = best(left, right, (rows, columns.astype(np.int32)), n)
    assert made == {q: items for q, items in wanted.items() if items}
