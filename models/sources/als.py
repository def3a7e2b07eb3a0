"""New items by the score of implicit ALS."""

from __future__ import annotations

import numpy as np

from models.ragged import Bool, Float32, Int32, Int64
from models.sources.base import Proposals, best, nothing
from models.top_scores import top_scores
from models.user_block import UserBlock

_CHUNK_ROWS = 65_536


class Als:
    """Dot products of user and item factors. Users and items the model never saw have zero factors and no score."""

    def __init__(self, user_factors: Float32, item_factors: Float32, allowed: Bool) -> None:
        """Factors of shape (n, f), float32; only allowed items with a factor are proposed."""
        self._users = user_factors
        self._items = item_factors
        usable = allowed[: len(item_factors)] & (np.abs(item_factors).sum(axis=1) > 0)
        by_norm = np.argsort(-np.linalg.norm(item_factors, axis=1), kind="stable")
        self._usable = by_norm[usable[by_norm]].astype(np.int32)  # `top_scores` spares most where norms fall
        self._position = np.full(len(item_factors), -1, dtype=np.int32)
        self._position[self._usable] = np.arange(len(self._usable), dtype=np.int32)
        self._factors = np.ascontiguousarray(item_factors[self._usable])

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """The `n` best items the user has not bought."""
        query = self._query(block.user_idx)
        known = np.flatnonzero(np.abs(query).sum(axis=1) > 0)
        n = min(n, len(self._usable))
        if n == 0 or not len(known):
            return nothing()
        rows, positions, scores = top_scores(query[known], self._factors, *self._bought(block, known), n)
        return best(known[rows], self._usable[positions], scores, n)

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The dot product of each pair; NaN for an item outside the model, 0 for a user outside it."""
        query = self._query(block.user_idx)
        scores = np.full(len(rows), np.nan, dtype=np.float32)
        for start in range(0, len(rows), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            inside = items[part] < len(self._items)
            left, right = query[rows[part][inside]], self._items[items[part][inside]]
            scores[part][inside] = np.einsum("ij,ij->i", left, right)
        return scores

    def _query(self, user_idx: Int32) -> Float32:
        query = np.zeros((len(user_idx), self._items.shape[1]), dtype=np.float32)
        inside = user_idx < len(self._users)
        query[inside] = self._users[user_idx[inside]]
        return query

    def _bought(self, block: UserBlock, known: Int64) -> tuple[Int64, Int32]:
        """Row among `known`, ascending, and position among the usable items of each pair bought."""
        row_of = np.full(block.n_users, -1, dtype=np.int64)
        row_of[known] = np.arange(len(known))
        inside = block.bought.item_idx < len(self._position)
        rows, columns = row_of[block.bought.rows[inside]], self._position[block.bought.item_idx[inside]]
        usable = (rows >= 0) & (columns >= 0)
        return rows[usable], columns[usable]
