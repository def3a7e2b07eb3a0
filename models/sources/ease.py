"""EASE^R as a scorer: what a linear model of items on items thinks of a candidate."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models import artifact
from models.ragged import AnyArray, Float32, Int32, Int64
from models.user_block import UserBlock


class Ease:
    """The sum of the weights from what the user bought to the candidate, for the most bought items.

    Method: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
    """

    def __init__(self, items: Int32, weights: Float32, n_items: int) -> None:
        """`items` are those of the model, ascending; `weights` their matrix, shape (n, n), an empty diagonal."""
        self._weights = np.asarray(weights)
        self._position = np.full(n_items, -1, dtype=np.int64)
        self._position[items] = np.arange(len(items))

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The score of each pair; NaN for an item outside the model."""
        scores = np.full(len(rows), np.nan, dtype=np.float32)
        wanted = self._position[items]
        inside = wanted >= 0
        bought = self._position[block.bought.item_idx]
        known = bought >= 0
        incidence = np.zeros((block.n_users, len(self._weights)), dtype=np.float32)
        incidence[block.bought.rows[known], bought[known]] = 1
        scores[inside] = (incidence @ self._weights)[rows[inside], wanted[inside]]
        return scores


def to_arrays(items: Int32, weights: Float32) -> dict[str, AnyArray]:
    """The arrays of a fitted model, by their names in the artifact."""
    return {"ease_items": items.astype(np.int32), "ease_weights": weights}


def load(folder: Path, n_items: int) -> Ease:
    """The scorer of an artifact, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    return Ease(np.asarray(artifact.array(folder, "ease_items")), artifact.array(folder, "ease_weights"), n_items)
