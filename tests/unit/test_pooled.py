from __future__ import annotations

import numpy as np
import pytest

from models import pooled
from models.rankings import Ranking, assortment_of, keys_of, truth_of


def _pairwise(scores: np.ndarray, labels: np.ndarray) -> float:
    """AUC by its definition, every pair looked at."""
    differences = scores[labels][:, None] - scores[~labels][None, :]
    return float(((differences > 0) + (differences == 0) / 2).mean())


def _random(seed: int) -> tuple[Ranking, np.ndarray, np.ndarray, np.ndarray]:
    """Six users, 25 items: a ranking with scores that 20 bits can hold, taken items, and left out ones."""
    random = np.random.default_rng(seed)
    rows, items = np.nonzero(random.random((6, 25)) < 0.4)
    scores = (random.integers(-20, 20, len(rows)) / 4).astype(np.float32)
    gone = random.random((6, 25)) < 0.15
    taken = (random.random((6, 25)) < 0.2) & ~gone
    taken[2] = False
    return Ranking(rows, items.astype(np.int32), 6), scores, taken, gone


@pytest.mark.parametrize("seed", range(3))
def test_over_candidates_it_counts_every_pair_of_any_two_users(seed: int) -> None:
    """Candidates without a score tie as last; a user who took nothing among theirs does not count."""
    ranking, scores, taken, _ = _random(seed)
    candidates = np.ones((6, 25), dtype=bool)
    candidates[:, 20:] = False
    dense = np.full((6, 25), -100.0)
    dense[ranking.rows, ranking.items] = scores
    truth = truth_of(*np.nonzero(taken), n_rows=6)
    ours = pooled.within(ranking, scores, truth, keys_of(*np.nonzero(candidates)))
    counted = candidates & (taken & candidates).any(axis=1)[:, None]
    assert ours.auc() == pytest.approx(_pairwise(dense[counted], taken[counted]), abs=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_over_the_catalogue_popularity_follows_the_scores(seed: int) -> None:
    """Random rankings, exclusions and truths against a dense score for every user and item; unknown items are last."""
    ranking, scores, taken, gone = _random(seed)
    random = np.random.default_rng(seed)
    assortment = assortment_of(random.integers(0, 5, 25), random.random(25) < 0.8)
    dense = np.tile(assortment.popularity - 1000.0, (6, 1))
    dense[ranking.rows, ranking.items] = scores
    dense[:, ~assortment.is_allowed] = -2000
    keep = ~gone & (assortment.is_allowed | taken) & taken.any(axis=1)[:, None]
    rows, items = np.nonzero(taken)
    truth = truth_of(np.append(rows, 0), np.append(items, 99), n_rows=6)
    ours = pooled.over_catalogue(ranking, scores, truth, assortment, keys_of(*np.nonzero(gone)))
    expected = _pairwise(np.append(dense[keep], -2000), np.append(taken[keep], True))
    assert ours.auc() == pytest.approx(expected, abs=1e-12)


def test_counts_of_blocks_add_up() -> None:
    """Two halves of the users, sent as bytes and merged, are the whole; nothing at all has no AUC."""
    ranking, scores, taken, _ = _random(7)
    everything = keys_of(*np.nonzero(np.ones((6, 25), dtype=bool)))
    truth = truth_of(*np.nonzero(taken), n_rows=6)
    whole = pooled.within(ranking, scores, truth, everything)
    parts = []
    for half in (ranking.rows < 3, ranking.rows >= 3):
        users = set(ranking.rows[half].tolist())
        inside = everything[np.isin(everything >> 32, list(users))]
        parts.append(pooled.from_bytes(pooled.within(ranking.where(half), scores[half], truth, inside).to_bytes()))
    assert pooled.merge(parts).auc() == whole.auc()
    assert np.isnan(pooled.merge([]).auc())
