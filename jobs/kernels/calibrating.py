"""The ranker's scores of a sample of users, and what they bought in the window that followed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from contracts.days import day_number
from contracts.settings import Placement
from jobs.kernels.blocks import Kitchen
from jobs.kernels.ranking import Boosters
from models import candidates as candidate_rows
from models import ranker, ranking_features
from models.ragged import lists, offsets_of, rows_of, to_lists
from models.rankings import is_in, keys_of
from models.sources.base import is_new
from models.user_block import read_block

SCHEMA: Final = "placement string, user_idx int, scores array<float>, labels array<boolean>"


def scored(
    users: DataFrame, kitchen: Kitchen, boosters: Boosters, placements: dict[str, Placement], *, repeats: bool
) -> DataFrame:
    """One row a user and placement: the score of every candidate it may show, and whether it was bought.

    Args:
        users: `user_frame` of the kitchen's date with `bought`, the items bought in the window, null where none.
        kitchen: artifacts and settings of the day before the window.
        boosters: of a ranker that has not learnt from the window.
        placements: by name; one without repeats shows new items only.
        repeats: whether the shop allows repeats at all.
    """
    today, per_source = day_number(kitchen.as_of), kitchen.settings.per_source

    def score_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        items = kitchen.catalogue().items
        for batch in blocks:
            block = read_block(batch, items.n_items)
            made = candidate_rows.generate(block, kitchen.sources(), per_source, kitchen.scorers())
            features = ranking_features.matrix(block, made, items, today=today)
            offsets, bought = lists(batch.column("bought"))
            labels = is_in(keys_of(made.rows, made.items), np.sort(keys_of(rows_of(offsets), bought)))
            new = is_new(block, made.rows, made.items)
            for name, placement in placements.items():
                shown = np.ones(len(new), dtype=bool) if placement.repeats and repeats else new
                ends = offsets_of(made.rows[shown], batch.num_rows)
                columns = {
                    "placement": pa.array([name] * batch.num_rows),
                    "user_idx": batch.column("user_idx"),
                    "scores": to_lists(ends, ranker.predict(boosters.load(name), features[shown]), pa.float32()),
                    "labels": to_lists(ends, labels[shown], pa.bool_()),
                }
                yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    return users.mapInArrow(score_blocks, SCHEMA)
