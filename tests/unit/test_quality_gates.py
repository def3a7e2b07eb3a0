from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest

from contracts.settings import Fairness, Settings, Suspicion, Thresholds
from jobs.evaluation import fairness, thresholds
from jobs.evaluation.fairness import fairness_gates, gap_rows
from jobs.evaluation.gates import Gate
from jobs.evaluation.metric_tables import as_text
from jobs.evaluation.suspicion_gates import suspicion_gates
from jobs.evaluation.thresholds import threshold_gates, threshold_rows

CUT = dt.date(2026, 2, 2)
NDCG, AUC = "success_ndcg_5_positives_99_uniform", "success_auc_full_catalogue"


def _settings(**gates: Any) -> Settings:
    settings = Settings()
    chosen = {"thresholds": Thresholds(placements=("home",))} | gates
    return type(settings)(gates=type(settings.gates)(**chosen))


def _metric(
    protocol: str, metric: str, value: float, system: str = "two_stage", placement: str = "home"
) -> dict[str, Any]:
    key = {"cut": CUT, "protocol": protocol, "placement": placement, "system": system, "metric": metric}
    return {**key, "segment": None, "value": value, "low": value - 0.01, "high": value + 0.01, "n_users": 50}


ROWS = [
    _metric("full_catalogue", "ndcg_5", 0.41),
    _metric("full_catalogue", "ndcg_10", 0.4),
    _metric("full_catalogue", "auc", 0.91),
    _metric("positives_99_uniform", "ndcg_5", 0.88),
    _metric("full_catalogue", "ndcg_10", 0.25, "personal_then_popular"),
    {**_metric("full_catalogue", "auc_pooled", 0.92), "low": None, "high": None},
]


def _levels(gates: list[Gate]) -> dict[str, str]:
    return {gate.name: gate.level for gate in gates}


def test_thresholds_are_told_under_every_protocol_and_gated_under_one() -> None:
    """NDCG@5 misses over the full catalogue and reaches with sampled negatives, where it is gated."""
    found = {(r["protocol"], r["metric"]): (r["is_reached"], r["is_gated"]) for r in threshold_rows(ROWS, _settings())}
    assert found == {
        ("full_catalogue", "ndcg_5"): (False, False),
        ("full_catalogue", "auc"): (False, True),
        ("full_catalogue", "auc_pooled"): (True, False),
        ("positives_99_uniform", "ndcg_5"): (True, True),
    }


def test_no_number_is_shown_without_its_protocol() -> None:
    """The table of a report, as it is printed."""
    shown = as_text([thresholds.section(threshold_rows(ROWS, _settings()))])
    assert shown.splitlines()[1:] == [
        "placement: protocol                        nDCG@5  AUC, mean per user      AUC, pooled",
        "--------------------------------  ---------------  ------------------  ---------------",
        "home: full catalogue               0.410 missed        0.910 missed *  0.920 reached",
        "home: all positives + 99 uniform  0.880 reached *                   -                -",
    ]


def test_a_missed_threshold_is_yellow_unless_settings_make_it_red() -> None:
    """The gate names its protocol; one that was not measured is missed."""
    told = threshold_rows(ROWS, _settings())
    gates = threshold_gates(told, _settings())
    assert _levels(gates) == {NDCG: "green", AUC: "yellow"}
    assert str(gates[1]) == (
        "success_auc_full_catalogue of home is 0.91, warned of beyond 0.92 (protocol: full catalogue)"
    )
    red = _settings(thresholds=Thresholds(placements=("home",), is_red=True))
    assert _levels(threshold_gates(told, red)) == {NDCG: "green", AUC: "red"}
    assert _levels(threshold_gates([], _settings())) == {NDCG: "yellow", AUC: "yellow"}


def test_another_protocol_is_gated_where_the_settings_name_it() -> None:
    """NDCG@5 over the full catalogue misses."""
    other = _settings(thresholds=Thresholds(placements=("home",), ndcg_protocol="full_catalogue"))
    levels = _levels(threshold_gates(threshold_rows(ROWS, other), other))
    assert levels == {"success_ndcg_5_full_catalogue": "yellow", AUC: "yellow"}


@pytest.mark.parametrize(
    ("limits", "red"),
    [
        ({}, []),
        ({"max_auc": 0.9}, ["too_good_auc"]),
        ({"max_ndcg": 0.39}, ["too_good_ndcg_10"]),
        ({"max_gain": 1.5}, ["too_good_gain"]),
    ],
)
def test_what_is_too_good_is_red(limits: dict[str, float], red: list[str]) -> None:
    """AUC 0.91, NDCG 0.4, and 1.6 times the reference, each against its limit."""
    gates = suspicion_gates(ROWS, _settings(suspicion=Suspicion(**limits)))
    assert [gate.name for gate in gates if gate.level == "red"] == red
    assert {gate.name: gate.value for gate in gates}["too_good_gain"] == pytest.approx(1.6)


def _gap(kind: str, value: float | None, verdict: str, metric: str = "auc") -> dict[str, Any]:
    ends = {"low": None, "high": None} if value is None else {"low": value - 0.01, "high": value + 0.01}
    named = {"cut": CUT, "placement": "home", "metric": metric, "kind": kind, "group": "a", "other": "b"}
    return {**named, "value": value, **ends, "n": 150, "verdict": verdict}


GAPS = [_gap("age", None, "not enough data"), _gap("segment", 0.025, "yellow"), _gap("age", 0.01, "green", "ndcg_10")]


def test_the_worst_gap_of_a_placement_and_metric_is_judged() -> None:
    """A kind without enough data hides none that has; its note says who, how much and of how many."""
    gates = fairness_gates(GAPS, _settings())
    assert _levels(gates) == {"fairness_ndcg_10": "green", "fairness_auc": "yellow"}
    assert str(gates[1]) == (
        "fairness_auc of home is 0.025, warned of beyond 0.02 (segment a over b, 0.0150 to 0.0350 of it with 95 %, "
        "150 users in the smaller; full catalogue)"
    )


def test_red_holds_only_where_it_may() -> None:
    """A column that the settings name holds, unless `holds` is off; the segment warns, unless `segment_holds` is on."""
    age, segment = [_gap("age", 0.2, "red")], [_gap("segment", 0.4, "red")]
    assert _levels(fairness_gates(age, _settings())) == {"fairness_auc": "red"}
    assert _levels(fairness_gates(age, _settings(fairness=Fairness(holds=False)))) == {"fairness_auc": "yellow"}
    assert _levels(fairness_gates(segment, _settings())) == {"fairness_auc": "yellow"}
    assert _levels(fairness_gates(segment, _settings(fairness=Fairness(segment_holds=True)))) == {"fairness_auc": "red"}
    (gate,) = fairness_gates([*segment, *age], _settings())
    assert (gate.level, gate.value) == ("red", 0.2)


def test_too_few_users_are_no_verdict() -> None:
    """Green, not measured, and said."""
    (gate,) = fairness_gates(GAPS[:1], _settings())
    assert (gate.level, gate.value) == ("green", None)
    assert gate.note == "not enough data: no two groups of age have 100 users"


def test_gaps_are_shown_with_their_groups() -> None:
    """One line a gap; a group's own row is not among them."""
    shown = fairness.section([*GAPS, {**GAPS[1], "other": None, "verdict": None}])
    assert [row[0] for row in shown.rows] == ["home: age", "home: segment", "home: age"]
    assert shown.rows[1] == ("home: segment", "auc", "a over b", "0.025 [0.015, 0.035]", "150", "yellow")


def test_who_is_not_known_is_told_and_not_compared() -> None:
    """Two groups at 0.5 and the rest at 0.1, whom the shop knows nothing of: no gap, three rows, the gap's last."""
    values = np.array([0.5] * 6 + [0.1] * 3)
    masks = {name: np.arange(9) // 3 == n for n, name in enumerate(("young", "old", "unknown"))}
    settings = _settings(fairness=Fairness(min_users=3))
    rows = [*gap_rows(values, masks, settings, {"kind": "age"})]
    assert [(row["group"], row["other"], row["n"], row["verdict"]) for row in rows] == [
        ("unknown", None, 3, None), ("young", None, 3, None), ("old", None, 3, None), ("young", "young", 3, "green"),
    ]  # fmt: skip
    assert rows[0]["value"] == pytest.approx(0.1)
