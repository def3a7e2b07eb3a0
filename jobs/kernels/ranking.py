"""Candidates scored by the ranker, and lists cut from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from contracts.days import day_number
from contracts.settings import Placement
from jobs.kernels.blocks import Kitchen
from models import candidates as candidate_rows
from models import ranker, ranking_features
from models.candidates import CandidateBlock
from models.ragged import Float32, offsets_of, rank_within, to_lists
from models.ranker import Scorer
from models.sources.base import is_new
from models.user_block import read_block

RANKED_SCHEMA: Final = (
    "placement string, user_idx int, item_idx array<int>, scores array<float>, source_bits array<int>, "
    "main_sources array<int>"
)
KEPT_PER_LENGTH: Final = 4


@dataclass(frozen=True, slots=True)
class Boosters:
    """Where a Python worker finds the boosters of a ranker artifact."""

    open_folder: Callable[[], Path]
    variant: str

    def load(self, placement: str) -> Scorer:
        """The booster of a placement with its tables, loaded and made once a worker."""
        return _scorer(self.open_folder(), f"{self.variant}-{placement}")


@lru_cache(maxsize=8)
def _scorer(folder: Path, name: str) -> Scorer:
    return ranker.scorer(ranker.load(folder, name))


def rank(
    users: DataFrame, kitchen: Kitchen, boosters: Boosters, placements: dict[str, Placement], *, repeats: bool
) -> DataFrame:
    """Rows of the table `ranked` without `as_of`: one a user and placement, best first.

    Args:
        users: the result of `with_candidates` for the kitchen's date.
        kitchen: artifacts and settings.
        boosters: the ranker.
        placements: by name; one without repeats ranks new items only.
        repeats: whether the shop allows repeats at all.
    """
    today = day_number(kitchen.as_of)
    n_sources, n_scorers = len(kitchen.settings.sources), len(kitchen.settings.scorers)

    def rank_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        items = kitchen.catalogue().items
        for batch in blocks:
            block = read_block(batch, items.n_items)
            proposed = candidate_rows.read(batch, n_sources, n_scorers)
            features = ranking_features.matrix(block, proposed, items, today=today)
            new = is_new(block, proposed.rows, proposed.items)
            for name, placement in placements.items():
                shown = np.ones(len(new), dtype=bool) if placement.repeats and repeats else new
                scores = ranker.predict(boosters.load(name), features[shown])
                yield _ranked(batch, proposed.take(shown), scores, name, KEPT_PER_LENGTH * placement.length)

    return users.mapInArrow(rank_blocks, RANKED_SCHEMA)


def _ranked(batch: pa.RecordBatch, shown: CandidateBlock, scores: Float32, placement: str, kept: int) -> pa.RecordBatch:
    order, ranks = rank_within(shown.rows, scores, shown.items)
    order = order[ranks <= kept]
    offsets = offsets_of(shown.rows[order], batch.num_rows)
    columns = {
        "placement": pa.array([placement] * batch.num_rows),
        "user_idx": batch.column("user_idx"),
        "item_idx": to_lists(offsets, shown.items[order], pa.int32()),
        "scores": to_lists(offsets, scores[order], pa.float32()),
        "source_bits": to_lists(offsets, shown.bits[order], pa.int32()),
        "main_sources": to_lists(offsets, candidate_rows.main_sources(shown.ranks)[order], pa.int32()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
