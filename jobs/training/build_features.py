"""User and item features as of a date."""

from __future__ import annotations

import datetime as dt
import time

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features.items import item_features
from features.users import user_features
from jobs import lake, storage
from jobs.ingest.flag_users import without_flagged
from jobs.kernels.item_sums import pair_sums
from jobs.paths import layout_of
from models import item_arrays


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The tables `user_features` and `item_features` as of a date, and the item arrays that kernels map.

    Flagged users have features and make no item popular.

    Raises:
        InputMissing: histories, catalogue or traffic of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    histories = storage.read_as_of(spark, layout, tables.HISTORIES, as_of)
    items, users = catalogue_as_of(spark, layout, as_of)
    day_rows = storage.read(spark, layout, tables.INTERACTIONS, last=as_of)
    counted = without_flagged(spark, layout, histories, as_of)
    sold = without_flagged(spark, layout, day_rows, as_of)
    user_rows = user_features(histories, users, as_of=as_of)
    n_users = storage.replace_as_of(layout, tables.USER_FEATURES, user_rows, as_of)
    item_rows = item_features(pair_sums(counted, as_of=as_of), sold, items, as_of=as_of)
    n_items = storage.replace_as_of(layout, tables.ITEM_FEATURES, item_rows, as_of)
    written = storage.read_as_of(spark, layout, tables.ITEM_FEATURES, as_of)
    named = written.join(items.select("item_idx", "title", *item_arrays.CODES), "item_idx")
    sha256 = item_arrays.save(
        layout.artifact("item_arrays", as_of), named.toArrow(), about={"as_of": as_of.isoformat()}
    )
    return JobReport(
        job="build_features",
        as_of=as_of,
        rows={"user_features_written": n_users, "item_features_written": n_items},
        details={"item_arrays_sha256": sha256},
        seconds=time.perf_counter() - started,
    )


def catalogue_as_of(spark: SparkSession, layout: Layout, as_of: dt.date) -> tuple[DataFrame, DataFrame]:
    """Items and users of the vocabularies as of a date, from the newest catalogue no later than it.

    A past window older than the first catalogue takes the oldest one: its attributes, but not its availability, which
    was not known then. Ids first seen after `as_of` are left out.

    Raises:
        InputMissing: no catalogue was ingested.
    """
    days = lake.dates(layout, tables.ITEMS)
    earlier = [day for day in days if day <= as_of]
    day = earlier[-1] if earlier else min(days, default=as_of)
    items = storage.read_as_of(spark, layout, tables.ITEMS, day)
    if not earlier:
        items = items.withColumn("is_available", F.lit(True))
    users = storage.read_as_of(spark, layout, tables.USERS, day)
    return items.join(_ids(spark, layout, tables.ITEM_VOCABULARY, as_of), "item_idx", "right"), users.join(
        _ids(spark, layout, tables.USER_VOCABULARY, as_of), "user_idx", "right"
    )


def _ids(spark: SparkSession, layout: Layout, table: tables.Table, as_of: dt.date) -> DataFrame:
    """Indices 0..n-1, n one past the highest whose id was seen by `as_of`."""
    vocabulary = storage.read(spark, layout, table)
    column = table.column_names[0]
    last = vocabulary.where(F.col("first_day") <= F.lit(as_of)).agg(F.max(column)).first()
    n = 0 if last is None or last[0] is None else last[0] + 1
    return vocabulary.select(column).where(F.col(column) < n)
