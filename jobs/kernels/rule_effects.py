"""What each rule does to the lists of a date, counted while they are made once more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, replace
from typing import Final

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.settings import Placement
from jobs.kernels.blocks import Kitchen
from jobs.kernels.lists import in_placements, scored_in
from jobs.kernels.shelves import ShelfFolder
from models.rule_effects import Effect, Effects
from models.stages import lists_of

NUMBERS: Final = tuple(field.name for field in fields(Effect))
SCHEMA: Final = "placement string, rule string, " + ", ".join(f"{name} long" for name in NUMBERS)


def effects_of(
    ranked: DataFrame,
    users: DataFrame,
    kitchen: Kitchen,
    shelf: ShelfFolder,
    placements: dict[str, Placement],
    *,
    repeats: bool,
) -> DataFrame:
    """One row a placement and rule that holds there: what it did to all lists together.

    Args:
        ranked: rows of the table `ranked` of the kitchen's date.
        users: `user_frame` of the same date.
        kitchen: artifacts and settings.
        shelf: of the same date.
        placements: by name.
        repeats: whether the shop allows repeats at all.
    """
    renamed = ranked.withColumnRenamed("item_idx", "ranked_idx")

    def count_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue = kitchen.catalogue()
        counted = {name: Effects() for name in placements}
        for name, batch, context in in_placements(blocks, catalogue, shelf, placements, repeats=repeats):
            lists_of(scored_in(batch), replace(context, effects=counted[name]))
        yield _rows(counted)

    partial = users.join(renamed, "user_idx").mapInArrow(count_blocks, SCHEMA)
    return partial.groupBy("placement", "rule").agg(*[F.sum(name).alias(name) for name in NUMBERS])


def _rows(counted: dict[str, Effects]) -> pa.RecordBatch:
    rows = [(placement, rule, effect) for placement, effects in counted.items() for rule, effect in effects]
    columns = {
        "placement": pa.array([placement for placement, _, _ in rows], pa.string()),
        "rule": pa.array([rule for _, rule, _ in rows], pa.string()),
        **{name: pa.array([getattr(effect, name) for _, _, effect in rows], pa.int64()) for name in NUMBERS},
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
