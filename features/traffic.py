"""How much of a shop's traffic each user makes, and who is beyond the limits."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from contracts.settings import Traffic

_EVENTS = ("n_views", "n_clicks", "n_carts", "n_purchases", "n_cancellations")


def user_traffic(interactions: DataFrame, histories: DataFrame, *, n_items: int) -> DataFrame:
    """One row a user with an event: the columns of `flagged_users` that are measured, without id and limits.

    Args:
        interactions: day rows of the days looked at.
        histories: the base as of the last of them.
        n_items: items known by then.
    """
    events = sum((F.col(name) for name in _EVENTS), F.lit(0))
    of_day = interactions.groupBy("user_idx", "day").agg(
        F.sum(events).alias("events"),
        F.count("*").alias("items"),
        F.min("first_at").alias("first_at"),
        F.max("last_at").alias("last_at"),
    )
    hours = (F.col("last_at").cast("double") - F.col("first_at").cast("double")) / 3600
    hourly = F.when(hours > 0, F.col("events") / F.greatest(hours, F.lit(1.0)))
    peak = F.max(F.struct("events", F.date_diff(F.lit("9999-12-31"), "day").alias("earlier"), "day"))
    of_user = of_day.groupBy("user_idx").agg(
        F.sum("events").alias("n_events"),
        peak.alias("peak"),
        F.max("items").alias("items_per_day"),
        F.max(hourly).alias("events_per_hour"),
    )
    bought = F.size(F.filter(F.col("baskets"), lambda n: n > 0)).cast("long")
    owned = histories.select("user_idx", bought.alias("n_items"))
    joined = of_user.join(owned, "user_idx", "left").fillna({"n_items": 0})
    return joined.select(
        "user_idx",
        "n_events",
        F.col("peak.day").alias("peak_day"),
        F.col("peak.events").alias("events_per_day"),
        "items_per_day",
        "events_per_hour",
        "n_items",
        (F.col("n_items") / F.lit(max(n_items, 1))).alias("catalogue_share"),
    )


def users_and_limit(traffic: DataFrame, limits: Traffic) -> tuple[int, float | None]:
    """How many users had an event, and the events that one may have by the quantile and its factor.

    The latter is None where too few users had any.
    """
    found = traffic.agg(F.count("*").alias("n"), F.percentile("n_events", F.lit(limits.quantile)).alias("q")).first()
    n_users = int(found["n"]) if found is not None else 0
    if found is None or n_users < limits.quantile_from_users:
        return n_users, None
    return n_users, float(found["q"]) * limits.quantile_factor


def beyond(traffic: DataFrame, limits: Traffic, allowed_events: float | None) -> DataFrame:
    """The users beyond a limit, with the names of these in `limits`, and `events_limit`.

    Args:
        traffic: the result of `user_traffic`.
        limits: of the settings.
        allowed_events: the limit of `users_and_limit`.
    """
    has_many = F.col("n_items") >= limits.catalogue_from_items
    rules: dict[str, Column] = {
        "max_events_per_day": F.col("events_per_day") > limits.max_events_per_day,
        "max_items_per_day": F.col("items_per_day") > limits.max_items_per_day,
        "max_events_per_hour": F.col("events_per_hour") > limits.max_events_per_hour,
        "max_catalogue_share": has_many & (F.col("catalogue_share") > limits.max_catalogue_share),
    }
    if allowed_events is not None:
        rules["quantile_factor"] = F.col("n_events") > allowed_events
    broken = F.array_compact(F.array(*[F.when(rule, F.lit(name)) for name, rule in rules.items()]))
    named = traffic.withColumn("limits", broken).withColumn("events_limit", F.lit(allowed_events).cast("double"))
    return named.where(F.size("limits") > 0)
