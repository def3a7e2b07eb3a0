"""The outcomes feed joined with the slot log: accepted, quarantined and duplicate rows, none lost."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import AccountingError, InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features import outcomes as rules
from jobs import lake, storage
from jobs.ingest import landing
from jobs.ingest.erased import without_erased
from jobs.ingest.landed import landed_days
from jobs.paths import layout_of

FEED: Final = "outcomes"


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date, first: dt.date | None = None) -> JobReport:
    """The landing days `first` to `as_of` (one day by default) in the table `outcomes`; a second run changes nothing.

    A shop without the feed, or a day that did not land, is no error: the report says "no feed".

    Raises:
        InputInvalid: a column is missing or unknown, a file is corrupt, or too many rows are bad.
        AccountingError: rows read, without those of erased users, differ from accepted + quarantined + duplicates.
    """
    started = time.perf_counter()
    layout, first = layout_of(settings), first or as_of
    folder = layout.landing(FEED)
    days = [day for day in landed_days(folder) if first <= day <= as_of] if folder.is_dir() else []
    if not days:
        return JobReport(job="ingest_outcomes", as_of=as_of, details={"feed": "no feed"},
                         rows={"accepted": 0}, seconds=time.perf_counter() - started)  # fmt: skip
    raw, n_read = landing.read_feed(
        spark, folder, rules.COLUMNS, rules.REQUIRED, first=first, last=as_of, is_strict=True
    )
    kept = without_erased(raw, layout)
    n_kept = n_read if kept is None else kept.count()
    classified = rules.classify(raw if kept is None else kept, settings.ingest.max_id_bytes)
    marked = rules.mark_duplicates(classified, _known(spark, settings, first, as_of)).persist()
    try:
        counts = _counted(marked)
        _refuse_bad_input(counts, n_kept, settings, f"{folder} from {first} to {as_of}")
        written = _write(spark, settings, marked, days)
    finally:
        marked.unpersist()
    _account(n_kept, written, counts["duplicates"], layout)
    reasons = {f"quarantined_{name}": float(counts[name]) for name in rules.REASONS if name in counts}
    return JobReport(
        job="ingest_outcomes",
        as_of=as_of,
        rows={"read": n_kept, **written, "duplicates": counts["duplicates"]},
        numbers=reasons,
        details={"feed": f"{len(days)} days, {days[0]} to {days[-1]}"},
        seconds=time.perf_counter() - started,
    )


def _account(n_read: int, written: dict[str, int], duplicates: int, layout: Layout) -> None:
    if n_read != written["accepted"] + written["quarantined"] + duplicates:
        raise AccountingError(
            f"{n_read} outcomes were read, but {written} were written and {duplicates} were duplicates.",
            where=str(layout.table(tables.OUTCOMES)),
            todo="Run the step again; if it repeats, compare the landing files with the table.",
        )


def _known(spark: SparkSession, settings: Settings, first: dt.date, last: dt.date) -> DataFrame:
    layout = layout_of(settings)
    if not lake.exists(layout, tables.OUTCOMES):
        return storage.empty(spark, tables.OUTCOMES)
    near = dt.timedelta(days=settings.outcomes.again_days)
    rows = storage.read(spark, layout, tables.OUTCOMES, first=first - near, last=last + near)
    return rows.where(~F.col("landing_date").between(F.lit(first), F.lit(last)))


def _slots(spark: SparkSession, settings: Settings, first: dt.date, last: dt.date) -> DataFrame:
    layout, before = layout_of(settings), dt.timedelta(days=settings.outcomes.log_days)
    if not lake.exists(layout, tables.SLOTS):
        return storage.empty(spark, tables.SLOTS)
    return storage.read(spark, layout, tables.SLOTS, first=first - before, last=last)


def _counted(marked: DataFrame) -> dict[str, int]:
    counts = {"accepted": 0, "quarantined": 0, "duplicates": 0}
    for row in marked.groupBy("reason", "is_duplicate").agg(F.count("*").alias("n")).collect():
        if row["reason"] is not None:
            counts["quarantined"] += row["n"]
            counts[row["reason"]] = row["n"]
        else:
            counts["duplicates" if row["is_duplicate"] else "accepted"] += row["n"]
    return counts


def _refuse_bad_input(counts: dict[str, int], n_read: int, settings: Settings, where: str) -> None:
    limit = settings.ingest.max_quarantined_share
    share = counts["quarantined"] / n_read if n_read else 0.0
    if share > limit:
        worst = max(rules.REASONS, key=lambda reason: counts.get(reason, 0))
        raise InputInvalid(
            f"{share:.1%} of {n_read} outcomes are bad, most by {worst}; the limit is {limit:.1%}.",
            where=where,
            todo="Mend what writes the feed, or raise ingest.max_quarantined_share.",
        )


def _write(spark: SparkSession, settings: Settings, marked: DataFrame, days: list[dt.date]) -> dict[str, int]:
    accepted = marked.where(F.col("reason").isNull() & ~F.col("is_duplicate"))
    joined = rules.with_slots(accepted, _slots(spark, settings, days[0], days[-1]))
    rejected, layout = marked.where(F.col("reason").isNotNull()), layout_of(settings)
    given = {"first": days[0], "last": days[-1]}
    return {
        "accepted": storage.replace(layout, tables.OUTCOMES, joined, **given, days=days),
        "quarantined": storage.replace(layout, tables.OUTCOME_QUARANTINE, rejected, **given, days=days),
    }
