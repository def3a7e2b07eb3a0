"""The lists published a window ago, scored by what truly followed."""

from __future__ import annotations

import datetime as dt
import time

from pyspark.sql import SparkSession

from contracts import tables
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import lake
from jobs.evaluation import metric_tables, read_back
from jobs.evaluation.backtest import DAY, window_of, write
from jobs.evaluation.evaluate_holdout import headlines
from jobs.paths import layout_of


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `backtests` as of a date: the lists of `evaluation.days` ago, read back from their snapshot.

    Where none was published then, or what it was made of is not kept, nothing is written, and `details` says so.

    Raises:
        InputMissing: nobody bought anything since.
        SnapshotCorrupt: a record of the snapshot is damaged.
    """
    started = time.perf_counter()
    layout, known = layout_of(settings), as_of - dt.timedelta(days=settings.evaluation.days)
    lists = read_back.published(settings, layout, known)
    kept = all(known in lake.dates(layout, table) for table in (tables.HISTORIES, tables.CANDIDATES, tables.RANKED))
    if lists is None or not kept:
        lacking = "no snapshot of it was published" if lists is None else "its candidates are not kept"
        return JobReport(
            job="backtest_published",
            as_of=as_of,
            details={"note": f"lists as of {known} are not measured: {lacking}"},
            seconds=time.perf_counter() - started,
        )
    window = window_of(spark, settings, layout, lists, cut=known + DAY)
    written = write(layout, window, [], n_cuts=1)
    sections = metric_tables.sections(window.rows, window.measured.plan)
    return JobReport(
        job="backtest_published",
        as_of=as_of,
        rows={"metrics_written": written, "users_measured": window.measured.n_users},
        numbers=headlines(window.rows, settings),
        details={
            "lists": window.lists,
            "references_left_out": window.measured.left_out,
            "table": metric_tables.as_text(sections),
        },
        seconds=time.perf_counter() - started,
    )
