from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from models.histories import Pairs
from models.item_arrays import ItemArrays
from models.sources.als import Als
from models.sources.base import Proposals, Source
from models.sources.neighbours import Neighbours, last_basket
from models.sources.own import Own
from models.sources.popular import Popular
from models.user_block import UserBlock

NAN = float("nan")


def shown(proposals: Proposals, n_users: int = 4) -> list[list[int]]:
    """The items of each user, best first."""
    return [proposals.items[proposals.rows == row].tolist() for row in range(n_users)]


def scores(source: Source, block: UserBlock, *pairs: tuple[int, int]) -> list[float]:
    """The source's score of each (row, item)."""
    rows, items = (np.array(column) for column in zip(*pairs, strict=True))
    return [float(score) for score in source.score(block, rows.astype(np.int64), items.astype(np.int32))]


def als(allowed: np.ndarray) -> Als:
    """Factors of users 0 to 2 and items 0 to 4; item 4 has none, item 5 is outside the model."""
    users = np.array([[1, 0], [0, 1], [1, 1]], dtype=np.float32)
    item_factors = np.array([[3, 0], [2, 0.5], [1, 1], [0, 4], [0, 0]], dtype=np.float32)
    return Als(users, item_factors, allowed)


def neighbours(allowed: np.ndarray) -> Neighbours:
    """Item 2 is near 0 and 1, item 4 near 0, 1 and 2, item 3 near 0, item 5 near 2, item 0 near 5 and 1."""
    entries = {
        (0, 2): 0.5,
        (1, 2): 0.25,
        (0, 3): 0.1,
        (0, 4): 0.1,
        (1, 4): 0.9,
        (2, 4): 1.0,
        (2, 5): 0.9,
        (5, 0): 0.2,
        (1, 0): 0.05,
    }
    dense = np.zeros((6, 6), dtype=np.float32)
    for pair, value in entries.items():
        dense[pair] = value
    return Neighbours(sparse.csr_matrix(dense), allowed)


def popular(allowed: np.ndarray) -> Popular:
    """Everyone wants item 5 most, then 0 to 4; segment b wants 4, 2 and 3."""
    of_segment = np.array([[5, 4, 3, 2, 1, 9], [0, 0, 7, 1, 8, 0]], dtype=np.float32)
    return Popular(of_segment, {"all": 0, "b": 1}, allowed)


def test_own_items_come_by_strength_times_repeat_rate(block: UserBlock, items: ItemArrays) -> None:
    """1.5 * (0.5 + 0.1) beats 1.0 * (0 + 0.1); looked at, cancelled and forbidden items are not own candidates."""
    source = Own(items, items.is_recommendable, 10)
    assert shown(source.propose(block, 1)) == [[0, 1], [2], [], []]
    assert scores(source, block, (0, 0), (0, 1), (0, 2), (1, 4), (2, 3)) == pytest.approx(
        [0.9, 0.1, NAN, NAN, NAN], nan_ok=True
    )
    assert shown(Own(items, items.is_recommendable, 1).propose(block, 9)) == [[0], [2], [], []]


def test_als_proposes_new_items_by_dot_product(block: UserBlock, items: ItemArrays) -> None:
    """Bought, forbidden and unknown items are left out, a cancelled one is not; a user outside the model gets none."""
    made = als(items.is_recommendable).propose(block, 2)
    assert shown(made) == [[2, 3], [3, 1], [3, 0], []]
    assert made.ranks.tolist() == [1, 2, 1, 2, 1, 2]
    without = items.is_recommendable & (np.arange(6) != 3)
    assert shown(als(without).propose(block, 2)) == [[2], [1, 0], [0, 1], []]
    assert shown(als(np.zeros(6, dtype=bool)).propose(block, 2)) == [[], [], [], []]


def test_als_scores_any_pair_it_knows(block: UserBlock, items: ItemArrays) -> None:
    """Bought items have a score too; an item outside the model has none, a user outside it scores 0."""
    source = als(items.is_recommendable)
    found = scores(source, block, (0, 0), (0, 5), (1, 3), (3, 3))
    assert found == pytest.approx([3, NAN, 4, 0], nan_ok=True)


def test_neighbours_add_up_over_seeds(block: UserBlock, items: ItemArrays) -> None:
    """Item 2 for user 0: 2 * 0.5 + 1 * 0.25; what was looked at is a seed and may be proposed."""
    source = neighbours(items.is_recommendable)
    assert shown(source.propose(block, 9)) == [[2, 4, 3], [4], [0], []]
    assert shown(source.propose(block, 1)) == [[2], [4], [0], []]
    found = scores(source, block, (0, 2), (0, 4), (0, 5), (1, 4), (1, 5), (2, 0), (3, 0))
    assert found == pytest.approx([1.25, 1.1, 0, 1.0, 0.9, 0.6, 0])


def test_an_anchor_is_the_bought_item_that_gives_most(block: UserBlock, items: ItemArrays) -> None:
    """Item 1 brings user 0 to item 4 though item 0 is the stronger seed; without a bought neighbour it is -1."""
    source = neighbours(items.is_recommendable)
    rows = np.array([0, 0, 0, 1, 2, 3], dtype=np.int64)
    wanted = np.array([2, 4, 5, 4, 0, 1], dtype=np.int32)
    assert source.anchors(block, rows, wanted).tolist() == [0, 1, -1, 2, 5, -1]
    assert source.anchors(block, rows[:0], wanted[:0]).tolist() == []


def test_the_last_basket_alone_is_what_its_source_starts_from(block: UserBlock, items: ItemArrays) -> None:
    """User 0 bought items 0 and 1, item 0 later: only its neighbours 2, 3 and 4 are proposed, each with its value."""
    source = Neighbours(neighbours(items.is_recommendable)._similarity, items.is_recommendable, last_basket)
    assert last_basket(block).toarray()[0].tolist() == [1, 0, 0, 0, 0, 0]
    assert shown(source.propose(block, 9))[0] == [2, 3, 4]
    assert scores(source, block, (0, 2), (0, 3), (0, 4)) == pytest.approx([0.5, 0.1, 0.1])
    assert source.anchors(block, np.zeros(1, dtype=np.int64), np.array([4], dtype=np.int32)).tolist() == [0]


def history_of(items: list[int], weights: list[float], n_items: int) -> UserBlock:
    """One user who bought each item once, with these event weights."""
    n = len(items)
    arrays = {name: np.ones(n, dtype=np.float32) for name in Pairs.__slots__}
    arrays |= {"rows": np.zeros(n, dtype=np.int64), "item_idx": np.array(items, dtype=np.int32)}
    pairs = Pairs(**arrays | {"weights": np.array(weights, dtype=np.float32)})
    return UserBlock(np.zeros(1, dtype=np.int32), ["all"], {}, pairs, pairs, n_items)


def test_the_weakest_seed_can_be_the_anchor() -> None:
    """Of 100 seeds the one with the least weight is the only neighbour of item 100: it brought the item."""
    similarity = sparse.csr_matrix(([0.5], ([99], [100])), shape=(101, 101), dtype=np.float32)
    user = history_of(list(range(100)), [200.0 - n for n in range(100)], 101)
    source = Neighbours(similarity, np.ones(101, dtype=bool))
    assert shown(source.propose(user, 9), 1) == [[100]]
    one = np.array([100], dtype=np.int32)
    assert source.anchors(user, np.zeros(1, dtype=np.int64), one).tolist() == [99]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_anchors_are_those_of_brute_force(data: Any) -> None:
    """For any similarities and weights: the bought item with the largest product, the lower index among equal ones."""
    values = st.sampled_from([0.0, 0.25, 0.5, 1.0])
    dense = np.array(data.draw(st.lists(st.lists(values, min_size=5, max_size=5), min_size=5, max_size=5)), np.float32)
    weights = np.array(data.draw(st.lists(values, min_size=4, max_size=4)), dtype=np.float32)
    source = Neighbours(sparse.csr_matrix(dense), np.ones(5, dtype=bool))
    found = source.anchors(
        history_of([0, 1, 2, 3], weights.tolist(), 5), np.zeros(5, dtype=np.int64), np.arange(5, dtype=np.int32)
    )
    gains = weights[:, None] * dense[:4]
    expected = np.where(gains.max(axis=0) > 0, gains.argmax(axis=0), -1)
    assert found.tolist() == expected.tolist()


def test_popular_items_are_those_of_the_segment(block: UserBlock, items: ItemArrays) -> None:
    """Segment b has its own order, an unknown segment everyone's; bought and forbidden items are left out."""
    source = popular(items.is_recommendable)
    assert shown(source.propose(block, 2)) == [[2, 3], [4, 3], [0, 1], [0, 1]]
    assert scores(source, block, (0, 5), (1, 2), (3, 2)) == [9, 7, 3]


def test_items_nobody_wants_are_not_popular(block: UserBlock, items: ItemArrays) -> None:
    """Segment b scores items 0 and 1 at 0: they are not proposed however many are asked for."""
    assert shown(popular(items.is_recommendable).propose(block, 9))[1] == [4, 3]
