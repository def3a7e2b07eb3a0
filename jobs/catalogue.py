"""The shop's items and users as they were known on a date."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.dataset as pads
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.layout import Layout
from jobs import lake, storage
from jobs.parquet_rows import dataset


def catalogue_as_of(spark: SparkSession, layout: Layout, as_of: dt.date) -> tuple[DataFrame, DataFrame]:
    """Items and users of the vocabularies as of a date, from the newest catalogue no later than it.

    A past window older than the first catalogue takes the oldest one: its attributes, but not its availability, which
    was not known then. Ids first seen after `as_of` are left out.

    Raises:
        InputMissing: no catalogue was ingested.
    """
    day, is_older = _catalogue_day(layout, as_of)
    items = storage.read_as_of(spark, layout, tables.ITEMS, day)
    if not is_older:
        items = items.withColumn("is_available", F.lit(True))
    users = storage.read_as_of(spark, layout, tables.USERS, day)
    return items.join(_ids(spark, layout, tables.ITEM_VOCABULARY, as_of), "item_idx", "right"), users.join(
        _ids(spark, layout, tables.USER_VOCABULARY, as_of), "user_idx", "right"
    )


def item_texts(layout: Layout, as_of: dt.date, columns: tuple[str, ...]) -> pa.Table:
    """Texts of the items that `catalogue_as_of` has, row i of item i, null where the catalogue has none; without Spark.

    Args:
        layout: of the root.
        as_of: the date.
        columns: of the table `items`, texts.

    Raises:
        InputMissing: no catalogue was ingested.
    """
    day, _ = _catalogue_day(layout, as_of)
    rows = pa.Table.from_batches(list(lake.batches(layout, tables.ITEMS, day, ("item_idx", *columns)))).combine_chunks()
    items = rows["item_idx"].to_numpy()
    n_items = n_known(layout, tables.ITEM_VOCABULARY, as_of)
    at = np.full(n_items, -1, dtype=np.int64)
    inside = items < n_items
    at[items[inside]] = np.flatnonzero(inside)
    return rows.select(list(columns)).take(pa.array(at, mask=at < 0))


def n_known(layout: Layout, vocabulary: tables.Table, as_of: dt.date) -> int:
    """Indices of the vocabulary as of a date: one past the highest whose id was seen by then."""
    column = vocabulary.column_names[0]
    blocks = _seen(layout, vocabulary, as_of, column)
    return max((int(block.column(column).to_numpy().max()) for block in blocks if block.num_rows), default=-1) + 1


def n_seen(layout: Layout, vocabulary: tables.Table, as_of: dt.date) -> int:
    """How many ids of the vocabulary were seen by a date."""
    return sum(block.num_rows for block in _seen(layout, vocabulary, as_of, vocabulary.column_names[0]))


def _seen(layout: Layout, vocabulary: tables.Table, as_of: dt.date, column: str) -> Iterator[pa.RecordBatch]:
    paths = [file.path for file in lake.files(layout, vocabulary)]
    if paths:
        rows = dataset(paths)
        yield from rows.to_batches(columns=[column], filter=pads.field("first_day") <= pa.scalar(as_of))


def _catalogue_day(layout: Layout, as_of: dt.date) -> tuple[dt.date, bool]:
    """The date of the catalogue to take, and whether it is no later than `as_of`."""
    days = lake.dates(layout, tables.ITEMS)
    earlier = [day for day in days if day <= as_of]
    return (earlier[-1], True) if earlier else (min(days, default=as_of), False)


def _ids(spark: SparkSession, layout: Layout, table: tables.Table, as_of: dt.date) -> DataFrame:
    column = table.column_names[0]
    return storage.read(spark, layout, table).select(column).where(F.col(column) < n_known(layout, table, as_of))
