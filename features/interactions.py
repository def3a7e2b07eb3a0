"""Per-day pair aggregates of events."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.settings import EventType


def aggregate_days(
    events: DataFrame, users: DataFrame, items: DataFrame, event_types: dict[str, EventType]
) -> DataFrame:
    """Rows of the table `interactions`: unique by day, user and item; events in the role ignore are left out.

    Cancelled units and money are subtracted on the day of the cancellation. A missing quantity counts as one unit.

    Args:
        events: accepted events.
        users: `user_idx`, `user_id`.
        items: `item_idx`, `item_id`.
        event_types: the shop's words, with role and weight.
    """
    used = {name: kind for name, kind in event_types.items() if kind.role != "ignore"}
    known = events.where(F.col("event_type").isin(*used))
    indexed = known.join(users.select("user_idx", "user_id"), "user_id").join(
        F.broadcast(items.select("item_idx", "item_id")), "item_id"
    )
    units = F.abs(F.coalesce("quantity", F.lit(1.0)))
    sign = F.when(_in_role(used, "purchase"), 1.0).when(_in_role(used, "cancellation"), -1.0).otherwise(0.0)
    return indexed.groupBy(F.col("event_date").alias("day"), "user_idx", "item_idx").agg(
        *[
            F.sum(_in_role(used, role).cast("int")).cast("int").alias(column)
            for role, column in (
                ("view", "n_views"), ("click", "n_clicks"), ("cart", "n_carts"),
                ("purchase", "n_purchases"), ("cancellation", "n_cancellations"),
            )
        ],
        F.sum(_weight(used)).alias("weight"),
        F.sum(sign * units).alias("quantity"),
        F.sum(sign * units * F.coalesce("price", F.lit(0.0))).alias("amount"),
        F.min("timestamp").alias("first_at"),
        F.max("timestamp").alias("last_at"),
        F.max("landing_date").alias("landed_on"),
    )  # fmt: skip


def _in_role(event_types: dict[str, EventType], role: str) -> Column:
    names = [name for name, kind in event_types.items() if kind.role == role]
    return F.col("event_type").isin(*names) if names else F.lit(False)


def _weight(event_types: dict[str, EventType]) -> Column:
    weight = F.lit(0.0)
    for name, kind in sorted(event_types.items()):
        weight = F.when(F.col("event_type") == name, F.lit(kind.weight)).otherwise(weight)
    return weight
