"""Implicit ALS over the whole catalogue, and nothing beside it."""

from __future__ import annotations

import numpy as np

from models.als import Factors
from models.ragged import Bool, Float32, Int32, Int64, top_within
from models.rankings import Assortment, Ranking, no_ranking, ranking_of
from models.references.base import DEPTH, Past
from models.top_scores import top_scores

_CHUNK_ROWS = 65_536


class AlsAlone:
    """Dot products of user and item factors; users and items without a factor have no score."""

    def __init__(self, factors: Factors, allowed: Bool) -> None:
        """Factors of the date, and True for items that may be recommended."""
        self._users, self._items = factors.users, factors.items
        usable = allowed[: len(self._items)] & (np.abs(self._items).sum(axis=1) > 0)
        by_norm = np.argsort(-np.linalg.norm(self._items, axis=1), kind="stable")
        self._usable = by_norm[usable[by_norm]].astype(np.int32)  # `top_scores` spares most where norms fall
        self._position = np.full(len(allowed), -1, dtype=np.int32)
        self._position[self._usable] = np.arange(len(self._usable), dtype=np.int32)
        self._factors = np.ascontiguousarray(self._items[self._usable])

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """The DEPTH best items of each user, own ones among them where they may be shown."""
        del placement
        query = self._query(past.user_idx)
        known = np.flatnonzero(np.abs(query).sum(axis=1) > 0)
        n = min(DEPTH, len(self._usable))
        if n == 0 or not len(known):
            return no_ranking(past.n_rows)
        gone = left_out[assortment.allows(left_out & 0xFFFFFFFF)]
        row_of = np.full(past.n_rows, -1, dtype=np.int64)
        row_of[known] = np.arange(len(known))
        left_rows, positions = row_of[gone >> 32], self._position[gone & 0xFFFFFFFF]
        counts = (left_rows >= 0) & (positions >= 0)
        rows, found, scores = top_scores(query[known], self._factors, left_rows[counts], positions[counts], n)
        rows, items, _ = top_within(known[rows], scores, self._usable[found], n)
        return Ranking(rows, items, past.n_rows)

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """The candidates with a factor, best first."""
        del assortment, placement
        query = self._query(past.user_idx)
        scores = np.full(len(rows), np.nan, dtype=np.float32)
        for start in range(0, len(rows), _CHUNK_ROWS):
            part = slice(start, start + _CHUNK_ROWS)
            inside = items[part] < len(self._items)
            left, right = query[rows[part][inside]], self._items[items[part][inside]]
            scores[part][inside] = np.einsum("ij,ij->i", left, right)
        return ranking_of(rows, items, scores, n_rows=past.n_rows, ties=items)

    def _query(self, user_idx: Int32) -> Float32:
        query = np.zeros((len(user_idx), self._items.shape[1]), dtype=np.float32)
        inside = user_idx < len(self._users)
        query[inside] = self._users[user_idx[inside]]
        return query
