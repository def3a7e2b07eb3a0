"""The lists of one source, as the ranker would hand them on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame

from jobs.kernels.ranking import RANKED_SCHEMA
from models import candidates as candidate_rows
from models.ragged import offsets_of, to_lists
from models.references.single import by_source_rank


def ranked_by_source(candidates: DataFrame, n_sources: int, source: int, placement: str) -> DataFrame:
    """Rows of the table `ranked` without `as_of`: what one source proposed, in its order.

    Scores are one over the rank, so that they fall as a ranker's do.

    Args:
        candidates: of the date.
        n_sources: sources whose ranks it holds.
        source: position of the one.
        placement: whose rows they are.
    """
    renamed = candidates.withColumnRenamed("item_idx", "proposed_idx")

    def rank_blocks(blocks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in blocks:
            made = candidate_rows.read(batch, n_sources)
            ranking = by_source_rank(made.rows, made.items, made.ranks[:, source], n_rows=batch.num_rows)
            offsets = offsets_of(ranking.rows, batch.num_rows)
            n = len(ranking.rows)
            columns = {
                "placement": pa.array([placement] * batch.num_rows),
                "user_idx": batch.column("user_idx"),
                "item_idx": to_lists(offsets, ranking.items, pa.int32()),
                "scores": to_lists(offsets, 1 / (ranking.positions + 1), pa.float32()),
                "source_bits": to_lists(offsets, np.full(n, 1 << source), pa.int32()),
                "main_sources": to_lists(offsets, np.full(n, source), pa.int32()),
            }
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    return renamed.mapInArrow(rank_blocks, RANKED_SCHEMA)
