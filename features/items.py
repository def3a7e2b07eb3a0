"""Item features as of a date, from totals over the compacted base and the day aggregates."""

from __future__ import annotations

import datetime as dt
from typing import Final

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.days import EPOCH, day_number

RECENT_DAYS: Final = 28
EARLIER_DAYS: Final = 84
SEASON_DAYS: Final = 28
YEAR_DAYS: Final = 364


def item_features(sums: DataFrame, interactions: DataFrame, items: DataFrame, *, as_of: dt.date) -> DataFrame:
    """Rows of the table `item_features` without `as_of`: one row for every item of `items`.

    Args:
        sums: totals over the users' pairs as of `as_of`, one row an item that was bought.
        interactions: day rows with day <= as_of.
        items: the catalogue as of `as_of`.
    """
    today = day_number(as_of)
    prices = _prices(interactions, as_of)
    season = _last_year(interactions, as_of)
    joined = items.join(sums, "item_idx", "left").join(prices, "item_idx", "left").join(season, "item_idx", "left")
    counts = [
        "buyers", "buyers_7", "buyers_14", "buyers_28", "buyers_84", "first_buyers_7", "first_buyers_28",
        "buyers_last_year", "repeaters",
    ]  # fmt: skip
    filled = joined.fillna(0, subset=counts)
    offered = F.datediff("first_seen", F.lit(EPOCH))
    return filled.select(
        "item_idx",
        *counts[:-1],
        F.coalesce(F.try_divide("repeaters", "buyers"), F.lit(0.0)).cast("float").alias("repeat_rate"),
        F.try_divide("span_days", "gaps").cast("float").alias("repeat_gap_days"),
        (F.lit(today) - F.least("first_day", offered)).cast("float").alias("age_days"),
        F.coalesce("recent_price", "price_ever").cast("float").alias("price"),
        F.try_divide("recent_price", "earlier_price").cast("float").alias("price_change"),
        F.col("line_quantity").cast("float").alias("line_quantity"),
        F.coalesce(F.col("is_available") & F.col("is_recommendable"), F.lit(False)).alias("is_recommendable"),
    )


def _prices(interactions: DataFrame, as_of: dt.date) -> DataFrame:
    sold = interactions.where((F.col("n_purchases") > 0) & (F.col("quantity") > 0) & (F.col("amount") > 0))
    age = F.datediff(F.lit(as_of), "day")
    recent, earlier = age < RECENT_DAYS, (age >= RECENT_DAYS) & (age < RECENT_DAYS + EARLIER_DAYS)
    return sold.groupBy("item_idx").agg(
        F.try_divide(F.sum(F.when(recent, F.col("amount"))), F.sum(F.when(recent, F.col("quantity")))).alias(
            "recent_price"
        ),
        F.try_divide(F.sum(F.when(earlier, F.col("amount"))), F.sum(F.when(earlier, F.col("quantity")))).alias(
            "earlier_price"
        ),
        (F.sum("amount") / F.sum("quantity")).alias("price_ever"),
        (F.sum("quantity") / F.sum("n_purchases")).alias("line_quantity"),
    )


def _last_year(interactions: DataFrame, as_of: dt.date) -> DataFrame:
    first = as_of - dt.timedelta(days=YEAR_DAYS - 1)
    last = first + dt.timedelta(days=SEASON_DAYS - 1)
    season = interactions.where(F.col("day").between(F.lit(first), F.lit(last)) & (F.col("n_purchases") > 0))
    return season.groupBy("item_idx").agg(F.count_distinct("user_idx").cast("int").alias("buyers_last_year"))
