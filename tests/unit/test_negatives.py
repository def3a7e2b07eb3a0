from __future__ import annotations

import numpy as np
import pytest

from models.negatives import N_NEGATIVES, of_candidates, of_catalogue
from models.rankings import Truth, assortment_of, keys_of, truth_of

NOTHING = np.zeros(0, dtype=np.int64)
NOBODY = Truth(NOTHING, np.zeros(1, dtype=np.int64))


def test_a_small_catalogue_gives_all_that_was_not_taken() -> None:
    """Of six items one is not allowed, one was taken and one is left out: three are drawn."""
    assortment = assortment_of(np.arange(6), np.array([True] * 5 + [False]))
    truth = truth_of(np.array([0]), np.array([2]), n_rows=1)
    drawn = of_catalogue(assortment, truth, keys_of(np.array([0]), np.array([4])), np.array([7]), seed=1)
    assert sorted(drawn[0, :3].tolist()) == [0, 1, 3]
    assert set(drawn[0, 3:].tolist()) == {-1}


@pytest.mark.parametrize("n_items", [500, 5000])
def test_ninety_nine_distinct_ones_are_drawn(n_items: int) -> None:
    """Neither taken nor left out nor banned, with a hash an item and with draws alike."""
    random = np.random.default_rng(2)
    is_allowed = random.random(n_items) < 0.7
    rows = np.repeat(np.arange(5), 40)
    truth = truth_of(rows, random.integers(0, n_items, 200), n_rows=5)
    left_out = np.unique(keys_of(rows, random.integers(0, n_items, 200)))
    drawn = of_catalogue(assortment_of(np.zeros(n_items), is_allowed), truth, left_out, np.arange(5), seed=3)
    assert drawn.shape == (5, N_NEGATIVES)
    assert is_allowed[drawn].all()
    for row in range(5):
        forbidden = {int(key & 0xFFFFFFFF) for key in [*truth.keys, *left_out] if key >> 32 == row}
        assert len(set(drawn[row].tolist())) == N_NEGATIVES
        assert not forbidden & set(drawn[row].tolist())


@pytest.mark.parametrize("n_items", [400, 4000])
def test_every_item_is_drawn_as_often(n_items: int) -> None:
    """Over 4,000 users the draws of an item differ from their mean as those of a fair draw do, within 5 sigma."""
    n_users = 4000
    truth = Truth(NOTHING, np.zeros(n_users, dtype=np.int64))
    assortment = assortment_of(np.arange(n_items), np.ones(n_items, dtype=bool))
    drawn = of_catalogue(assortment, truth, NOTHING, np.arange(n_users), seed=4)
    share = N_NEGATIVES / n_items
    times = np.bincount(drawn.ravel(), minlength=n_items)
    assert np.abs(times - n_users * share).max() < 5 * np.sqrt(n_users * share * (1 - share))


def test_the_draw_depends_on_user_and_seed_alone() -> None:
    """A user draws the same whoever is in the block; another seed draws others."""
    assortment = assortment_of(np.zeros(3000), np.ones(3000, dtype=bool))
    both = of_catalogue(assortment, Truth(NOTHING, np.zeros(2, dtype=np.int64)), NOTHING, np.array([5, 9]), seed=1)
    alone = of_catalogue(assortment, NOBODY, NOTHING, np.array([9]), seed=1)
    other = of_catalogue(assortment, NOBODY, NOTHING, np.array([9]), seed=2)
    assert alone.tolist() == both[1:].tolist() != other.tolist()


def test_hard_negatives_are_candidates_that_were_not_taken() -> None:
    """Two of three candidates of the first user; the second has none."""
    candidates = keys_of(np.array([0, 0, 0]), np.array([3, 5, 8]))
    drawn = of_candidates(candidates, truth_of(np.array([0]), np.array([5]), n_rows=2), np.array([1, 2]), seed=1)
    assert sorted(drawn[0, :2].tolist()) == [3, 8]
    assert (drawn[0, 2:] == -1).all()
    assert (drawn[1] == -1).all()
