"""Ordered items of a block of users, and what they are held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.ragged import AnyArray, Bool, Int32, Int64, offsets_of, rank_within
from models.user_block import find

NOTHING = -1


def keys_of(rows: AnyArray, items: AnyArray) -> Int64:
    """One int64 a (row, item), ascending with row, then item; items must not be negative."""
    return (rows.astype(np.int64) << 32) + items


def is_in(keys: Int64, known: Int64) -> Bool:
    """True where a key is among `known`, which is sorted."""
    return np.asarray(find(known, keys) >= 0)


@dataclass(frozen=True, slots=True)
class Ranking:
    """Items of each user, best first, none twice.

    Attributes:
        rows: user's row in the block, ascending.
        items: item indices, best first inside a row.
        n_rows: users of the block, those without items included.
    """

    rows: Int64
    items: Int32
    n_rows: int

    @property
    def keys(self) -> Int64:
        """One key an item, in the ranking's order."""
        return keys_of(self.rows, self.items)

    @property
    def counts(self) -> Int64:
        """Items of each user, shape (n_rows,)."""
        return np.bincount(self.rows, minlength=self.n_rows).astype(np.int64)

    @property
    def positions(self) -> Int64:
        """Place of each item inside its row, from 0."""
        return np.arange(len(self.rows), dtype=np.int64) - offsets_of(self.rows, self.n_rows)[self.rows]

    def where(self, keep: Bool) -> Ranking:
        """The items that `keep` holds, order unchanged."""
        return Ranking(self.rows[keep], self.items[keep], self.n_rows)

    def top(self, k: int) -> Int32:
        """The first `k` items, shape (n_rows, k), int32, empty places -1."""
        top = np.full((self.n_rows, k), NOTHING, dtype=np.int32)
        places = self.positions
        inside = places < k
        top[self.rows[inside], places[inside]] = self.items[inside]
        return top


def ranking_of(rows: Int64, items: Int32, scores: npt.NDArray[np.generic], *, n_rows: int, ties: AnyArray) -> Ranking:
    """Items by score, best first; ties by lower `ties`. Items without a score (NaN) are left out."""
    has = ~np.isnan(scores.astype(np.float64))
    rows, items = rows[has], items[has]
    order, _ = rank_within(rows, scores[has].astype(np.float64), ties[has])
    return Ranking(rows[order], items[order].astype(np.int32), n_rows)


def no_ranking(n_rows: int) -> Ranking:
    """Users without any item."""
    return Ranking(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), n_rows)


@dataclass(frozen=True, slots=True)
class Truth:
    """What each user took in the window.

    Attributes:
        keys: sorted keys of the items.
        counts: items of each user, shape (n_rows,); an item that no system can know counts, and is never hit.
    """

    keys: Int64
    counts: Int64

    @property
    def rows(self) -> Int64:
        """The user's row of each key."""
        return np.asarray(self.keys >> 32)

    @property
    def items(self) -> Int64:
        """The item of each key."""
        return np.asarray(self.keys & 0xFFFFFFFF)

    def within(self, known: Int64) -> Truth:
        """The part of the truth that is among the sorted keys `known`; the rest is not counted."""
        keys = self.keys[is_in(self.keys, known)]
        return Truth(keys, np.bincount(keys >> 32, minlength=len(self.counts)).astype(np.int64))


def truth_of(rows: Int64, items: AnyArray, *, n_rows: int) -> Truth:
    """The truth of a block, items in any order; negative items are unknown ones and only count."""
    counts = np.bincount(rows, minlength=n_rows).astype(np.int64)
    known = items >= 0
    return Truth(np.sort(keys_of(rows[known], items[known])), counts)


@dataclass(frozen=True, slots=True)
class Assortment:
    """The items that may be recommended, and how popular they are.

    Attributes:
        popularity: recent buyers by item index.
        is_allowed: False for items that no list may hold, by item index.
        order: allowed items, most popular first, ties by lower index.
        levels: dense rank of the popularity from 0, by item index.
        below: allowed items with a lower level, by level, one entry more than there are levels.
    """

    popularity: Int64
    is_allowed: Bool
    order: Int64
    levels: Int64
    below: Int64

    @property
    def n_items(self) -> int:
        """Items of the vocabulary."""
        return len(self.is_allowed)

    def allows(self, items: AnyArray) -> Bool:
        """True for items of the vocabulary that may be recommended."""
        inside = (items >= 0) & (items < self.n_items)
        return inside & self.is_allowed[np.where(inside, items, 0)] if self.n_items else inside

    def buyers_of(self, items: AnyArray) -> Int64:
        """Recent buyers of items; 0 for those that may not be recommended."""
        buyers = np.zeros(len(items), dtype=np.int64)
        known = self.allows(items)
        buyers[known] = self.popularity[items[known]]
        return buyers


def assortment_of(popularity: AnyArray, is_allowed: Bool) -> Assortment:
    """The assortment of `popularity` (recent buyers) and `is_allowed`, both by item index."""
    counts = np.nan_to_num(np.asarray(popularity, dtype=np.float64)).astype(np.int64)
    allowed = np.asarray(is_allowed, dtype=bool)
    order = np.lexsort((np.arange(len(counts)), -counts))
    values, levels = np.unique(counts, return_inverse=True)
    of_level = np.bincount(levels[allowed], minlength=len(values))
    return Assortment(
        popularity=counts,
        is_allowed=allowed,
        order=order[allowed[order]].astype(np.int64),
        levels=levels.astype(np.int64),
        below=np.concatenate([[0], np.cumsum(of_level)]).astype(np.int64),
    )
