"""Lists filled up with popular items."""

from __future__ import annotations

import numpy as np

from models.ragged import Int32, Int64
from models.rankings import Assortment, Ranking


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
