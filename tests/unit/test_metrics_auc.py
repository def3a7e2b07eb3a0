from __future__ import annotations

import numpy as np
import pytest

from models import metrics
from models.ragged import rows_of
from models.rankings import Ranking, assortment_of, keys_of, truth_of


def _pairwise(scores: np.ndarray, labels: np.ndarray) -> float:
    """AUC by its definition, every pair looked at."""
    differences = scores[labels][:, None] - scores[~labels][None, :]
    return float(((differences > 0) + (differences == 0) / 2).mean())


def test_auc_counts_ties_half_and_needs_both_kinds() -> None:
    """One user with a tie, one in perfect order, one with positives only, one with nothing."""
    rows = np.array([0, 0, 0, 1, 1, 2])
    scores = np.array([2.0, 2.0, 1.0, 5.0, -np.inf, 1.0])
    labels = np.array([True, False, False, True, False, True])
    np.testing.assert_allclose(metrics.auc(rows, scores, labels, n_rows=4), [0.75, 1.0, np.nan, np.nan])


def test_auc_equals_counting_every_pair() -> None:
    """Random scores with many ties, users in mixed order."""
    random = np.random.default_rng(3)
    rows = random.integers(0, 20, 600)
    scores, labels = random.integers(0, 6, 600).astype(float), random.random(600) < 0.3
    ours = metrics.auc(rows, scores, labels, n_rows=20)
    np.testing.assert_allclose(ours, [_pairwise(scores[rows == r], labels[rows == r]) for r in range(20)])


def test_items_not_ranked_tie_as_last() -> None:
    """Of five candidates the ranking holds a miss, then a hit; the other positive ties with two negatives."""
    ranking = Ranking(np.array([0, 0]), np.array([4, 1], dtype=np.int32), 1)
    truth = truth_of(np.array([0, 0]), np.array([1, 2]), n_rows=1)
    np.testing.assert_allclose(metrics.auc_then_tied(ranking, truth, np.array([5])), [(2 + 1) / 6])


def test_items_not_ranked_follow_by_popularity() -> None:
    """Of six items one is not allowed and one was bought; the ranking holds a miss; popularity orders the rest."""
    popularity = np.array([9, 5, 5, 1, 7, 3])
    assortment = assortment_of(popularity, np.array([True, True, True, True, False, True]))
    ranking = Ranking(np.array([0]), np.array([3], dtype=np.int32), 1)
    truth = truth_of(np.array([0]), np.array([1]), n_rows=1)
    bought = keys_of(np.array([0]), np.array([0]))
    # Negatives 3 (ranked above), 2 (ties), 5 (below): 1.5 of 3.
    np.testing.assert_allclose(metrics.auc_then_popular(ranking, truth, assortment, bought), [0.5])


def test_truth_outside_the_catalogue_is_below_everything() -> None:
    """A first place and an item sold for the first time: (1 + 0) / 2."""
    assortment = assortment_of(np.array([1, 2, 3]), np.ones(3, dtype=bool))
    ranking = Ranking(np.array([0]), np.array([0], dtype=np.int32), 1)
    truth = truth_of(np.array([0, 0]), np.array([0, 17]), n_rows=1)
    nothing = np.zeros(0, dtype=np.int64)
    np.testing.assert_allclose(metrics.auc_then_popular(ranking, truth, assortment, nothing), [0.5])


@pytest.mark.parametrize("seed", range(4))
def test_auc_over_the_catalogue_equals_scoring_every_item(seed: int) -> None:
    """Random rankings, exclusions and truths against a dense score for every user and item."""
    random = np.random.default_rng(seed)
    n_rows, n_items = 8, 30
    assortment = assortment_of(random.integers(0, 5, n_items), random.random(n_items) < 0.8)
    lists = [random.permutation(n_items)[: random.integers(0, 9)] for _ in range(n_rows)]
    gone = random.random((n_rows, n_items)) < 0.15
    taken = (random.random((n_rows, n_items)) < 0.2) & ~gone
    offsets = np.concatenate([[0], np.cumsum([len(items) for items in lists])])
    ranking = Ranking(rows_of(offsets), np.concatenate(lists).astype(np.int32), n_rows)
    truth = truth_of(*np.nonzero(taken), n_rows=n_rows)
    ours = metrics.auc_then_popular(ranking, truth, assortment, keys_of(*np.nonzero(gone)))
    for row in range(n_rows):
        scores = assortment.popularity.astype(float)
        scores[lists[row]] = 1000 - np.arange(len(lists[row]))
        scores[~assortment.is_allowed] = -1
        keep = ~gone[row] & (assortment.is_allowed | taken[row])
        np.testing.assert_allclose(ours[row], _pairwise(scores[keep], taken[row][keep]))


def test_pooled_auc_of_parts_is_that_of_the_whole() -> None:
    """Scores that bfloat16 can hold, negative ones and zeros included, added in two histograms and merged."""
    random = np.random.default_rng(5)
    scores = random.integers(-20, 20, 500).astype(np.float32) / 4
    scores[:10] = -0.0
    labels = random.random(500) < 0.4
    first, second = metrics.ScoreHistogram(), metrics.ScoreHistogram()
    first.add(scores[:200], labels[:200])
    second.add(scores[200:], labels[200:])
    first.merge(second)
    assert first.auc() == pytest.approx(_pairwise(scores, labels), abs=1e-12)
