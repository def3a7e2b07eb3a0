"""One day's pairs beside the running base."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features.interactions import aggregate_days
from jobs import lake, storage
from jobs.kernels.histories import fold_days, rebuild_days
from jobs.paths import layout_of

MAX_FOLD_DAYS: Final = 7


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date, first: dt.date | None = None) -> JobReport:
    """Day aggregates of everything that landed from `first` to `as_of`, and the base as of `as_of`.

    Late events rewrite the day they happened on. The base is folded from one at most MAX_FOLD_DAYS older when no
    older day changed since, else rebuilt from the day aggregates; both give the same rows.

    Raises:
        InputMissing: no event happened by `as_of`.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    days, written = aggregate_landed(spark, settings, layout, first or as_of, as_of)
    base_day, n_users = build_histories(spark, layout, as_of=as_of)
    return JobReport(
        job="update_interactions",
        as_of=as_of,
        rows={"interactions_written": written, "histories_written": n_users, "days_rewritten": len(days)},
        details={"folded_from": base_day.isoformat() if base_day else "rebuilt"},
        seconds=time.perf_counter() - started,
    )


def build_histories(spark: SparkSession, layout: Layout, *, as_of: dt.date) -> tuple[dt.date | None, int]:
    """Writes `histories` as of `as_of`; returns the base date it was folded from (None: rebuilt) and its users."""
    known = storage.read(spark, layout, tables.INTERACTIONS, last=as_of)
    base_day = _usable_base(layout, known, as_of)
    if base_day is None:
        written = rebuild_histories(spark, layout, [as_of])
    else:
        base = storage.read_as_of(spark, layout, tables.HISTORIES, base_day)
        news = known.where(F.col("day") > F.lit(base_day))
        rows = fold_days(base, news, base_day=base_day, as_of=as_of)
        written = storage.replace_as_of(layout, tables.HISTORIES, rows, as_of)
    if written == 0:
        raise InputMissing(
            f"No event happened by {as_of}.",
            where=str(layout.table(tables.INTERACTIONS)),
            todo="Ingest its days first.",
        )
    return base_day, written


def rebuild_histories(spark: SparkSession, layout: Layout, dates: Sequence[dt.date]) -> int:
    """Writes `histories` as of each of the dates, all in one pass over the day aggregates; returns rows written."""
    known = storage.read(spark, layout, tables.INTERACTIONS, last=max(dates))
    rows = rebuild_days(known, dates)
    return storage.replace(layout, tables.HISTORIES, rows, first=min(dates), last=max(dates), days=sorted(dates))


def aggregate_landed(
    spark: SparkSession, settings: Settings, layout: Layout, first: dt.date, last: dt.date
) -> tuple[list[dt.date], int]:
    """Day aggregates of every day that has an event landed from `first` to `last`; returns those days and rows written.

    No base is made: the histories of any date stay as they are.
    """
    landed = storage.read(spark, layout, tables.EVENTS, first=first, last=last)
    days = sorted(row[0] for row in landed.select("event_date").distinct().collect())
    if not days:
        return [], 0
    events = storage.read(spark, layout, tables.EVENTS, first=days[0])  # no event lands before it happened
    touched = events.where(F.col("event_date").isin(days)) if len(days) < MAX_FOLD_DAYS else _range(events, days)
    rows = aggregate_days(
        touched,
        storage.read(spark, layout, tables.USER_VOCABULARY),
        storage.read(spark, layout, tables.ITEM_VOCABULARY),
        settings.shop.event_types,
    )
    only = days if len(days) < MAX_FOLD_DAYS else ()
    return days, storage.replace(layout, tables.INTERACTIONS, rows, first=days[0], last=days[-1], days=only)


def _range(events: DataFrame, days: list[dt.date]) -> DataFrame:
    return events.where(F.col("event_date").between(F.lit(days[0]), F.lit(days[-1])))


def _usable_base(layout: Layout, known: DataFrame, as_of: dt.date) -> dt.date | None:
    earliest = as_of - dt.timedelta(days=MAX_FOLD_DAYS)
    days = [day for day in lake.dates(layout, tables.HISTORIES) if earliest <= day < as_of]
    if not days:
        return None
    late = known.where((F.col("day") <= F.lit(days[-1])) & (F.col("landed_on") > F.lit(days[-1])))
    return days[-1] if late.isEmpty() else None
