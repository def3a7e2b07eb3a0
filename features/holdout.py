"""What users bought in a window, and who counts."""

from __future__ import annotations

import datetime as dt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.settings import Evaluation

_BOUGHT = """
    transform(
        filter(arrays_zip(item_idx, baskets, quantities), pair -> pair.baskets > 0 and pair.quantities > 0),
        pair -> pair.item_idx
    )
"""


def truth(
    interactions: DataFrame,
    histories: DataFrame,
    items: DataFrame,
    wanted: Evaluation,
    *,
    cut: dt.date,
    days: int,
    seed: int,
) -> DataFrame:
    """One row a user who had bought before `cut` and bought something that counts in the window.

    Distinct items count, cancelled later or not, that the shop does not exclude; one first sold then is a sure miss.

    Args:
        interactions: day rows; those after the window are ignored.
        histories: the base as of the day before `cut`.
        items: `item_idx`, `is_recommendable`, false where the shop's exclusion rule holds; items not in it count.
        wanted: `min_item_buyers`, distinct by the end of the window, and `max_users`, chosen by a hash with `seed`.
        cut: first day of the window of so many `days`.
        seed: of the hash.

    Returns:
        `user_idx`, `truth_all` and `truth_new` (items not bought before, maybe none), both array<int> ascending.
    """
    last = cut + dt.timedelta(days=days - 1)
    sold = interactions.where((F.col("n_purchases") > 0) & (F.col("day") <= F.lit(last)))
    excluded = items.where(~F.col("is_recommendable")).select("item_idx")
    taken = sold.where(F.col("day") >= F.lit(cut)).select("user_idx", "item_idx").distinct()
    counted = taken.join(excluded, "item_idx", "left_anti")
    if wanted.min_item_buyers > 1:
        buyers = sold.groupBy("item_idx").agg(F.count_distinct("user_idx").alias("buyers"))
        counted = counted.join(buyers.where(F.col("buyers") >= wanted.min_item_buyers), "item_idx", "left_semi")
    of_user = counted.groupBy("user_idx").agg(F.sort_array(F.collect_list("item_idx")).alias("truth_all"))
    known = of_user.join(bought_before(histories), "user_idx")
    chosen = known.orderBy(F.xxhash64("user_idx", F.lit(seed)), "user_idx").limit(wanted.max_users)
    return chosen.select(
        "user_idx", "truth_all", F.sort_array(F.array_except("truth_all", "bought")).alias("truth_new")
    )


def bought_before(histories: DataFrame) -> DataFrame:
    """`user_idx` and `bought`, the items of purchases that stand; users without one are left out."""
    return histories.select("user_idx", F.expr(_BOUGHT).alias("bought")).where(F.size("bought") > 0)
