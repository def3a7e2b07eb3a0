"""Lists of an earlier date, for the users of a truth."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake, storage
from jobs.evaluation.read_back import lists_of, published


def read(spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date, truth: DataFrame) -> DataFrame | None:
    """`placement`, `user_idx`, `item_idx` of the lists as of a date; None where there are none.

    They are those that were published, else those of the table `top_n_lists`.
    """
    if "last_week" not in settings.evaluation.references:
        return None
    snapshot = published(settings, layout, as_of)
    if snapshot is not None:
        users = truth.select("user_idx").toArrow()["user_idx"].to_numpy()
        return spark.createDataFrame(lists_of(layout, snapshot.reader, users, list(settings.placements)))
    if as_of not in lake.dates(layout, tables.TOP_N_LISTS):
        return None
    rows = storage.read_as_of(spark, layout, tables.TOP_N_LISTS, as_of).select("placement", "user_idx", "item_idx")
    return rows.join(F.broadcast(truth.select("user_idx")), "user_idx", "left_semi")
