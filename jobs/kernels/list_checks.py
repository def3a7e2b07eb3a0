"""What is wrong with finished lists, counted without taking them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.settings import Placement
from features.holdout import bought_before
from jobs.kernels.blocks import Kitchen
from jobs.kernels.measuring import ranking_in
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
