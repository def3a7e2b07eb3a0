from __future__ import annotations

import numpy as np
import pytest

from models.histories import empty_pairs
from models.list_quality import HEAD, TAIL, diversity, faults, measure, serendipity, shelf_of
from models.measures import FULL, OURS, Block, Key, Plan
from models.rankings import Ranking, assortment_of, truth_of

PLAN = Plan((("home", True),), (), 3, head_share=0.4, categories=(("category:tea", 1),))
# Popular are 0 and 1 (the head of five items), then 2, 3, 4; item 5 may not be recommended.
ASSORTMENT = assortment_of(np.array([9, 8, 3, 2, 1, 7]), np.array([True] * 5 + [False]))
VECTORS = np.array([[2, 0], [0, 3], [1, 1], [0, 0]], dtype=np.float32)
SHELF = shelf_of(ASSORTMENT, PLAN, VECTORS, np.array([0, 1, 1, 0, -1, 1], dtype=np.int32))


def _block(*lists: list[int]) -> Block:
    """Users who took 0 and 4, and 2; a third took nothing."""
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    shown = Ranking(rows, np.array([i for items in lists for i in items], dtype=np.int32), len(lists))
    nothing = np.zeros(0, dtype=np.int64)
    return Block(
        bought=empty_pairs(),
        rows=nothing,
        items=np.zeros(0, dtype=np.int32),
        scores=np.zeros((0, 0), dtype=np.float32),
        ranks=np.zeros((0, 0), dtype=np.int16),
        lists={"home": shown},
        ranked={"home": shown},
        truth={"home": truth_of(np.array([0, 0, 1]), np.array([0, 4, 2]), n_rows=3)},
        n_rows=3,
    )


def test_diversity_is_the_mean_distance_of_pairs() -> None:
    """At right angles 1, alike 0; three items by hand; an item without a vector is far from all; one has no pair."""
    unit = SHELF.vectors
    top = np.array([[0, 1, -1], [0, 0, -1], [0, 1, 2], [0, 3, -1], [2, -1, -1]])
    third = 1 - 2 * np.sqrt(0.5) / 3
    np.testing.assert_allclose(diversity(top, unit), [1, 0, third, 1, np.nan], atol=1e-7)


def test_serendipity_counts_hits_that_popularity_had_not() -> None:
    """Of two hits in three places one is in the popular list too."""
    truth = truth_of(np.array([0, 0]), np.array([0, 4]), n_rows=1)
    assert serendipity(np.array([[4, 0, 3]]), np.array([[0, 1, 2]]), truth).tolist() == [pytest.approx(1 / 3)]


def test_recall_of_head_tail_and_categories() -> None:
    """User 0 took one of each and is shown the one of the tail; a user who took nothing of a group has no value."""
    values = measure(_block([4, 2, 3], [2, 1, 0], []), PLAN, ASSORTMENT, SHELF)
    key = Key(FULL, "home", OURS, "recall_3")
    np.testing.assert_allclose(values[key._replace(segment=HEAD)], [0, np.nan, np.nan])
    np.testing.assert_allclose(values[key._replace(segment=TAIL)], [1, 1, np.nan])
    np.testing.assert_allclose(values[key._replace(segment="category:tea")], [np.nan, 1, np.nan])
    np.testing.assert_allclose(values[key._replace(system="popular", segment=HEAD)], [1, np.nan, np.nan])


def test_faults_of_lists_are_counted_by_user() -> None:
    """One list repeats an item among its first three, one is missing; who took nothing does not count."""
    found = faults(_block([1, 1, 0], [], [1]), PLAN, "home")
    np.testing.assert_allclose(found["short_3"], [0, 1, np.nan])
    np.testing.assert_allclose(found["repeated_3"], [1, 0, np.nan])
    np.testing.assert_allclose(found["uncovered"], [0, 1, np.nan])
