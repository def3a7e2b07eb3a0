"""The recall ledger counted over blocks of users."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.settings import Segments
from jobs.kernels.blocks import Kitchen
from jobs.kernels.measuring import ranking_in
from models import ledger
from models.ledger import COUNTS, Proposed
from models.measures import Plan
from models.ragged import Int64, lists, rows_of
from models.rankings import keys_of, truth_of

EVERYONE: Final = "all"
KEY_DDL: Final = "placement string, targets string, segment string, system string, places int"
SCHEMA: Final = f"{KEY_DDL}, " + ", ".join(f"{name} long" for name in COUNTS)
NEEDED: Final = ("user_idx", "segment", "n_baskets", "item_idx", "baskets", "quantities", "proposed_idx", "source_bits")


def counted(users: DataFrame, kitchen: Kitchen, plan: Plan, lengths: dict[str, int], limits: Segments) -> DataFrame:
    """One row a placement, segment, system and number of places: the sums of `models.ledger.count`.

    Args:
        users: NEEDED columns of `with_candidates`, `truth_all`, `truth_new` and the `list_i` of `measuring.with_lists`.
        kitchen: artifacts of the day before the window; the segments that they know are told apart.
        plan: placements, sources and k.
        lengths: of each placement's lists; their first k places and all of them are counted.
        limits: baskets of new and light users.
    """

    def count_blocks(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        known = [name for name in kitchen.catalogue().segments if name != EVERYONE]
        for batch in batches:
            proposed = _proposed(batch)
            chosen = ledger.segments(
                batch.column("segment").to_pylist(), batch.column("n_baskets").to_numpy(), known, limits
            )
            for position, (placement, repeats) in enumerate(plan.placements):
                targets, places = "all" if repeats else "new", tuple(sorted({plan.k, lengths[placement]}))
                offsets, items = lists(batch.column(f"truth_{targets}"))
                counts = ledger.count(
                    proposed,
                    ranking_in(batch, f"list_{position}"),
                    truth_of(rows_of(offsets), items, n_rows=batch.num_rows),
                    n_sources=len(plan.sources),
                    places=places,
                    is_new_only=not repeats,
                )
                named = ledger.systems(plan.sources, places)
                yield _sums(counts.sum(axis=0), named, placement, targets, None)
                for segment, rows in chosen.items():
                    yield _sums(counts[rows].sum(axis=0), named, placement, targets, segment)

    partial = users.mapInArrow(count_blocks, SCHEMA)
    keys = [part.split()[0] for part in KEY_DDL.split(", ")]
    return partial.groupBy(*keys).agg(*[F.sum(name).alias(name) for name in COUNTS])


def _proposed(batch: pa.RecordBatch) -> Proposed:
    offsets, items = lists(batch.column("proposed_idx"))
    owned, bought = lists(batch.column("item_idx"))
    stands = (lists(batch.column("baskets"))[1] > 0) & (lists(batch.column("quantities"))[1] > 0)
    return Proposed(
        rows=rows_of(offsets),
        items=items,
        bits=lists(batch.column("source_bits"))[1],
        bought=np.sort(keys_of(rows_of(owned)[stands], bought[stands])),
        n_rows=batch.num_rows,
    )


def _sums(
    totals: Int64, named: list[tuple[str, int]], placement: str, targets: str, segment: str | None
) -> pa.RecordBatch:
    n = len(named)
    columns: list[pa.Array] = [
        pa.array([placement] * n),
        pa.array([targets] * n),
        pa.array([segment] * n, pa.string()),
        pa.array([system for system, _ in named]),
        pa.array([places for _, places in named], pa.int32()),
        *[pa.array(totals[:, column], pa.int64()) for column in range(len(COUNTS))],
    ]
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    return pa.RecordBatch.from_arrays(columns, names=names)
