"""One candidate source on its own."""

from __future__ import annotations

import numpy as np

from models.ragged import AnyArray, Int32, Int64
from models.rankings import Ranking, ranking_of


def by_source_rank(rows: Int64, items: Int32, ranks: AnyArray, *, n_rows: int) -> Ranking:
    """What one source proposed, in its own order; rank 0 was not proposed."""
    proposed = ranks > 0
    places = -ranks[proposed].astype(np.int64)
    return ranking_of(rows[proposed], items[proposed], places, n_rows=n_rows, ties=items[proposed])
