"""Totals per item over every user's pairs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.days import day_number
from models import item_sums
from models.histories import pairs_of


def pair_sums(histories: DataFrame, *, as_of: dt.date) -> DataFrame:
    """One row an item that was ever bought: `item_idx` and the totals named in `models.item_sums`.

    Args:
        histories: the base as of `as_of`.
    """
    today = day_number(as_of)
    schema = "item_idx int, " + ", ".join(f"{name} long" for name in item_sums.NAMES)

    def sum_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total = item_sums.Totals()
        for block in blocks:
            total.add(pairs_of(block, item_sums.PAIR_COLUMNS), today=today)
        columns = total.columns()
        yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    partial = histories.select(*item_sums.PAIR_COLUMNS).mapInArrow(sum_blocks, schema)
    summed = [F.sum(name).alias(name) for name in item_sums.NAMES if name != "first_day"]
    return partial.groupBy("item_idx").agg(*summed, F.min("first_day").alias("first_day"))
