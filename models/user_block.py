"""A block of users as the kernels see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from scipy import sparse

from models.histories import Pairs, empty_pairs, pairs_of
from models.ragged import Bool, Float32, Int32, Int64

USER_NUMBERS: Final = (
    "n_baskets", "n_items", "recency_days", "tenure_days", "basket_gap_days", "basket_size", "exploration_rate",
    "mean_price", "recent_activity", "line_quantity",
)  # fmt: skip


_FEW: Final = 10_000  # keys that are found before the compiled kernel is loaded


@dataclass(frozen=True, slots=True)
class UserBlock:
    """Users with their past, one row each.

    Attributes:
        user_idx: shape (n_users,).
        segments: the segment's text of each user.
        numbers: float32 user features by name, NaN where unknown.
        pairs: every pair of the users, ordered by (row, item).
        bought: the pairs with a purchase that stands.
        n_items: items of the vocabulary as of the date.
    """

    user_idx: Int32
    segments: list[str]
    numbers: dict[str, Float32]
    pairs: Pairs
    bought: Pairs
    n_items: int

    @property
    def n_users(self) -> int:
        """Users in the block."""
        return len(self.user_idx)

    def keys(self, rows: Int64, items: Int32) -> Int64:
        """One int64 a (row, item), ascending in row, then item."""
        return rows * np.int64(self.n_items) + items

    def bought_position(self, rows: Int64, items: Int32) -> Int64:
        """The position in `bought` of each (row, item), -1 where the user did not buy the item."""
        return find(self.keys(self.bought.rows, self.bought.item_idx), self.keys(rows, items))

    def matrix(self, pairs: Pairs, values: Float32) -> sparse.csr_matrix:
        """Values of pairs as a matrix, shape (n_users, n_items)."""
        return sparse.csr_matrix((values, (pairs.rows, pairs.item_idx)), shape=(self.n_users, self.n_items))


def find(sorted_keys: Int64, wanted: Int64) -> Int64:
    """The position of each wanted key in ascending, unique keys; -1 where absent. Ascending ones are found fastest."""
    if not len(sorted_keys) or not len(wanted):
        return np.full(len(wanted), -1, dtype=np.int64)
    if len(wanted) < _FEW:
        position = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
        return np.where(sorted_keys[position] == wanted, position, -1)
    from models import find_kernel

    found = np.empty(len(wanted), dtype=np.int64)
    find_kernel.positions(
        np.ascontiguousarray(sorted_keys, dtype=np.int64), np.ascontiguousarray(wanted, dtype=np.int64), found
    )
    return found


def strangers(segments: list[str], n_items: int) -> UserBlock:
    """A block of users of whom nothing is known but the segment."""
    return UserBlock(
        user_idx=np.full(len(segments), -1, dtype=np.int32),
        segments=segments,
        numbers={name: np.full(len(segments), np.nan, dtype=np.float32) for name in USER_NUMBERS},
        pairs=empty_pairs(),
        bought=empty_pairs(),
        n_items=n_items,
    )


def read_block(batch: pa.RecordBatch, n_items: int) -> UserBlock:
    """The block of an Arrow batch with the columns of `histories` and `user_features`, one row a user.

    Pairs whose item the vocabulary of `n_items` does not hold yet are left out.
    """
    pairs = pairs_of(batch)
    inside: Bool = pairs.item_idx < n_items
    pairs = pairs if inside.all() else pairs.take(inside)
    numbers = {
        name: batch.column(name).cast(pa.float32()).fill_null(np.nan).to_numpy(zero_copy_only=False)
        for name in USER_NUMBERS
    }
    return UserBlock(
        user_idx=batch.column("user_idx").to_numpy(),
        segments=batch.column("segment").to_pylist(),
        numbers=numbers,
        pairs=pairs,
        bought=pairs.take(pairs.is_bought),
        n_items=n_items,
    )
