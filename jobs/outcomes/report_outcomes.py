"""What came of the lists: rates, other policies' estimates and the preference of interleaved teams."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Sequence
from typing import Any, Final

import pyarrow.compute as pc

from contracts import tables
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.durable import replace_bytes
from jobs import lake
from jobs.outcomes import other_policies, rates, shown_slots
from jobs.outcomes.rates import ALL, Row
from jobs.paths import layout_of

NIGHTLY_DAYS: Final = 28
NO_FEED: Final = "no feed"


def run(
    settings: Settings,
    *,
    as_of: dt.date,
    first: dt.date | None = None,
    snapshots: Sequence[str] = (),
    is_kept: bool = True,
) -> JobReport:
    """The outcomes of the landing days `first` to `as_of` (28 days by default), measured; without any, "no feed".

    Args:
        settings: limits of estimates, and how many users are read.
        as_of: last landing day.
        first: first landing day.
        snapshots: whose lists are other policies, beside "no exploration" and the popular list.
        is_kept: whether the rows go into the table `outcome_rates` and the file `outcomes-<as_of>.json` of the reports.

    Raises:
        InputMissing: the slot log has no such snapshot.
    """
    started = time.perf_counter()
    layout, first = layout_of(settings), first or as_of - dt.timedelta(days=NIGHTLY_DAYS - 1)
    told = shown_slots.read(layout, first=first, last=as_of, max_users=settings.outcomes.max_users)
    shown = told.filter(pc.greater(told["n_impressions"], 0))
    rows = [*rates.rows_of(shown), *other_policies.rows_of(shown, layout, settings.outcomes, snapshots)]
    rows = [{"first_day": first, **row} for row in rows]
    details: dict[str, Any] = {"first_day": first.isoformat(), "last_day": as_of.isoformat(), "rows": rows}
    if not told.num_rows:
        details["feed"] = NO_FEED
    if is_kept and rows:
        details["file"] = _keep(layout, rows, as_of)
    return JobReport(
        job="report_outcomes",
        as_of=as_of,
        rows={"shown_slots": shown.num_rows, "never_shown": told.num_rows - shown.num_rows, "rates": len(rows)},
        numbers=_headlines(rows),
        details=details,
        seconds=time.perf_counter() - started,
    )


def _keep(layout: Layout, rows: list[Row], as_of: dt.date) -> str:
    lake.replace_as_of(layout, tables.OUTCOME_RATES, rows, as_of)
    path = layout.report(f"outcomes-{as_of.isoformat()}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(path, json.dumps(rows, default=str, indent=1).encode() + b"\n")
    return str(path)


def _headlines(rows: list[Row]) -> dict[str, float]:
    """Numbers worth a plot: `home_ctr`, `home_explored_ctr`, `home_no_exploration_ctr_doubly_robust`, ..."""
    found = {}
    for row in rows:
        if row["value"] is None or row["position"] or row["channel"] not in {ALL, "interleaved"}:
            continue
        parts = [row["placement"], *([] if row["source"] == ALL else [row["source"]]), row["metric"]]
        found["_".join(parts)] = float(row["value"])
    return found
