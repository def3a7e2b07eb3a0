"""The days of a past window."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import storage
from jobs.ingest import ingest_events, update_interactions


def ingest_window(spark: SparkSession, settings: Settings, layout: Layout, first: dt.date, last: dt.date) -> int:
    """Ingests what landed from `first` to `last` where some day of it is not in the lake; returns the days added."""
    landed = {day for day in storage.dates_between(first, last) if layout.landing_day("events", day).is_dir()}
    events = storage.read(spark, layout, tables.EVENTS)
    inside = F.col("landing_date").between(F.lit(first), F.lit(last))
    missing = sorted(landed - {row[0] for row in events.where(inside).select("landing_date").distinct().collect()})
    if missing:
        ingest_events.run(spark, settings, as_of=missing[-1], first=missing[0])
        update_interactions.aggregate_landed(spark, settings, layout, missing[0], missing[-1])
    return len(missing)


def last_day(spark: SparkSession, layout: Layout, first: dt.date, last: dt.date) -> dt.date:
    """The last day of the window that has an interaction."""
    rows = storage.read(spark, layout, tables.INTERACTIONS).where(F.col("day").between(F.lit(first), F.lit(last)))
    found = rows.agg(F.max("day")).first()
    if found is None or found[0] is None:
        raise nothing_followed(layout, first, last)
    day: dt.date = found[0]
    return day


def nothing_followed(layout: Layout, first: dt.date, last: dt.date) -> InputMissing:
    """The error for a window without a purchase."""
    return InputMissing(
        f"No known user bought anything from {first} to {last}.",
        where=str(layout.landing("events")),
        todo="Land the days from the cut on, or choose an earlier --cut.",
    )
