"""New items that are neighbours of what the user bought: co-visited, alike in content, or of the same category."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from scipy import sparse

from models.ragged import Bool, Float32, Int32, Int64, offsets_of, top_within
from models.sources.base import Proposals, best, is_new
from models.user_block import UserBlock, find

MAX_SEEDS: Final = 100


Seeds = Callable[[UserBlock], sparse.csr_matrix]


def strongest(block: UserBlock) -> sparse.csr_matrix:
    """The pairs of each user with the highest event weight halved every 60 days, at most MAX_SEEDS."""
    pairs = block.pairs.take(block.pairs.weights > 0)
    rows, items, _ = top_within(pairs.rows, pairs.weights, pairs.item_idx, MAX_SEEDS)
    position = find(block.keys(pairs.rows, pairs.item_idx), block.keys(rows, items))
    return sparse.csr_matrix((pairs.weights[position], (rows, items)), shape=(block.n_users, block.n_items))


def last_basket(block: UserBlock) -> sparse.csr_matrix:
    """What each user bought on the last day with a purchase, at weight 1, at most MAX_SEEDS items."""
    bought = block.bought
    last = np.full(block.n_users, -1, dtype=np.int64)
    np.maximum.at(last, bought.rows, bought.last_days)
    pairs = bought.take(bought.last_days == last[bought.rows])
    rows, items, _ = top_within(pairs.rows, pairs.quantities, pairs.item_idx, MAX_SEEDS)
    ones = np.ones(len(rows), dtype=np.float32)
    return sparse.csr_matrix((ones, (rows, items)), shape=(block.n_users, block.n_items))


class Neighbours:
    """Score of an item: the sum over the user's seeds of seed weight times similarity."""

    def __init__(self, similarity: sparse.csr_matrix, allowed: Bool, seeds: Seeds = strongest) -> None:
        """A source over fixed similarities.

        Args:
            similarity: shape (n_items, n_items), few entries a row and an empty diagonal.
            allowed: items that may be proposed.
            seeds: the seed weights of a block, shape (n_users, n_items).
        """
        self._similarity = similarity
        self._allowed = allowed
        self.seeds = seeds
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
        """The bought item that contributes most to each pair's score; -1 where none of those bought contributes.

        Args:
            block: the users.
            rows: the user's row, ascending.
            items: item index; a (row, item) occurs once.
        """
        from models import anchor_kernel

        seeds = self.seeds(block).tocoo()
        is_bought = block.bought_position(seeds.row.astype(np.int64), seeds.col.astype(np.int32)) >= 0
        order = np.lexsort((seeds.col[is_bought], seeds.row[is_bought]))
        anchors = np.full(len(rows), -1, dtype=np.int32)
        anchor_kernel.strongest(
            offsets_of(seeds.row[is_bought][order], block.n_users),
            seeds.col[is_bought][order].astype(np.int32),
            seeds.data[is_bought][order].astype(np.float32),
            self._similarity.indptr.astype(np.int64),
            self._similarity.indices.astype(np.int32, copy=False),
            self._similarity.data.astype(np.float32, copy=False),
            offsets_of(rows, block.n_users),
            np.ascontiguousarray(items, dtype=np.int32),
            block.n_items,
            anchors,
        )
        return anchors

    def _scores(self, block: UserBlock) -> sparse.csr_matrix:
        if self._cached is None or self._cached[0] is not block:
            product = (self.seeds(block) @ self._similarity).tocsr()
            product.sort_indices()
            self._cached = (block, product.astype(np.float32))
        return self._cached[1]
