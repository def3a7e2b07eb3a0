"""What is wrong with finished lists, counted without taking them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.settings import Placement
from jobs.kernels.blocks import Kitchen
from features.holdout import bought_before
from features.measuring import ranking_in
from models.list_checks import COUNTS, Rules, count_faults

SCHEMA: Final = "placement string, " + ", ".join(f"{name} long" for name in COUNTS)


def faults(
    top_n_lists: DataFrame, histories: DataFrame, kitchen: Kitchen, placements: dict[str, Placement], *, repeats: bool
) -> DataFrame:
    """One row a placement: its lists, how many are as long as asked, and items that must not be in one, by why.

    Args:
        top_n_lists: `placement`, `user_idx`, `item_idx`.
        histories: the base of the same date.
        kitchen: artifacts of the same date.
        placements: by name; lists of other placements are not counted.
        repeats: whether the shop allows repeats at all.
    """

    def count_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue = kitchen.catalogue()
        recommendable = np.asarray(catalogue.items.is_recommendable)
        for batch in batches:
            names = batch.column("placement").to_pylist()
            shown, bought = ranking_in(batch, "item_idx"), ranking_in(batch, "bought")
            for name, placement in placements.items():
                may_repeat = placement.repeats and repeats
                rules = Rules(recommendable, catalogue.allowed, may_repeat, placement.length)
                is_counted = np.array([other == name for other in names], dtype=bool)
                counts = count_faults(shown, bought, rules, is_counted)
                columns = [pa.array([name]), *[pa.array([counts[key]], pa.int64()) for key in COUNTS]]
                yield pa.RecordBatch.from_arrays(columns, names=["placement", *COUNTS])

    joined = top_n_lists.select("placement", "user_idx", "item_idx").join(bought_before(histories), "user_idx", "left")
    found = joined.mapInArrow(count_blocks, SCHEMA)
    return found.groupBy("placement").agg(*[F.sum(name).alias(name) for name in COUNTS])


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
