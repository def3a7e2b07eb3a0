"""The user's own items, by how much and how lately they were bought and how often anyone buys them again."""

from __future__ import annotations

import numpy as np

from models.item_arrays import ItemArrays
from models.ragged import Bool, Float32, Int32, Int64
from models.sources.base import Proposals, best
from models.user_block import UserBlock

_PRIOR_REPEAT_RATE = np.float32(0.1)


class Own:
    """Items bought before. Score: baskets halved every 180 days, times the item's repeat rate with a floor."""

    def __init__(self, items: ItemArrays, allowed: Bool, limit: int) -> None:
        """`limit` caps the items of one user, whatever `n` is asked for."""
        self._repeat = np.asarray(items.numbers["repeat_rate"]) + _PRIOR_REPEAT_RATE
        self._allowed = allowed
        self._limit = limit

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """The user's allowed items, strongest first; `n` does not bound them, the source's own limit does."""
        del n
        kept = self._allowed[block.bought.item_idx]
        pairs = block.bought.take(kept)
        return best(pairs.rows, pairs.item_idx, pairs.decayed_180 * self._repeat[pairs.item_idx], self._limit)

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The score of bought items; NaN for others."""
        position = block.bought_position(rows, items)
        scores = np.full(len(rows), np.nan, dtype=np.float32)
        found = position >= 0
        scores[found] = block.bought.decayed_180[position[found]] * self._repeat[items[found]]
        return scores
