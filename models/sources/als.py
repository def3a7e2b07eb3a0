"""New items by the score of implicit ALS."""

from __future__ import annotations

import numpy as np
from implicit.cpu.topk import topk
from scipy import sparse

from models.ragged import Bool, Float32, Int32, Int64
from models.sources.base import Proposals, best
from models.user_block import UserBlock

_CHUNK_ROWS = 65_536


class Als:
    """Dot products of user and item factors. Users and items the model never saw have zero factors and no score."""

    def __init__(self, user_factors: Float32, item_factors: Float32, allowed: Bool) -> None:
        """Factors of shape (n, f), float32; only allowed items with a factor are proposed."""
        self._users = user_factors
        self._items = item_factors
        usable = allowed[: len(item_factors)] & (np.abs(item_factors).sum(axis=1) > 0)
        self._usable = np.flatnonzero(usable).astype(np.int32)
        self._position = np.full(len(item_factors), -1, dtype=np.int32)
        self._position[self._usable] = np.arange(len(self._usable), dtype=np.int32)
        self._factors = np.ascontiguousarray(item_factors[self._usable])

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """The `n` best items the user has not bought."""
        query = self._query(block.user_idx)
        n = min(n, len(self._usable))
        if n == 0 or not block.n_users:
            return best(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32), n)
        ids, scores = topk(self._factors, query, n, filter_query_items=self._bought(block), num_threads=1)
        rows = np.repeat(np.arange(block.n_users, dtype=np.int64), n)
        known = (np.abs(query).sum(axis=1) > 0)[rows]
        kept = known & (scores.ravel() > np.finfo(np.float32).min / 2)
        return best(rows[kept], self._usable[ids.ravel()[kept]], scores.ravel()[kept].astype(np.float32), n)

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

    def _bought(self, block: UserBlock) -> sparse.csr_matrix:
        inside = block.bought.item_idx < len(self._position)
        columns = self._position[block.bought.item_idx[inside]]
        usable = columns >= 0
        rows = block.bought.rows[inside][usable]
        ones = np.ones(len(rows), dtype=np.float32)
        return sparse.csr_matrix((ones, (rows, columns[usable])), shape=(block.n_users, len(self._usable)))
