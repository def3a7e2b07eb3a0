"""Lists by many sets of weights, measured user by user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from contracts.settings import OBJECTIVES, Placement
from jobs.kernels.blocks import Kitchen
from jobs.kernels.lists import context_of, scored_in
from jobs.kernels.shelves import ShelfFolder
from models import sweep
from models.objectives import margin_of
from models.ragged import lists, rows_of, to_lists
from models.rankings import Truth, truth_of
from models.stages import remove, weigh
from models.user_block import read_block

SCHEMA: Final = "user_idx int, numbers array<float>, tops array<int>"


def swept(
    users: DataFrame,
    kitchen: Kitchen,
    shelf: ShelfFolder,
    name: str,
    placement: Placement,
    points: list[dict[str, float]],
    *,
    k: int,
    may_repeat: bool,
) -> DataFrame:
    """One row a user: `numbers` (points x measures) and `tops` (points x k, empty places -1) of one placement.

    Args:
        users: `user_frame` with the placement's `ranked_idx`, `scores`, `main_sources` and its `truth`.
        kitchen: artifacts and settings.
        shelf: of the same date.
        name: of the placement.
        placement: where the lists show.
        points: sets of weights.
        k: places that count.
        may_repeat: whether a user may be shown what the user bought before.
    """

    def sweep_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        catalogue = kitchen.catalogue()
        margin = margin_of(np.asarray(shelf.load().margins), catalogue.allowed)
        aims = [shelf.aims(catalogue, name, replace_weights(placement, point)) for point in points]
        for batch in batches:
            block = read_block(batch, catalogue.items.n_items)
            context = context_of(block, catalogue, shelf, name, placement, may_repeat=may_repeat)
            may = weigh(remove(scored_in(batch), context), context)
            truth = _truth(batch)
            made = [sweep.measure(may, one, truth, margin, k) for one in aims]
            numbers = _rows(np.concatenate([one.numbers for one in made], axis=1), pa.float32())
            tops = _rows(np.concatenate([one.top for one in made], axis=1), pa.int32())
            yield pa.RecordBatch.from_pydict({"user_idx": batch["user_idx"], "numbers": numbers, "tops": tops})

    return users.mapInArrow(sweep_blocks, SCHEMA)


def replace_weights(placement: Placement, point: dict[str, float]) -> Placement:
    """The placement with these weights and no others."""
    nothing = dict.fromkeys(OBJECTIVES, 0.0)
    return msgspec.structs.replace(placement, objectives={**nothing, **point})


def _truth(batch: pa.RecordBatch) -> Truth:
    offsets, items = lists(batch.column("truth"))
    return truth_of(rows_of(offsets), items, n_rows=batch.num_rows)


def _rows(matrix: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    n_rows, width = matrix.shape
    return to_lists(np.arange(n_rows + 1) * width, matrix.ravel(), kind)
