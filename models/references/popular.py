"""What everyone bought lately."""

from __future__ import annotations

from models.ragged import Int32, Int64
from models.rankings import Assortment, Ranking, no_ranking, ranking_of
from models.references.base import Past


class Popular:
    """Items by their buyers of the last 28 days, ties by lower index."""

    def rank(self, past: Past, assortment: Assortment, left_out: Int64, placement: str) -> Ranking:
        """Nothing: popular items follow in any case."""
        del assortment, left_out, placement
        return no_ranking(past.n_rows)

    def order(self, past: Past, assortment: Assortment, rows: Int64, items: Int32, placement: str) -> Ranking:
        """Every candidate."""
        del placement
        return ranking_of(rows, items, assortment.buyers_of(items), n_rows=past.n_rows, ties=items)
