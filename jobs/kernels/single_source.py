"""The lists of one source, as the ranker would hand them on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from contracts.settings import Candidates
from jobs.kernels.ranking import RANKED_SCHEMA
from models import candidates as candidate_rows
from models.candidates import CandidateBlock
from models.ragged import offsets_of, to_lists
from models.references.single import by_source_rank


def ranked_by_source(candidates: DataFrame, wanted: Candidates, source: int, placement: str) -> DataFrame:
    """Rows of the table `ranked` without `as_of`: what one source proposed, in its order.

    Scores fall by one a place, from 0, so that every place is worth the same to the objectives that follow.

    Args:
        candidates: of the date.
        wanted: the sources and scorers that it was made with.
        source: position of the one.
        placement: whose rows they are.
    """
    n_sources, n_scorers = len(wanted.sources), len(wanted.scorers)
    renamed = candidates.withColumnRenamed("item_idx", "proposed_idx")

    def rank_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in blocks:
            yield ranked_batch(batch, candidate_rows.read(batch, n_sources, n_scorers), source, placement)

    return renamed.mapInArrow(rank_blocks, RANKED_SCHEMA)


def ranked_batch(batch: pa.RecordBatch, made: CandidateBlock, source: int, placement: str) -> pa.RecordBatch:
    """The rows of a block of users, whose `user_idx` the batch has."""
    ranking = by_source_rank(made.rows, made.items, made.ranks[:, source], n_rows=batch.num_rows)
    offsets, n = offsets_of(ranking.rows, batch.num_rows), len(ranking.rows)
    columns = {
        "placement": pa.array([placement] * batch.num_rows),
        "user_idx": batch.column("user_idx"),
        "item_idx": to_lists(offsets, ranking.items, pa.int32()),
        "scores": to_lists(offsets, -ranking.positions, pa.float32()),
        "source_bits": to_lists(offsets, np.full(n, 1 << source), pa.int32()),
        "main_sources": to_lists(offsets, np.full(n, source), pa.int32()),
    }
    return pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
