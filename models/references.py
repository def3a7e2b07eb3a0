"""Naive recommenders that any model must beat, for a block of users."""

from __future__ import annotations

import numpy as np

from models.histories import Pairs
from models.ragged import AnyArray, Int32, Int64
from models.rankings import NOTHING, Assortment, Ranking, is_in, keys_of, no_ranking, ranking_of


def own_by_frequency(bought: Pairs, assortment: Assortment, *, n_rows: int) -> Ranking:
    """A user's own allowed items by baskets; ties by recent popularity, then the later purchase, then the lower index.

    Ties by popularity make the stronger reference: most own items were bought once.

    Args:
        bought: pairs with a purchase (`is_bought`).
        assortment: items that may be recommended.
        n_rows: users of the block.
    """
    own = bought.take(assortment.allows(bought.item_idx))
    buyers = assortment.popularity[own.item_idx]
    order = np.lexsort((own.item_idx, -own.last_days, -buyers, -own.baskets, own.rows))
    return Ranking(own.rows[order], own.item_idx[order], n_rows)


def personal_then_popular(bought: Pairs, assortment: Assortment, left_out: Int64, *, n_rows: int, k: int) -> Int32:
    """Own items by frequency, then the recently popular ones; shape (n_rows, k), empty places -1.

    Args:
        bought: pairs with a purchase.
        assortment: items that may be recommended, with their recent buyers.
        left_out: sorted keys of items not to recommend, such as those already bought.
        n_rows: users of the block.
        k: length of a list.
    """
    own = own_by_frequency(bought, assortment, n_rows=n_rows)
    return then_popular(own.where(~is_in(own.keys, left_out)), assortment, left_out, k=k)


def popular(assortment: Assortment, left_out: Int64, *, n_rows: int, k: int) -> Int32:
    """The recently popular items, those `left_out` aside; shape (n_rows, k), empty places -1."""
    return then_popular(no_ranking(n_rows), assortment, left_out, k=k)


def then_popular(ranking: Ranking, assortment: Assortment, left_out: Int64, *, k: int) -> Int32:
    """The first k of a ranking, filled up with popular items that are neither in it nor `left_out`.

    Returns:
        Items, shape (n_rows, k), int32, best first, empty places -1.
    """
    top = ranking.top(k)
    taken = np.sort(np.concatenate([ranking.keys, left_out]))
    order = assortment.order
    place = np.full(assortment.n_items, len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    known = taken[assortment.allows(taken & 0xFFFFFFFF)]
    most = int(np.bincount(known >> 32, minlength=1).max())
    width = min(len(order), k + most)
    is_free = np.ones((ranking.n_rows, width), dtype=bool)
    places = place[known & 0xFFFFFFFF]
    is_free[(known >> 32)[places < width], places[places < width]] = False
    filled = np.minimum(ranking.counts, k)
    slots = np.cumsum(is_free, axis=1) - 1 + filled[:, None]
    rows, columns = np.nonzero(is_free & (slots < k))
    top[rows, slots[rows, columns]] = order[columns]
    return top


def candidates_by_own(
    rows: Int64, items: Int32, bought: Pairs, assortment: Assortment, *, n_rows: int
) -> tuple[Ranking, Ranking]:
    """Candidates by own frequency then popularity, and by popularity alone; every candidate is in both."""
    keys = keys_of(bought.rows, bought.item_idx)
    wanted = keys_of(rows, items)
    at = np.minimum(np.searchsorted(keys, wanted), max(len(keys) - 1, 0))
    own = is_in(wanted, keys)
    baskets = np.where(own, bought.baskets[at] if len(keys) else 0, 0)
    last_days = np.where(own, bought.last_days[at] if len(keys) else 0, NOTHING)
    buyers = np.where(assortment.allows(items), _at(assortment.popularity, items), 0)
    order = np.lexsort((items, -last_days, -buyers, -baskets, rows))
    return Ranking(rows[order], items[order], n_rows), ranking_of(rows, items, buyers, n_rows=n_rows, ties=items)


def by_source_score(rows: Int64, items: Int32, scores: AnyArray, *, n_rows: int) -> Ranking:
    """Candidates that one source scored, by its score; ties by lower index. With the scores of ALS: ALS alone."""
    return ranking_of(rows, items, scores, n_rows=n_rows, ties=items)


def by_source_rank(rows: Int64, items: Int32, ranks: AnyArray, *, n_rows: int) -> Ranking:
    """What one source proposed, in its own order; rank 0 was not proposed."""
    proposed = ranks > 0
    places = -ranks[proposed].astype(np.int64)
    return ranking_of(rows[proposed], items[proposed], places, n_rows=n_rows, ties=items[proposed])


def _at(values: Int64, items: AnyArray) -> Int64:
    if not len(values):
        return np.zeros(len(items), dtype=np.int64)
    return np.asarray(values[np.clip(items, 0, len(values) - 1)])
