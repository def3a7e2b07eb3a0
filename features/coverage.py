"""Users whom no list reaches."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F


def users_without_any(users: DataFrame, top_n_lists: DataFrame, covered: dict[str, set[str]]) -> DataFrame:
    """One row a placement of `covered` with `n`, its users who have neither a list nor a fallback list.

    Args:
        users: `user_idx`, `segment`.
        top_n_lists: `placement`, `user_idx`, `item_idx`.
        covered: by placement, the segments that have a fallback list; at least one placement.
    """
    parts = []
    for placement, segments in sorted(covered.items()):
        listed = top_n_lists.where((F.col("placement") == placement) & (F.size("item_idx") > 0)).select("user_idx")
        alone = users.where(~F.col("segment").isin(*segments)) if segments else users
        missing = alone.join(listed, "user_idx", "left_anti")
        parts.append(missing.agg(F.count("*").alias("n")).select(F.lit(placement).alias("placement"), "n"))
    joined = parts[0]
    for part in parts[1:]:
        joined = joined.union(part)
    return joined
