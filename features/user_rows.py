"""One row a user with everything the kernels need."""

from __future__ import annotations

from pyspark.sql import DataFrame


def user_frame(histories: DataFrame, user_features: DataFrame) -> DataFrame:
    """Histories beside user features: one row a user with a history, columns of both."""
    joined = histories.join(user_features.drop("n_baskets"), "user_idx", "left")
    return joined.fillna({"segment": "all"})


def with_candidates(users: DataFrame, candidates: DataFrame) -> DataFrame:
    """`user_frame` beside `candidates` of the same date, whose items are called `proposed_idx`."""
    return users.join(candidates.withColumnRenamed("item_idx", "proposed_idx"), "user_idx")
