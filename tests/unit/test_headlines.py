from __future__ import annotations

from typing import Any

from contracts.settings import Settings
from jobs.evaluation.evaluate_holdout import headlines


def _row(protocol: str, system: str, metric: str, value: float, segment: str | None = None) -> dict[str, Any]:
    key = {"protocol": protocol, "placement": "home", "system": system, "metric": metric, "segment": segment}
    return {**key, "value": value, "low": value - 0.1, "high": value + 0.1, "n_users": 9}


def test_numbers_worth_a_plot_name_their_protocol_unless_it_is_the_full_catalogue() -> None:
    """Ours with intervals, references by name, other protocols by theirs; no segments, no differences."""
    rows = [
        _row("full_catalogue", "two_stage", "ndcg_10", 0.5),
        _row("full_catalogue", "two_stage", "ndcg_10", 0.9, "users:new"),
        _row("full_catalogue", "popular", "ndcg_10", 0.25),
        _row("full_catalogue", "popular", "auc", 0.75),
        _row("full_catalogue", "two_stage_minus_popular", "ndcg_10", 0.25),
        _row("positives_99_uniform", "two_stage", "ndcg_5", 0.875),
        _row("positives_99_uniform", "popular", "ndcg_5", 0.5),
        _row("candidate_set", "two_stage", "calibration_error", 0.002),
    ]
    assert headlines(rows, Settings()) == {
        "home_ndcg_10": 0.5,
        "home_ndcg_10_low": 0.4,
        "home_ndcg_10_high": 0.6,
        "home_popular_ndcg_10": 0.25,
        "home_positives_99_uniform_ndcg_5": 0.875,
        "home_candidate_set_calibration_error": 0.002,
    }
