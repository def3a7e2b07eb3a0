"""The compacted base as of a date, folded forward from an earlier one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.days import EPOCH, day_number
from contracts.tables import HISTORIES
from models import histories

_NEWS: Final = {
    "days": "int", "item_idx": "int", "is_purchase": "boolean", "weights": "double", "quantities": "double",
    "amounts": "double",
}  # fmt: skip


def fold_days(base: DataFrame, interactions: DataFrame, *, base_day: dt.date, as_of: dt.date) -> DataFrame:
    """`histories` as of `as_of`, one row a user with any interaction by then, without the column `as_of`.

    Args:
        base: `histories` as of `base_day`, without `as_of`; empty for a rebuild.
        interactions: day rows with base_day < day <= as_of.
    """
    news = interactions.groupBy("user_idx").agg(
        *[F.collect_list(column).alias(f"news_{name}") for name, column in _news_columns(interactions).items()]
    )
    joined = base.join(news, "user_idx", "full_outer")
    columns = [c.name for c in HISTORIES.columns if c.name != "as_of"]
    schema = ", ".join(f"{c.name} {c.type}" for c in HISTORIES.columns if c.name != "as_of")
    first, last = day_number(base_day), day_number(as_of)

    def fold_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for block in blocks:
            before, pairs, rows = histories.users_of(block), histories.pairs_of(block), histories.day_rows_of(block)
            after, merged = histories.fold(before, pairs, rows, base_day=first, as_of_day=last)
            out = {"user_idx": block.column("user_idx"), **histories.to_columns(after, merged)}
            yield pa.RecordBatch.from_arrays([out[name] for name in columns], names=columns)

    return joined.mapInArrow(fold_blocks, schema)


def _news_columns(interactions: DataFrame) -> dict[str, Column]:
    return {
        "days": F.datediff(interactions["day"], F.lit(EPOCH)),
        "item_idx": interactions["item_idx"],
        "is_purchase": interactions["n_purchases"] > 0,
        "weights": interactions["weight"],
        "quantities": interactions["quantity"],
        "amounts": interactions["amount"],
    }
