"""What a reference is, and what those that score items share."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Final, Protocol

import numpy as np
from scipy import sparse

from models.histories import Pairs
from models.ragged import Int32, Int64, rows_of, top_within
from models.rankings import Assortment, Ranking, keys_of, no_ranking, ranking_of
from models.user_block import find

DEPTH: Final = 200  # items of a user that a reference ranks, as many as the ranker keeps; the rest follow by popularity


@dataclass(frozen=True, slots=True)
class Past:
    """A block of users and what was known of them on the day before the cut.

    Attributes:
        user_idx: shape (n_rows,).
        bought: pairs with a purchase that stands.
        earlier: by placement, the lists that a week earlier had for them.
    """

    user_idx: Int32
    bought: Pairs
    earlier: dict[str, Ranking] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Users of the block."""
        return len(self.user_idx)


class Reference(Protocol):
    """One naive recommender. Adding one is a module here and a line in `models.references.registry`."""

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """The items that it has an opinion on, best first, none of them `left_out`; popular items follow them.

        Args:
            past: what was known.
            assortment: items that may be recommended, with their recent buyers.
            left_out: sorted keys of items that the placement does not show, such as those already bought.
            placement: its name.
        """
        ...

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """The candidates (ascending by row, then item) that it has an opinion on, best first."""
        ...


class Scored:
    """A reference that is a score of each user's items, higher is better, items without an entry unknown."""

    def __init__(self) -> None:
        """No block is scored yet."""
        self._cached: tuple[Past, sparse.csr_matrix] | None = None

    @abstractmethod
    def scores(self, past: Past) -> sparse.csr_matrix:
        """Scores, shape (n_rows, n_items), sparse; entries are positive."""

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """The DEPTH best items of each user, ties by lower index."""
        del placement
        scores = self._of(past)
        bounds = np.searchsorted(left_out, np.arange(past.n_rows + 1, dtype=np.int64) << 32)
        found = [
            _best(scores, row, assortment, left_out[bounds[row] : bounds[row + 1]] & 0xFFFFFFFF)
            for row in range(past.n_rows)
        ]
        at = np.concatenate([*found, np.zeros(0, dtype=np.int64)])
        rows = np.repeat(np.arange(past.n_rows), [len(entries) for entries in found])
        rows, items, _ = top_within(rows, scores.data[at], scores.indices[at], DEPTH)
        return Ranking(rows, items, past.n_rows)

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """The candidates with a score, best first, ties by lower index."""
        del assortment, placement
        scores = self._of(past)
        at = find(keys_of(rows_of(scores.indptr), scores.indices), keys_of(rows, items))
        known = at >= 0
        return ranking_of(rows[known], items[known], scores.data[at[known]], n_rows=past.n_rows, ties=items[known])

    def _of(self, past: Past) -> sparse.csr_matrix:
        if self._cached is None or self._cached[0] is not past:
            scores = self.scores(past).tocsr().astype(np.float32)
            scores.sort_indices()
            self._cached = (past, scores)
        return self._cached[1]


def _best(scores: sparse.csr_matrix, row: int, assortment: Assortment, left_out: Int64) -> Int64:
    """Positions of the DEPTH best entries of a row that may be shown, and of all that tie with the last of them.

    A row of a wide catalogue has tens of thousands of entries, and sorting all of them would cost more than scoring.
    """
    start, end = scores.indptr[row], scores.indptr[row + 1]
    items, values = scores.indices[start:end], scores.data[start:end]
    shown = assortment.allows(items)
    at = np.minimum(np.searchsorted(items, left_out), max(len(items) - 1, 0))
    if len(items):
        shown[at[items[at] == left_out]] = False
    kept = np.flatnonzero(shown)
    if len(kept) > DEPTH:
        least = np.partition(values[kept], len(kept) - DEPTH)[len(kept) - DEPTH]
        kept = kept[values[kept] >= least]
    return np.asarray(kept + start, dtype=np.int64)


class Silent:
    """A reference without opinions: only popular items are left."""

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """Nothing."""
        del assortment, left_out, placement
        return no_ranking(past.n_rows)

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """Nothing."""
        del assortment, rows, items, placement
        return no_ranking(past.n_rows)


def incidence(past: Past, n_items: int) -> sparse.csr_matrix:
    """1 where the user bought the item, shape (n_rows, n_items), float32; items beyond `n_items` are left out."""
    inside = past.bought.item_idx < n_items
    rows, items = past.bought.rows[inside], past.bought.item_idx[inside]
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, items)), shape=(past.n_rows, n_items))
