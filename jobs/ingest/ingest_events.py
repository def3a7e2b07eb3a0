"""Landing events into accepted events, quarantined rows and duplicates, none lost."""

from __future__ import annotations

import datetime as dt
import time

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import AccountingError, InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features import events as rules
from features import vocabularies
from jobs import lake, storage
from jobs.ingest import landing
from jobs.ingest.erased import without_erased
from jobs.paths import layout_of


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date, first: dt.date | None = None) -> JobReport:
    """The landing days `first` to `as_of` (one day by default) in the lake; a second run changes nothing.

    Raises:
        InputMissing: no landing folder in the range.
        InputInvalid: a column is missing, a file is corrupt, a day is empty, or too many rows are bad.
        AccountingError: rows read, without those of erased users, differ from accepted + quarantined + duplicates.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    first = first or as_of
    raw, n_read = landing.read_events(spark, layout, first=first, last=as_of)
    raw, n_erased = _without_erased(raw, n_read, layout)
    classified = rules.classify(raw, settings.shop, settings.ingest).persist(StorageLevel.MEMORY_AND_DISK)
    suspected = rules.suspects(classified).persist()
    alike = rules.twins(classified, suspected).persist()
    try:
        found = (suspected, alike) if suspected.count() else None
        marked = rules.mark_duplicates(classified, found, _known_keys(spark, layout, first, as_of))
        counts = _count(marked)
        _refuse_bad_input(counts, n_read, settings, layout, first, as_of)
        written = _write(layout, classified, marked, first, as_of)
        _account(n_read - n_erased, counts, written, layout)
    finally:
        alike.unpersist()
        suspected.unpersist()
        classified.unpersist()
    extended = extend_vocabularies(spark, layout)
    rows = {"read": n_read, **written, "duplicates": counts["duplicates"], "late": counts["late"]}
    rows |= {"erased": n_erased} if n_erased else {}
    reasons = {f"quarantined_{name}": n for name, n in sorted(counts.items()) if name in rules.REASONS}
    return JobReport(
        job="ingest_events",
        as_of=as_of,
        rows={**rows, **extended},
        numbers={name: float(n) for name, n in reasons.items()},
        details={"first_day": first.isoformat(), "last_day": as_of.isoformat()},
        seconds=time.perf_counter() - started,
    )


def _without_erased(raw: DataFrame, n_read: int, layout: Layout) -> tuple[DataFrame, int]:
    """The rows of users who were not erased, and how many the others were."""
    kept = without_erased(raw, layout)
    return (raw, 0) if kept is None else (kept, n_read - kept.count())


def extend_vocabularies(spark: SparkSession, layout: Layout) -> dict[str, int]:
    """Appends ids never seen before to both vocabularies, ordered by first day, then id. Returns ids added."""
    added = {}
    events = storage.read(spark, layout, tables.EVENTS)
    for table, kind in ((tables.USER_VOCABULARY, "user"), (tables.ITEM_VOCABULARY, "item")):
        seen = events.groupBy(f"{kind}_id").agg(F.min("event_date").alias("first_day"))
        known = storage.read_or_empty(spark, layout, table)
        fresh = vocabularies.extend(known, seen, kind).persist()
        added[f"new_{kind}s"] = storage.append(layout, table, fresh) if not fresh.isEmpty() else 0
        fresh.unpersist()
    return added


def _known_keys(spark: SparkSession, layout: Layout, first: dt.date, last: dt.date) -> DataFrame | None:
    if not lake.exists(layout, tables.EVENTS):
        return None
    outside = ~F.col("landing_date").between(F.lit(first), F.lit(last))
    return storage.read(spark, layout, tables.EVENTS).where(outside).select("event_key", "event_date")


def _count(marked: DataFrame) -> dict[str, int]:
    grouped = marked.groupBy("reason", "is_duplicate").agg(
        F.count("*").alias("n"), F.sum(F.col("is_late").cast("int")).alias("late")
    )
    counts = {"accepted": 0, "quarantined": 0, "duplicates": 0, "late": 0}
    for row in grouped.collect():
        if row["reason"] is not None:
            counts["quarantined"] += row["n"]
            counts[row["reason"]] = row["n"]
        elif row["is_duplicate"]:
            counts["duplicates"] += row["n"]
        else:
            counts["accepted"] += row["n"]
            counts["late"] += row["late"] or 0
    return counts


def _refuse_bad_input(
    counts: dict[str, int], n_read: int, settings: Settings, layout: Layout, first: dt.date, last: dt.date
) -> None:
    where = f"{layout.landing('events')} from {first} to {last}"
    if n_read == 0:
        raise InputInvalid("The landing folder holds no event.", where=where, todo="Check the export that fills it.")
    share = counts["quarantined"] / n_read
    if share > settings.ingest.max_quarantined_share:
        worst = max(rules.REASONS, key=lambda reason: counts.get(reason, 0))
        raise InputInvalid(
            f"{share:.1%} of {n_read} rows are bad, most by {worst}; the limit is "
            f"{settings.ingest.max_quarantined_share:.1%}.",
            where=where,
            todo="Mend the export or the shop's settings; or raise ingest.max_quarantined_share.",
        )


def _write(layout: Layout, classified: DataFrame, marked: DataFrame, first: dt.date, last: dt.date) -> dict[str, int]:
    accepted = marked.where(F.col("reason").isNull() & ~F.col("is_duplicate"))
    rejected = classified.where(F.col("reason").isNotNull())
    return {
        "accepted": storage.replace(layout, tables.EVENTS, accepted, first=first, last=last),
        "quarantined": storage.replace(layout, tables.QUARANTINE, rejected, first=first, last=last),
    }


def _account(n_read: int, counts: dict[str, int], written: dict[str, int], layout: Layout) -> None:
    total = written["accepted"] + written["quarantined"] + counts["duplicates"]
    if n_read != total:
        raise AccountingError(
            f"{n_read} rows were read but {written['accepted']} accepted + {written['quarantined']} quarantined + "
            f"{counts['duplicates']} duplicates were written.",
            where=str(layout.table(tables.EVENTS)),
            todo="Run the ingest again; if it repeats, compare the landing files with the table's history.",
        )
