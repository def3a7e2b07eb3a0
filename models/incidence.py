"""What the users of a batch of `histories` bought, as rows, items and a matrix."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.ragged import Bool, Int32, Int64, lists, rows_of

COLUMNS: Final = ("user_idx", "item_idx", "baskets", "quantities")


def stands(batch: pa.RecordBatch, n_items: int) -> Bool:
    """True for the pairs, flat, with a purchase that stands, of items below `n_items`."""
    items, baskets, quantities = (lists(batch.column(name))[1] for name in ("item_idx", "baskets", "quantities"))
    return np.asarray((baskets > 0) & (quantities > 0) & (items < n_items))


def bought(batch: pa.RecordBatch, n_items: int) -> tuple[Int64, Int32]:
    """Row and item of each pair that stands."""
    offsets, items = lists(batch.column("item_idx"))
    kept = stands(batch, n_items)
    return rows_of(offsets)[kept], items[kept]


def matrix(batch: pa.RecordBatch, n_items: int) -> sparse.csr_matrix:
    """1 where a user of the batch bought the item, float32, shape (users, n_items)."""
    rows, items = bought(batch, n_items)
    return sparse.csr_matrix((np.ones(len(items), np.float32), (rows, items)), shape=(batch.num_rows, n_items))
