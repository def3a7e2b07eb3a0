from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from contracts.settings import Evaluation, Settings
from jobs.evaluation import objectives_cost

CUT = dt.date(2026, 3, 1)
POINTS = [{"engagement": 0.7, "diversity": 0.3}, {"engagement": 1.0}]
# Of two users, by point: NDCG, diversity, margin; the shop has no margins.
NUMBERS = [[0.2, 0.9, float("nan"), 0.5, 0.6, float("nan")], [0.4, 0.7, float("nan"), 0.5, 0.4, float("nan")]]
TOPS = [[0, 1, 0, 1], [2, 3, 0, 1]]


@pytest.fixture
def points() -> list[objectives_cost.Point]:
    """What two users' lists of two places are by two sets of weights, of four items."""
    table = pa.table({"user_idx": [1, 2], "numbers": NUMBERS, "tops": pa.array(TOPS, pa.list_(pa.int32()))})
    return objectives_cost._told(table, POINTS, Settings(evaluation=Evaluation(k=2, resamples=200)), 4)


def test_the_chosen_weights_stand_beside_engagement_alone(points: list[objectives_cost.Point]) -> None:
    """Exact means of both, coverage of the four items, and the paired difference in NDCG with its interval."""
    rows = objectives_cost.metric_rows({"home": points}, 2, cut=CUT)
    values = {(row["system"], row["metric"]): row["value"] for row in rows}
    assert values == pytest.approx(
        {
            ("chosen_objectives", "ordered_ndcg_2"): 0.3,
            ("chosen_objectives", "ordered_diversity_2"): 0.8,
            ("chosen_objectives", "ordered_coverage_2"): 1.0,
            ("engagement_alone", "ordered_ndcg_2"): 0.5,
            ("engagement_alone", "ordered_diversity_2"): 0.5,
            ("engagement_alone", "ordered_coverage_2"): 0.5,
            ("chosen_objectives_minus_engagement_alone", "ordered_ndcg_2"): -0.2,
        }
    )
    cost = rows[-1]
    assert (cost["low"], cost["high"], cost["n_users"]) == pytest.approx((-0.3, -0.1, 2))


def test_a_night_plots_what_the_weights_change(points: list[objectives_cost.Point]) -> None:
    """The cost in NDCG with its ends, and the gains in what the shop has data for."""
    numbers = objectives_cost.headlines(objectives_cost.metric_rows({"home": points}, 2, cut=CUT))
    assert numbers == pytest.approx(
        {
            "home_objectives_cost_ndcg_2": -0.2,
            "home_objectives_cost_ndcg_2_low": -0.3,
            "home_objectives_cost_ndcg_2_high": -0.1,
            "home_objectives_gain_diversity_2": 0.3,
            "home_objectives_gain_coverage_2": 0.5,
        }
    )


def test_without_users_nothing_is_told() -> None:
    """A window in which nobody counts has no cost, not one of zero."""
    empty = pa.table(
        {
            "user_idx": pa.array([], pa.int32()),
            "numbers": pa.array([], pa.list_(pa.float32())),
            "tops": pa.array([], pa.list_(pa.int32())),
        }
    )
    points = objectives_cost._told(empty, POINTS, Settings(evaluation=Evaluation(k=2, resamples=20)), 4)
    assert objectives_cost.metric_rows({"home": points}, 2, cut=CUT) == []
