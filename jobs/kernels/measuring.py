"""Metrics of every system, user by user."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.references_section import References
from jobs.kernels.blocks import Kitchen
from models import als, candidates, list_quality, measures, pooled, protocols
from models.candidates import CandidateBlock
from models.histories import empty_pairs
from models.list_quality import Shelf
from models.measures import FULL, OURS, WITHIN, Block, Key, Plan
from models.metrics import Float64
from models.protocols import NEW, OWN
from models.ragged import Int32, lists, rows_of, to_lists
from models.rankings import Assortment, Ranking, Truth, assortment_of, is_in, keys_of, no_ranking, truth_of
from models.references import registry
from models.references.base import Reference, Silent
from models.sources.registry import Catalogue
from models.user_block import UserBlock, read_block

SCHEMA = "user_idx int, n_baskets int, segment string, numbers array<float>, tops array<int>, pooled array<binary>"


@dataclass(frozen=True, slots=True)
class Opponents:
    """Where a Python worker finds the references of a date; small enough to travel with the task.

    Attributes:
        open_folders: by name, the artifacts of those that are fitted.
        settings: of the references.
    """

    open_folders: tuple[tuple[str, Callable[[], Path]], ...]
    settings: References

    def load(self, names: tuple[str, ...], catalogue: Catalogue) -> dict[str, Reference]:
        """The named references, made once a worker."""
        folders = tuple((name, open_()) for name, open_ in self.open_folders)
        return _references(names, catalogue, folders, self.settings)


@lru_cache(maxsize=2)
def _references(
    names: tuple[str, ...], catalogue: Catalogue, folders: tuple[tuple[str, Path], ...], settings: References
) -> dict[str, Reference]:
    return registry.build(names, catalogue, dict(folders), settings)


def with_lists(
    truth: DataFrame, plan: Plan, lists_: DataFrame, ranked: DataFrame | None = None, earlier: DataFrame | None = None
) -> DataFrame:
    """`truth` with `list_i` and, if given, `ranked_i`, `scores_i`, `earlier_i` of placement i; null for users without.

    Args:
        truth: one row a user.
        plan: its placements.
        lists_: `placement`, `user_idx`, `item_idx` (best first).
        ranked: the same, all that the ranker scored, with its `scores`.
        earlier: the same as `lists_`, of a week before.
    """
    users = truth
    of_lists = {"list": "item_idx"}
    of_ranked = {"ranked": "item_idx", "scores": "scores"}
    for rows, wanted in ((lists_, of_lists), (ranked, of_ranked), (earlier, {"earlier": "item_idx"})):
        if rows is None:
            continue
        columns = [
            F.first(F.when(F.col("placement") == placement, F.col(column)), ignorenulls=True).alias(
                f"{name}_{position}"
            )
            for name, column in wanted.items()
            for position, (placement, _) in enumerate(plan.placements)
        ]
        of_user = rows.join(F.broadcast(truth.select("user_idx")), "user_idx", "left_semi").groupBy("user_idx")
        users = users.join(of_user.agg(*columns), "user_idx", "left")
    return users


def measured(users: DataFrame, kitchen: Kitchen, plan: Plan, opponents: Opponents) -> DataFrame:
    """One row a user: who it is, `numbers` in the order of `keys`, NaN where the user does not count, and `tops`.

    `tops` are the first k items of every system in the order of `keys`, k places each, empty ones -1. `pooled` holds
    the counts of a whole block in its first row, in the order of `pooled_keys`, and nothing in the others.

    Args:
        users: the result of `with_candidates` with `truth_all`, `truth_new` and the columns of `with_lists`.
        kitchen: artifacts of the day before the window.
        plan: what is measured.
        opponents: the references of the same day.
    """
    n_sources, n_scorers = len(kitchen.settings.sources), len(kitchen.settings.scorers)

    def measure_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        opened = kitchen.catalogue()
        assortment = assortment_of(opened.number("buyers_28"), opened.allowed)
        references = opponents.load(plan.references, opened)
        factors = als.load(opened.folders.als, "als").items
        shelf = list_quality.shelf_of(assortment, plan, factors, np.asarray(opened.items.codes["category"]))
        for batch in batches:
            users_block = read_block(batch, opened.items.n_items)
            made = candidates.read(batch, n_sources, n_scorers)
            block = _block(batch, users_block, made, plan)
            numbers, tops = _matrices(block, plan, assortment, shelf, references)
            counts = [_pooled(batch, block, plan, assortment), *[[]] * (batch.num_rows - 1)]
            columns = {
                **{name: batch.column(name) for name in ("user_idx", "n_baskets", "segment")},
                "numbers": _rows_of(numbers, pa.float32()),
                "tops": _rows_of(tops, pa.int32()),
                "pooled": pa.array(counts, pa.list_(pa.binary())),
            }
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

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
    vectors, codes = np.zeros((0, 0), dtype=np.float32), np.zeros(0, dtype=np.int32)
    shelf = list_quality.shelf_of(nothing, plan, vectors, codes)
    numbers, tops = _measured(nobody, plan, nothing, shelf, dict.fromkeys(plan.references, Silent()))
    return list(numbers), list(tops)


def pooled_keys(plan: Plan) -> list[Key]:
    """What the counts of a plan are of."""
    names = [(FULL, name) for name, _ in plan.placements] + [(WITHIN, name) for name, _ in plan.placements]
    parts = [(protocol, name) for name, repeats in plan.placements if repeats for protocol in (OWN, NEW)]
    return [Key(protocol, name, OURS, "auc_pooled") for protocol, name in [*names, *parts]]


def _pooled(batch: pa.RecordBatch, block: Block, plan: Plan, assortment: Assortment) -> list[bytes]:
    """Counts of a block, in the order of `pooled_keys`."""
    bought = keys_of(block.bought.rows, block.bought.item_idx)
    candidates_ = keys_of(block.rows, block.items)
    is_own = is_in(candidates_, bought)
    chosen = {OWN: candidates_[is_own], NEW: candidates_[~is_own]}
    place = {name: (position, repeats) for position, (name, repeats) in enumerate(plan.placements)}
    made = []
    for key in pooled_keys(plan):
        position, repeats = place[key.placement]
        left_out = bought[:0] if repeats else bought
        ranking, truth = block.ranked[key.placement], block.truth[key.placement]
        scores = lists(batch.column(f"scores_{position}"))[1].astype(np.float32)
        if key.protocol == FULL:
            counts = pooled.over_catalogue(ranking, scores, truth, assortment, left_out)
        else:
            inside = chosen.get(key.protocol, candidates_ if repeats else candidates_[~is_own])
            counts = pooled.within(ranking, scores, truth, inside)
        made.append(counts.to_bytes())
    return made


def _block(batch: pa.RecordBatch, users: UserBlock, made: CandidateBlock, plan: Plan) -> Block:
    shown: dict[str, Ranking] = {}
    ranked: dict[str, Ranking] = {}
    earlier: dict[str, Ranking] = {}
    truth: dict[str, Truth] = {}
    for position, (placement, repeats) in enumerate(plan.placements):
        shown[placement] = ranking_in(batch, f"list_{position}")
        ranked[placement] = ranking_in(batch, f"ranked_{position}")
        if f"earlier_{position}" in batch.schema.names:
            earlier[placement] = ranking_in(batch, f"earlier_{position}")
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
        user_idx=users.user_idx,
        earlier=earlier,
    )


def ranking_in(batch: pa.RecordBatch, column: str) -> Ranking:
    """The items of a list column, best first; null lists hold nothing."""
    offsets, items = lists(batch.column(column))
    return Ranking(rows_of(offsets), items.astype(np.int32), batch.num_rows)


def _measured(
    block: Block, plan: Plan, assortment: Assortment, shelf: Shelf, references: dict[str, Reference]
) -> tuple[dict[Key, Float64], dict[tuple[str, str], Int32]]:
    numbers, tops = measures.measure_block(block, plan, assortment, references)
    numbers |= protocols.measure(block, plan, assortment, block.user_idx)
    return numbers | list_quality.measure(block, plan, assortment, shelf), tops


def _matrices(
    block: Block, plan: Plan, assortment: Assortment, shelf: Shelf, references: dict[str, Reference]
) -> tuple[Float64, Int32]:
    numbers, tops = _measured(block, plan, assortment, shelf, references)
    return np.stack(list(numbers.values()), axis=1), np.concatenate(list(tops.values()), axis=1)


def _rows_of(matrix: np.ndarray, kind: pa.DataType) -> pa.ListArray:
    n_rows, width = matrix.shape
    return to_lists(np.arange(n_rows + 1) * width, matrix.ravel(), kind)
