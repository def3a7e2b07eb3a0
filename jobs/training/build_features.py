"""User and item features as of a date."""

from __future__ import annotations

import datetime as dt
import time

import pyarrow as pa
from pyspark.sql import SparkSession

from contracts import tables
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features.items import item_features
from features.users import user_features
from jobs import lake, storage
from jobs.catalogue import catalogue_as_of, item_texts
from jobs.erasing.register import register_of
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
    sha256 = _save_arrays(layout, as_of)
    return JobReport(
        job="build_features",
        as_of=as_of,
        rows={"user_features_written": n_users, "item_features_written": n_items},
        details={"item_arrays_sha256": sha256},
        seconds=time.perf_counter() - started,
    )


def _save_arrays(layout: Layout, as_of: dt.date) -> str:
    columns = ("item_idx", *item_arrays.NUMBERS, "is_recommendable")
    written = pa.Table.from_batches(list(lake.batches(layout, tables.ITEM_FEATURES, as_of, columns)))
    rows = written.sort_by("item_idx")
    texts = item_texts(layout, as_of, item_arrays.CODES)
    for name in item_arrays.CODES:
        rows = rows.append_column(name, texts[name])
    n_erased = len(register_of(layout).entries())  # who is erased later is in these counts, and in no day row
    about = {"as_of": as_of.isoformat(), **({"n_erased": n_erased} if n_erased else {})}
    return item_arrays.save(layout.artifact("item_arrays", as_of), rows, about=about)
