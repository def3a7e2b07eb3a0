"""Training rows from candidates and what followed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from models.candidates import CandidateBlock
from models.ragged import AnyArray, Bool, from_bytes, lists, offsets_of, to_bytes, to_lists
from models.ranker import Examples, is_sampled
from models.sources.base import is_new
from models.user_block import UserBlock, find

_SPAN = np.int64(1) << 32


@dataclass(frozen=True, slots=True)
class Labelled:
    """The sampled candidates of a block, with 1 where the user bought the item in the window."""

    candidates: CandidateBlock
    labels: AnyArray
    is_new: Bool


def label(
    block: UserBlock, candidates: CandidateBlock, bought_after: pa.Array, *, negative_share: float, seed: int
) -> Labelled:
    """Every bought candidate and a uniform share of the others, of users who bought at least one candidate.

    Args:
        bought_after: list of item indices a user of the block bought in the window; null where none.
        negative_share: kept share of the candidates that were not bought.
        seed: of the sampling hash; the window's date should be part of it.
    """
    offsets, items = lists(bought_after)
    truth_rows = np.repeat(np.arange(block.n_users, dtype=np.int64), np.diff(offsets))
    truth = np.unique(truth_rows * _SPAN + items)
    wanted = candidates.rows * _SPAN + candidates.items
    labels = (find(truth, wanted) >= 0).astype(np.int8)
    positives = np.bincount(candidates.rows, weights=labels, minlength=block.n_users)
    sampled = is_sampled(
        block.user_idx[candidates.rows].astype(np.int64) * _SPAN + candidates.items, negative_share, seed
    )
    keep = (positives[candidates.rows] > 0) & ((labels == 1) | sampled)
    kept = candidates.take(keep)
    return Labelled(kept, labels[keep], is_new(block, kept.rows, kept.items))


def to_columns(labelled: Labelled, features: AnyArray, n_users: int) -> dict[str, pa.Array]:
    """The columns `labels`, `is_new` and `features` of the table `examples`."""
    offsets = offsets_of(labelled.candidates.rows, n_users)
    return {
        "labels": to_lists(offsets, labelled.labels, pa.int8()),
        "is_new": to_lists(offsets, labelled.is_new, pa.bool_()),
        "features": to_bytes(offsets, features),
    }


def shown(table: pa.Table, *, repeats: bool) -> Examples:
    """The rows that a placement may show, of users who bought one of them; none where nobody did.

    Args:
        table: `labels`, `is_new` and `features` of the table `examples`, one row a user and window.
        repeats: whether items bought before count.
    """
    offsets, labels = lists(table["labels"])
    features = from_bytes(table["features"], np.float32).reshape(len(labels), -1)
    rows = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    usable = np.ones(len(labels), dtype=bool) if repeats else lists(table["is_new"])[1].astype(bool)
    bought = np.bincount(rows[usable], weights=labels[usable], minlength=len(offsets) - 1)
    kept = usable & (bought[rows] > 0)
    groups = np.bincount(rows[kept], minlength=len(offsets) - 1)
    return Examples(features=features[kept], labels=labels[kept], groups=groups[groups > 0])
