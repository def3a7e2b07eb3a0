from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from models import neighbours
from models.item_arrays import NUMBERS, ItemArrays


def entries(matrix: sparse.csr_matrix) -> dict[tuple[int, int], float]:
    """The stored entries by (row, column)."""
    found = matrix.tocoo()
    return {(int(r), int(c)): float(v) for r, c, v in zip(found.row, found.col, found.data, strict=True)}


def test_covisited_items_are_near_by_cosine() -> None:
    """Items 0 and 1 share two baskets, 0 and 2 one; nothing is its own neighbour and 1 and 2 never met."""
    keys, items = np.array([70, 70, 9, 9, 8, 8]), np.array([0, 1, 0, 1, 0, 2], dtype=np.int32)
    baskets = neighbours.basket_matrix(keys, items, 4)
    assert baskets.shape == (3, 4)
    near = entries(neighbours.covisit(baskets, 5, threads=1))
    pair, single = 2 / math.sqrt(3 * 2), 1 / math.sqrt(3)
    assert near == pytest.approx({(0, 1): pair, (1, 0): pair, (0, 2): single, (2, 0): single})
    assert entries(neighbours.covisit(baskets, 1, threads=1)) == pytest.approx(
        {(0, 1): pair, (1, 0): pair, (2, 0): single}
    )


def test_no_baskets_have_no_neighbours() -> None:
    """The matrix keeps its shape."""
    empty = neighbours.covisit(neighbours.basket_matrix(np.zeros(0, np.int64), np.zeros(0, np.int32), 4), 5, threads=1)
    assert (empty.shape, empty.nnz) == ((4, 4), 0)


def test_items_with_rare_words_in_common_are_alike() -> None:
    """Case does not matter; an item that is not usable has no neighbours and is none; one without words neither."""
    usable = np.array([True, True, True, False, True])
    made = neighbours.content(["Red apple", "red APPLE", "red pear", "red apple", ""], usable, 5, threads=1)
    red, apple, pear = math.log(6 / 4), math.log(6 / 3), math.log(6 / 2)
    cosine = red**2 / math.hypot(red, apple) / math.hypot(red, pear)
    expected = {(0, 1): 1.0, (1, 0): 1.0} | dict.fromkeys([(0, 2), (2, 0), (1, 2), (2, 1)], cosine)
    assert entries(made) == pytest.approx(expected, rel=1e-5)


def test_a_word_that_everything_shares_says_nothing() -> None:
    """Of 200 items 150 say `the`: more than a tenth and more than a hundred of them, so that it joins nobody."""
    texts = [f"word{n}" for n in range(50)] + ["the"] * 148 + ["the fig", "the fig"]
    made = neighbours.content(texts, np.ones(200, dtype=bool), 3, threads=1)
    assert entries(made) == pytest.approx({(198, 199): 1.0, (199, 198): 1.0})


def test_a_category_recommends_its_best_sold() -> None:
    """Item 4 has 60 of category 0's 100 buyers and item 1 has 30; the forbidden item 5 counts for nobody."""
    numbers = {name: np.zeros(6, dtype=np.float32) for name in NUMBERS}
    numbers["buyers_84"] = np.array([10, 30, 5, 7, 60, 900], dtype=np.float32)
    codes = {"category": np.array([0, 0, 1, -1, 0, 0], dtype=np.int32), "department": np.zeros(6, dtype=np.int32)}
    items = ItemArrays(numbers, codes, np.ones(6, dtype=bool))
    usable = np.array([True] * 5 + [False])
    made = entries(neighbours.category(items, usable, 2))
    assert made == pytest.approx({(0, 4): 0.6, (0, 1): 0.3, (1, 4): 0.6, (4, 1): 0.3, (5, 4): 0.6, (5, 1): 0.3})


def test_a_shop_without_categories_uses_departments() -> None:
    """The finest attribute that any item has is taken; with none at all nothing is near."""
    numbers = {name: np.full(2, 4, dtype=np.float32) for name in NUMBERS}
    unknown, one = np.full(2, -1, dtype=np.int32), np.zeros(2, dtype=np.int32)
    usable = np.ones(2, dtype=bool)
    with_departments = ItemArrays(numbers, {"category": unknown, "department": one}, usable)
    assert entries(neighbours.category(with_departments, usable, 2)) == {(0, 1): 0.5, (1, 0): 0.5}
    assert neighbours.category(ItemArrays(numbers, {"category": unknown}, usable), usable, 2).nnz == 0


def test_neighbours_survive_their_artifact(tmp_path: Path) -> None:
    """Matrices are read by name as they were written, with an empty last row too."""
    matrix = sparse.csr_matrix(np.array([[0, 0.5, 0], [0.25, 0, 0], [0, 0, 0]], dtype=np.float32))
    neighbours.save(tmp_path / "n", {"covisit": matrix}, np.zeros((1, 3), np.float32), "{}", scorers={}, about={})
    assert entries(neighbours.load(tmp_path / "n", "covisit", 3)) == {(0, 1): 0.5, (1, 0): 0.25}
