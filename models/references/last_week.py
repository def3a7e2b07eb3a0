"""What people would see if nobody had cooked this week."""

from __future__ import annotations

import numpy as np

from models.ragged import Int32, Int64
from models.rankings import Assortment, Ranking, is_in, keys_of, no_ranking
from models.references.base import Past


class LastWeek:
    """The lists as of seven days earlier, as they were: what was bought meanwhile still takes its place."""

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """The earlier list; users it did not know see popular items."""
        del assortment, left_out
        return past.earlier.get(placement, no_ranking(past.n_rows))

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """The candidates that were in the earlier list, in its order."""
        del assortment
        made = past.earlier.get(placement, no_ranking(past.n_rows))
        return made.where(is_in(made.keys, np.asarray(keys_of(rows, items))))
