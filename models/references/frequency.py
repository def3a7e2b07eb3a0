"""What the user bought most often, then what is popular."""

from __future__ import annotations

import numpy as np

from models.histories import Pairs
from models.ragged import Int32, Int64
from models.rankings import NOTHING, Assortment, Ranking, is_in, keys_of
from models.references.base import Past
from models.user_block import find


class PersonalThenPopular:
    """A user's own items by baskets; ties by recent popularity, then the later purchase, then the lower index.

    Ties by popularity make the stronger reference: most own items were bought once.
    """

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """Own items that may be shown."""
        del placement
        own = own_by_frequency(past.bought, assortment, n_rows=past.n_rows)
        return own.where(~is_in(own.keys, left_out))

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """Every candidate: own ones first, the others by popularity."""
        del placement
        at = find(keys_of(past.bought.rows, past.bought.item_idx), keys_of(rows, items))
        own = at >= 0
        baskets, last_days = np.zeros(len(rows), dtype=np.int64), np.full(len(rows), NOTHING, dtype=np.int64)
        baskets[own], last_days[own] = past.bought.baskets[at[own]], past.bought.last_days[at[own]]
        order = np.lexsort((items, -last_days, -assortment.buyers_of(items), -baskets, rows))
        return Ranking(rows[order], items[order], past.n_rows)


def own_by_frequency(bought: Pairs, assortment: Assortment, *, n_rows: int) -> Ranking:
    """A user's own allowed items, best first.

    Args:
        bought: pairs with a purchase (`is_bought`).
        assortment: items that may be recommended.
        n_rows: users of the block.
    """
    own = bought.take(assortment.allows(bought.item_idx))
    buyers = assortment.popularity[own.item_idx]
    order = np.lexsort((own.item_idx, -own.last_days, -buyers, -own.baskets, own.rows))
    return Ranking(own.rows[order], own.item_idx[order], n_rows)
