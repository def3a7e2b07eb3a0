"""New items that are neighbours of what the user bought: co-visited, alike in content, or of the same category."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from scipy import sparse

from models.ragged import Bool, Float32, Int32, Int64, offsets_of, rank_within, top_within
from models.sources.base import Proposals, best, is_new
from models.user_block import UserBlock, find

MAX_SEEDS: Final = 100
MAX_ANCHORS: Final = 40


class Neighbours:
    """Score of an item: the sum over the user's seeds of seed weight times similarity.

    Seeds are the user's pairs with the highest event weight halved every 60 days, at most MAX_SEEDS.
    """

    def __init__(self, similarity: sparse.csr_matrix, allowed: Bool) -> None:
        """`similarity` has shape (n_items, n_items), few entries a row and an empty diagonal."""
        self._similarity = similarity
        self._allowed = allowed
        self._cached: tuple[UserBlock, sparse.csr_matrix] | None = None

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """The `n` best neighbours the user has not bought."""
        scores = self._scores(block)
        rows = np.repeat(np.arange(block.n_users, dtype=np.int64), np.diff(scores.indptr))
        items = scores.indices.astype(np.int32)
        kept = (scores.data > 0) & self._allowed[items] & is_new(block, rows, items)
        return best(rows[kept], items[kept], scores.data[kept], n)

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The score of each pair, 0 where no seed is a neighbour."""
        scores = self._scores(block)
        known = np.repeat(np.arange(block.n_users, dtype=np.int64), np.diff(scores.indptr))
        position = find(block.keys(known, scores.indices.astype(np.int32)), block.keys(rows, items))
        found = np.zeros(len(rows), dtype=np.float32)
        inside = position >= 0
        found[inside] = scores.data[position[inside]]
        return found

    def anchors(self, block: UserBlock, rows: Int64, items: Int32) -> Int32:
        """The bought item that contributes most to each pair's score, among the user's strongest; -1 for none."""
        pairs = block.bought.take(block.bought.weights > 0)
        order, ranks = rank_within(pairs.rows, pairs.weights, pairs.item_idx)
        chosen = order[ranks <= MAX_ANCHORS]
        offsets = offsets_of(pairs.rows[chosen], block.n_users)
        counts = np.diff(offsets)[rows]
        entry = np.repeat(np.arange(len(rows)), counts)
        within = np.arange(len(entry)) - np.repeat(np.cumsum(counts) - counts, counts)
        seed = chosen[offsets[rows[entry]] + within]
        position = find(self._keys, pairs.item_idx[seed] * np.int64(block.n_items) + items[entry])
        gain = np.where(position >= 0, pairs.weights[seed] * self._similarity.data[position], 0)
        best_first = np.lexsort((pairs.item_idx[seed], -gain, entry))
        first = np.flatnonzero(np.r_[True, entry[best_first][1:] != entry[best_first][:-1]]) if len(entry) else entry
        top = best_first[first]
        anchors = np.full(len(rows), -1, dtype=np.int32)
        positive = gain[top] > 0
        anchors[entry[top[positive]]] = pairs.item_idx[seed[top[positive]]]
        return anchors

    @cached_property
    def _keys(self) -> Int64:
        rows = np.repeat(np.arange(self._similarity.shape[0], dtype=np.int64), np.diff(self._similarity.indptr))
        return rows * self._similarity.shape[1] + self._similarity.indices

    def seeds(self, block: UserBlock) -> sparse.csr_matrix:
        """Seed weights, shape (n_users, n_items)."""
        pairs = block.pairs.take(block.pairs.weights > 0)
        rows, items, _ = top_within(pairs.rows, pairs.weights, pairs.item_idx, MAX_SEEDS)
        position = find(block.keys(pairs.rows, pairs.item_idx), block.keys(rows, items))
        return sparse.csr_matrix((pairs.weights[position], (rows, items)), shape=(block.n_users, block.n_items))

    def _scores(self, block: UserBlock) -> sparse.csr_matrix:
        if self._cached is None or self._cached[0] is not block:
            product = (self.seeds(block) @ self._similarity).tocsr()
            product.sort_indices()
            self._cached = (block, product.astype(np.float32))
        return self._cached[1]
