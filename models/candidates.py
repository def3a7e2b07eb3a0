"""The candidates of a block of users: every source's proposals merged, with every source's and scorer's score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.ragged import (
    Float32,
    Int16,
    Int32,
    Int64,
    distinct,
    from_bytes,
    lists,
    offsets_of,
    rows_of,
    to_bytes,
    to_lists,
)  # fmt: skip
from models.sources.base import Scorer, Source
from models.user_block import UserBlock, find


@dataclass(frozen=True, slots=True)
class CandidateBlock:
    """Candidates of a block, flat, ordered by (row, item).

    Attributes:
        rows: the user's row.
        items: item index.
        bits: bit s is set when source s proposed the item.
        scores: shape (n, n_sources + n_scorers), NaN where one has none.
        ranks: shape (n, n_sources), from 1; 0 where not proposed.
    """

    rows: Int64
    items: Int32
    bits: Int32
    scores: Float32
    ranks: Int16

    def take(self, keep: np.ndarray) -> CandidateBlock:
        """The candidates selected by a mask or by positions."""
        return CandidateBlock(self.rows[keep], self.items[keep], self.bits[keep], self.scores[keep], self.ranks[keep])


def generate(
    block: UserBlock, sources: dict[str, Source], per_source: int, scorers: dict[str, Scorer]
) -> CandidateBlock:
    """The union of what each source proposes to each user.

    Args:
        block: the users.
        sources: by name, in the order of the columns.
        per_source: new items a source may propose to one user.
        scorers: by name; they score the candidates too, in the columns after those of the sources.
    """
    proposals = [source.propose(block, per_source) for source in sources.values()]
    keys = [block.keys(p.rows, p.items) for p in proposals]
    union = distinct(np.concatenate(keys)) if keys else np.zeros(0, dtype=np.int64)
    rows, items = union // block.n_items, (union % block.n_items).astype(np.int32)
    bits = np.zeros(len(union), dtype=np.int32)
    ranks = np.zeros((len(union), len(proposals)), dtype=np.int16)
    scores = np.empty((len(union), len(proposals) + len(scorers)), dtype=np.float32)
    for position, (source, proposed, key) in enumerate(zip(sources.values(), proposals, keys, strict=True)):
        where = find(union, key)
        bits[where] |= 1 << position
        ranks[where, position] = np.minimum(proposed.ranks, np.iinfo(np.int16).max)
        scores[:, position] = source.score(block, rows, items)
    for position, scorer in enumerate(scorers.values(), start=len(proposals)):
        scores[:, position] = scorer.score(block, rows, items)
    return CandidateBlock(rows, items, bits, scores, ranks)


def main_sources(ranks: Int16) -> Int32:
    """The source that ranked each candidate best, shape (n,); the earlier column wins a tie.

    Args:
        ranks: shape (n, n_sources), from 1; 0 where not proposed.
    """
    best: Int32 = np.where(ranks == 0, np.iinfo(np.int16).max, ranks).argmin(axis=1).astype(np.int32)
    return best


def to_columns(block: CandidateBlock, n_users: int) -> dict[str, pa.Array]:
    """The columns of `candidates` beside `as_of` and `user_idx`."""
    offsets = offsets_of(block.rows, n_users)
    return {
        "item_idx": to_lists(offsets, block.items, pa.int32()),
        "source_bits": to_lists(offsets, block.bits, pa.int32()),
        "source_scores": to_bytes(offsets, block.scores),
        "source_ranks": to_bytes(offsets, block.ranks),
    }


def read(batch: pa.RecordBatch, n_sources: int, n_scorers: int) -> CandidateBlock:
    """The candidates of a batch of users, whose items come as `proposed_idx`; rows are positions in the batch."""
    offsets, items = lists(batch.column("proposed_idx"))
    return CandidateBlock(
        rows=rows_of(offsets),
        items=items,
        bits=lists(batch.column("source_bits"))[1],
        scores=from_bytes(batch.column("source_scores"), np.float32).reshape(-1, n_sources + n_scorers),
        ranks=from_bytes(batch.column("source_ranks"), np.int16).reshape(-1, n_sources),
    )
