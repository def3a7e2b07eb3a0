"""User features as of a date, from the compacted base."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.days import day_number


def user_features(histories: DataFrame, users: DataFrame, *, as_of: dt.date) -> DataFrame:
    """Rows of the table `user_features` without `as_of`: one row a user with at least one purchase.

    Args:
        histories: the base as of `as_of`.
        users: `user_idx`, `segment`.
    """
    today = day_number(as_of)
    bought = F.size(F.filter("baskets", lambda n: n > 0))
    lines = _total("baskets")
    rows = histories.where(F.col("n_baskets") > 0).select(
        "user_idx",
        "n_baskets",
        bought.alias("n_items"),
        (F.lit(today) - F.col("last_day")).cast("float").alias("recency_days"),
        (F.lit(today) - F.col("first_day")).cast("float").alias("tenure_days"),
        F.when(F.col("n_baskets") > 1, (F.col("last_day") - F.col("first_day")) / (F.col("n_baskets") - 1))
        .cast("float")
        .alias("basket_gap_days"),
        (lines / F.col("n_baskets")).cast("float").alias("basket_size"),
        F.try_divide(bought, lines).cast("float").alias("exploration_rate"),
        F.when(_total("quantities") > 0, _total("amounts") / _total("quantities")).cast("float").alias("mean_price"),
        _total("decayed_30").cast("float").alias("recent_activity"),
        F.when(_total("quantities") > 0, _total("quantities") / lines).cast("float").alias("line_quantity"),
    )
    return rows.join(users.select("user_idx", "segment"), "user_idx", "left").fillna({"segment": "all"})


def _total(column: str) -> Column:
    return F.aggregate(column, F.lit(0.0), lambda total, value: total + value)
