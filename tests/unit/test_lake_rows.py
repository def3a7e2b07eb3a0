from __future__ import annotations

import datetime as dt
from pathlib import Path

from contracts import tables
from contracts.layout import Layout
from jobs import lake

FIRST, SECOND = dt.date(2026, 3, 1), dt.date(2026, 3, 2)
BIN = {
    "cut": FIRST, "placement": "home", "n_pairs": 9, "n_users": 3, "mean_score": 0.5, "uncalibrated": 0.6,
    "predicted": 0.1, "observed": 0.2,
}  # fmt: skip


def test_rows_are_counted_by_date(tmp_path: Path) -> None:
    """Two of one date, three of the next, none of a date that was never written."""
    layout = Layout(tmp_path)
    for as_of, n in ((FIRST, 2), (SECOND, 3)):
        lake.replace_as_of(layout, tables.RELIABILITY, [{**BIN, "bin": at} for at in range(n)], as_of)
    days = (FIRST, SECOND, SECOND + dt.timedelta(days=1))
    assert [lake.n_rows(layout, tables.RELIABILITY, day) for day in days] == [2, 3, 0]
