"""Metrics of every system, user by user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.kernels.blocks import Kitchen
from models import candidates, measures
from models.candidates import CandidateBlock
from models.histories import empty_pairs
from models.measures import Block, Key, Plan
from models.metrics import Float64
from models.ragged import Int32, lists, rows_of, to_lists
from models.rankings import Assortment, Ranking, Truth, assortment_of, no_ranking, truth_of
from models.user_block import UserBlock, read_block

SCHEMA = "user_idx int, numbers array<float>, tops array<int>"


def with_lists(truth: DataFrame, plan: Plan, lists_: DataFrame, ranked: DataFrame) -> DataFrame:
    """`truth` with the columns `list_i` and `ranked_i` of the plan's placement i; null for users without.

    Args:
        truth: one row a user.
        plan: its placements.
        lists_: `placement`, `user_idx`, `item_idx` (best first).
        ranked: the same, all that the ranker scored.
    """
    users = truth
    for name, rows in (("list", lists_), ("ranked", ranked)):
        columns = [
            F.first(F.when(F.col("placement") == placement, F.col("item_idx")), ignorenulls=True).alias(
                f"{name}_{position}"
            )
            for position, (placement, _) in enumerate(plan.placements)
        ]
        of_user = rows.join(F.broadcast(truth.select("user_idx")), "user_idx", "left_semi").groupBy("user_idx")
        users = users.join(of_user.agg(*columns), "user_idx", "left")
    return users


def measured(users: DataFrame, kitchen: Kitchen, plan: Plan) -> DataFrame:
    """One row a user: `user_idx`, `numbers` in the order of `keys`, NaN where the user does not count, and `tops`.

    `tops` are the first k items of every system in the order of `list_keys`, k places each, empty ones -1.

    Args:
        users: the result of `with_candidates` with `truth_all`, `truth_new` and the columns of `with_lists`.
        kitchen: artifacts of the day before the window.
        plan: what is measured.
    """
    n_sources = len(kitchen.settings.sources)

    def measure_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        opened = kitchen.catalogue()
        assortment = assortment_of(opened.number("buyers_28"), opened.allowed)
        for batch in batches:
            users_block = read_block(batch, opened.items.n_items)
            made = candidates.read(batch, n_sources)
            numbers, tops = _matrices(_block(batch, users_block, made, plan), plan, assortment)
            columns = [batch.column("user_idx"), _rows_of(numbers, pa.float32()), _rows_of(tops, pa.int32())]
            yield pa.RecordBatch.from_arrays(columns, names=["user_idx", "numbers", "tops"])

    return users.mapInArrow(measure_blocks, SCHEMA)


def keys(plan: Plan) -> tuple[list[Key], list[tuple[str, str]]]:
    """What `numbers` and `tops` of a plan hold: keys, and (placement, system) of each list."""
    ranking, truth = no_ranking(0), Truth(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    names = [name for name, _ in plan.placements]
    width = len(plan.sources)
    nobody = Block(
        bought=empty_pairs(),
        rows=np.zeros(0, dtype=np.int64),
        items=np.zeros(0, dtype=np.int32),
        scores=np.zeros((0, width), dtype=np.float32),
        ranks=np.zeros((0, width), dtype=np.int16),
        lists=dict.fromkeys(names, ranking),
        ranked=dict.fromkeys(names, ranking),
        truth=dict.fromkeys(names, truth),
        n_rows=0,
    )
    nothing = assortment_of(np.zeros(0), np.zeros(0, dtype=bool))
    numbers, tops = measures.measure_block(nobody, plan, nothing)
    return list(numbers), list(tops)


def _block(batch: pa.RecordBatch, users: UserBlock, made: CandidateBlock, plan: Plan) -> Block:
    shown: dict[str, Ranking] = {}
    ranked: dict[str, Ranking] = {}
    truth: dict[str, Truth] = {}
    for position, (placement, repeats) in enumerate(plan.placements):
        shown[placement] = ranking_in(batch, f"list_{position}")
        ranked[placement] = ranking_in(batch, f"ranked_{position}")
        offsets, items = lists(batch.column("truth_all" if repeats else "truth_new"))
        truth[placement] = truth_of(rows_of(offsets), items, n_rows=batch.num_rows)
    return Block(
        bought=users.bought,
        rows=made.rows,
        items=made.items,
        scores=made.scores,
        ranks=made.ranks,
        lists=shown,
        ranked=ranked,
        truth=truth,
        n_rows=batch.num_rows,
    )


def ranking_in(batch: pa.RecordBatch, column: str) -> Ranking:
    """The items of a list column, best first; null lists hold nothing."""
    offsets, items = lists(batch.column(column))
    return Ranking(rows_of(offsets), items.astype(np.int32), batch.num_rows)


def _matrices(block: Block, plan: Plan, assortment: Assortment) -> tuple[Float64, Int32]:
    numbers, tops = measures.measure_block(block, plan, assortment)
    return np.stack(list(numbers.values()), axis=1), np.concatenate(list(tops.values()), axis=1)


def _rows_of(matrix: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    n_rows, width = matrix.shape
    return to_lists(np.arange(n_rows + 1) * width, matrix.ravel(), kind)
