"""Items and users as the shop lists them, typed and indexed."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.settings import Shop

ALL_USERS = "all"
_NOT_ATTRIBUTES = ("user_id", "segment")


def items_as_of(landed: DataFrame, vocabulary: DataFrame, shop: Shop, *, as_of: dt.date) -> DataFrame:
    """Rows of the table `items` without `as_of`: every id of the vocabulary, one row each.

    An item that was sold but is not in the catalogue has no attributes and cannot be recommended. Where the catalogue
    lists an id twice, the first title in alphabetical order stays. An item first seen after `as_of` is not known yet.

    Args:
        landed: catalogue rows as landed, with `item_id`.
        vocabulary: `item_idx`, `item_id`.
        shop: its exclusion rule, over the columns as landed.
    """
    first_seen = _optional(landed, "first_seen", "date")
    rows = landed.select(
        F.col("item_id").cast("string").alias("item_id"),
        *[_optional(landed, name, "string").alias(name) for name in ("title", "category", "department", "brand")],
        *[_optional(landed, name, "double").alias(name) for name in ("price", "margin")],
        _optional(landed, "image_url", "string").alias("image_url"),
        first_seen.alias("first_seen"),
        F.coalesce(_optional(landed, "is_available", "boolean"), F.lit(True)).alias("is_available"),
        (~F.coalesce(F.expr(shop.exclude_items), F.lit(False))).alias("is_recommendable"),
    )
    known = rows.where(F.col("first_seen").isNull() | (F.col("first_seen") <= F.lit(as_of)))
    one = known.groupBy("item_id").agg(
        F.min_by(F.struct(*[c for c in rows.columns if c != "item_id"]), F.coalesce("title", F.lit(""))).alias("row")
    )
    joined = vocabulary.select("item_idx", "item_id").join(one, "item_id", "left")
    return joined.select("item_idx", "item_id", "row.*").fillna({"is_available": False, "is_recommendable": False})


def users_as_of(landed: DataFrame | None, vocabulary: DataFrame, shop: Shop) -> DataFrame:
    """Rows of the table `users` without `as_of`: every id of the vocabulary, one row each.

    Args:
        landed: user rows as landed, or None where the shop sends none.
        vocabulary: `user_idx`, `user_id`.
        shop: its segment expression, over the columns as landed.
    """
    ids = vocabulary.select("user_idx", "user_id")
    if landed is None:
        return ids.withColumn("segment", F.lit(ALL_USERS)).withColumn(
            "attributes", F.lit(None).cast("map<string,string>")
        )
    names = [name for name in landed.columns if name not in _NOT_ATTRIBUTES]
    pairs = [part for name in names for part in (F.lit(name), F.col(name).cast("string"))]
    segment = (
        F.expr(shop.segment).cast("string") if shop.segment != "segment" else _optional(landed, "segment", "string")
    )
    rows = landed.select(
        F.col("user_id").cast("string").alias("user_id"),
        segment.alias("segment"),
        (F.create_map(*pairs) if pairs else F.lit(None).cast("map<string,string>")).alias("attributes"),
    )
    one = rows.groupBy("user_id").agg(
        F.min("segment").alias("segment"), F.first("attributes", ignorenulls=True).alias("attributes")
    )
    return (
        ids.join(one, "user_id", "left")
        .fillna({"segment": ALL_USERS})
        .select("user_idx", "user_id", "segment", "attributes")
    )


def _optional(frame: DataFrame, name: str, kind: str) -> Column:
    return F.col(name).try_cast(kind) if name in frame.columns else F.lit(None).cast(kind)
