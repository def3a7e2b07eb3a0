from __future__ import annotations

import numpy as np
import pytest

from models.objectives import Aims, Likeness
from models.rankings import truth_of
from models.rerank import Lists
from models.sweep import diversity, grid, measure, unbeaten

TWINS = Likeness(
    np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32), np.ones(4, np.float32), np.zeros((4, 0), np.int32), 0.0
)


def test_a_grid_has_every_set_of_weights() -> None:
    """Two halves of three objectives: six sets that add up to 1, engagement alone first."""
    made = grid(("engagement", "diversity", "margin"), 2)
    assert [tuple(point.values()) for point in made] == [
        (1.0, 0.0, 0.0), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.0, 1.0, 0.0), (0.0, 0.5, 0.5), (0.0, 0.0, 1.0),
    ]  # fmt: skip


def test_diversity_is_what_two_items_of_a_list_are_not_alike() -> None:
    """Twins have none, opposites all; of 0, 2 and 3 the pairs are alike by 0, 0.6 and 0.8; one item has no pair."""
    found = diversity(np.array([[0, 1, -1], [0, 2, -1], [0, 2, 3], [3, -1, -1]], np.int32), TWINS)
    assert found.tolist() == pytest.approx([0.0, 1.0, 1 - 1.4 / 3, np.nan], nan_ok=True)


def test_weights_are_measured_by_what_followed() -> None:
    """The user took 2: it comes second when diversity counts, third when only engagement does."""
    items, scores = np.arange(3, dtype=np.int32), np.array([3, 2, 1], np.float32)
    lists = Lists(np.zeros(3, np.int64), items, scores, np.zeros(3, np.int32))
    truth = truth_of(np.array([0]), np.array([2]), n_rows=1)
    margin = np.array([0.0, 0.5, 1.0, 0.0])
    alone = measure(lists, Aims({"engagement": 1.0}, np.zeros(4, np.float32), TWINS, 3), truth, margin, 2)
    both = Aims({"engagement": 0.2, "diversity": 0.8}, np.zeros(4, np.float32), TWINS, 3)
    varied = measure(lists, both, truth, margin, 2)
    assert (alone.top.tolist(), varied.top.tolist()) == ([[0, 1]], [[0, 2]])
    assert alone.numbers[0].tolist() == [0.0, 0.0, 0.25]
    assert varied.numbers[0].tolist() == pytest.approx([1 / np.log2(3), 1.0, 0.5])
    assert np.isnan(measure(lists, both, truth, None, 2).numbers[0, 2])


def test_the_front_is_what_nothing_beats() -> None:
    """Equal points beat neither each other; a point that is worse in one measure and better in none is beaten."""
    points = np.array([[1.0, 0.0], [0.5, 0.5], [0.5, 0.4], [0.0, 1.0], [0.5, 0.5]])
    assert unbeaten(points).tolist() == [True, True, False, True, True]
