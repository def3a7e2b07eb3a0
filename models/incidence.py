"""What the users of a batch of `histories` bought, as rows, items and a matrix."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.ragged import Int32, Int64, lists, rows_of

COLUMNS = ("user_idx", "item_idx", "baskets", "quantities")


def bought(batch: pa.RecordBatch, n_items: int) -> tuple[Int64, Int32]:
    """Row and item of each pair with a purchase that stands, of items below `n_items`."""
    offsets, items = lists(batch.column("item_idx"))
    stands = (lists(batch.column("baskets"))[1] > 0) & (lists(batch.column("quantities"))[1] > 0) & (items < n_items)
    return rows_of(offsets)[stands], items[stands]


def matrix(batch: pa.RecordBatch, n_items: int) -> sparse.csr_matrix:
    """1 where a user of the batch bought the item, float32, shape (users, n_items)."""
    rows, items = bought(batch, n_items)
    return sparse.csr_matrix((np.ones(len(items), np.float32), (rows, items)), shape=(batch.num_rows, n_items))
