"""Dense, append-only vocabularies: external ids to int32 indices."""

from __future__ import annotations

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F


def extend(known: DataFrame, seen: DataFrame, kind: str) -> DataFrame:
    """Rows for the ids in `seen` that `known` lacks, indexed from where `known` ends.

    New ids are ordered by first day, then id, so that ingesting a range gives the same indices as ingesting its days
    one by one. Only the new ids pass through the single-partition window.

    Args:
        known: the vocabulary so far: `{kind}_idx`, `{kind}_id`, `first_day`.
        seen: `{kind}_id` (unique) and `first_day`.
        kind: "user" or "item".

    Returns:
        `{kind}_idx`, `{kind}_id`, `first_day`, the new ids only.
    """
    start = known.agg(F.coalesce(F.max(f"{kind}_idx") + 1, F.lit(0)).alias("start"))
    fresh = seen.join(known.select(f"{kind}_id"), f"{kind}_id", "left_anti")
    order = Window.orderBy("first_day", f"{kind}_id")
    numbered = fresh.withColumn("position", F.row_number().over(order) - 1).crossJoin(start)
    index = (F.col("position") + F.col("start")).cast("int").alias(f"{kind}_idx")
    return numbered.select(index, f"{kind}_id", "first_day")
