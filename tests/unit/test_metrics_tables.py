from __future__ import annotations

import datetime as dt

from jobs.evaluation.metric_tables import as_markdown, as_text, sections
from models.measures import FULL, Plan

PLAN = Plan((("home", True), ("discover", False)), ("als",), 10)


def _row(
    system: str, metric: str, value: float, low: float | None = None, high: float | None = None
) -> dict[str, object]:
    key = {"cut": dt.date(2026, 1, 1), "protocol": FULL, "placement": "home", "system": system, "metric": metric}
    return {**key, "segment": None, "value": value, "low": low, "high": high, "n_users": 7}


ROWS = [
    _row("two_stage", "ndcg_10", 0.5, 0.4, 0.6),
    _row("two_stage", "auc", 0.91, 0.9, 0.92),
    _row("source_als", "ndcg_10", 0.3, 0.2, 0.4),
    _row("two_stage_minus_source_als", "ndcg_10", 0.2, 0.1, 0.3),
]


def test_a_table_names_protocol_cutoff_and_users() -> None:
    """One section: systems measured, their intervals, the paired gain, and a dash where nothing was measured."""
    (section,) = sections(ROWS, PLAN)
    assert section.title == "all items (home): full catalogue, K = 10, 7 users"
    assert section.rows == [
        ("two-stage lists", "0.500 [0.400, 0.600]", "-", "-", "-", "0.910", "-", "-", ""),
        ("source als", "0.300 [0.200, 0.400]", "-", "-", "-", "-", "-", "-", "+0.200 [+0.100, +0.300]"),
    ]


def test_text_columns_are_aligned() -> None:
    """Numbers end in the same column as their header."""
    header, rule, *lines = as_text(sections(ROWS, PLAN)).splitlines()[1:]
    end = header.index("nDCG@10 [95 %]") + len("nDCG@10 [95 %]")
    assert [line[end - 1] for line in lines] == ["]", "]"]
    assert len(rule) == len(header)


def test_the_page_holds_facts_and_tables() -> None:
    """Markdown with a title, the facts as a list, and one table row a system."""
    lines = as_markdown("Backtest", ["K = 10"], sections(ROWS, PLAN)).splitlines()
    assert lines[:3] == ["# Backtest", "", "- K = 10"]
    assert sum(line.startswith(("| two-stage lists |", "| source als |")) for line in lines) == 2


def test_a_source_that_found_nothing_is_left_out() -> None:
    """Its rows stay in the metrics, the tables do without them."""
    nothing = [*ROWS, _row("source_als", "recall_ceiling", 0.0, 0.0, 0.0)]
    assert [[row[0] for row in section.rows] for section in sections(nothing, PLAN)] == [["two-stage lists"]]
    something = [*ROWS, _row("source_als", "recall_ceiling", 0.25, 0.2, 0.3)]
    assert sections(something, PLAN)[1].rows == [("als", "0.250", "-")]
