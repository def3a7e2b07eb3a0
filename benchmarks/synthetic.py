"""Synthetic users, items and events; equal sizes and seeds give equal rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa
from scipy import sparse

from models import histories
from models.histories import DayRows, Pairs, Users
from models.item_arrays import CODES, NUMBERS
from models.ragged import AnyArray, Float32, Int32

TODAY: Final = 20_000
_DAYS: Final = 365


def skewed(random: np.random.Generator, n: int, size: int, power: float) -> Int32:
    """Indices below `n`, a few of them far more often than most; which ones is random. int32, shape (size,)."""
    places = (n * random.random(size) ** power).astype(np.int32)
    return random.permutation(n).astype(np.int32)[places]


def events(n_users: int, n_items: int, size: int, seed: int) -> tuple[Int32, Int32]:
    """User and item of each event, both int32, shape (size,); every user has one at least."""
    random = np.random.default_rng(seed)
    users = skewed(random, n_users, size, 2.0)
    users[: min(n_users, size)] = np.arange(min(n_users, size), dtype=np.int32)
    return users, skewed(random, n_items, size, 3.0)


def confidence(users: Int32, items: Int32, n_users: int, n_items: int) -> sparse.csr_matrix:
    """Events counted by pair, float32, shape (n_users, n_items)."""
    ones = np.ones(len(users), dtype=np.float32)
    matrix = sparse.csr_matrix((ones, (users, items)), shape=(n_users, n_items))
    matrix.sum_duplicates()
    return matrix


def user_batches(matrix: sparse.csr_matrix, seed: int, block: int) -> Iterator[pa.RecordBatch]:
    """Rows as `features.user_rows.user_frame` has them, `block` users a batch; each pair is bought on one day."""
    random = np.random.default_rng(seed)
    for start in range(0, matrix.shape[0], block):
        part = matrix[start : start + block].tocoo()
        n_users = part.shape[0]
        rows, size = part.row.astype(np.int64), part.nnz
        news = DayRows(
            rows=rows,
            days=TODAY - random.integers(0, _DAYS, size, dtype=np.int32),
            item_idx=part.col.astype(np.int32),
            is_purchase=np.ones(size, dtype=bool),
            weights=np.ones(size),
            quantities=part.data.astype(np.float64),
            amounts=part.data * random.gamma(2.0, 2.0, size),
        )
        none = np.full(n_users, histories.NEVER, dtype=np.int32)
        fresh = Users(n_baskets=np.zeros(n_users, np.int32), first_day=none, last_day=none)
        users, pairs = histories.fold(fresh, histories.empty_pairs(), news, base_day=TODAY - _DAYS, as_of_day=TODAY)
        columns = {"user_idx": pa.array(np.arange(start, start + n_users, dtype=np.int32))}
        columns |= histories.to_columns(users, pairs) | _user_numbers(users, pairs)
        yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))


def item_table(n_items: int, seed: int) -> pa.Table:
    """One row an item as `models.item_arrays.save` wants it."""
    random = np.random.default_rng(seed)
    columns: dict[str, AnyArray] = {"item_idx": np.arange(n_items, dtype=np.int32)}
    columns |= {name: random.gamma(2.0, 20.0, n_items).astype(np.float32) for name in NUMBERS}
    columns |= {name: random.integers(0, 100, n_items).astype(str) for name in CODES}
    return pa.table({**columns, "is_recommendable": np.ones(n_items, dtype=bool)})


def _user_numbers(users: Users, pairs: Pairs) -> dict[str, pa.Array]:
    def total(values: AnyArray) -> Float32:
        return np.bincount(pairs.rows, weights=values, minlength=len(users.n_baskets)).astype(np.float32)

    baskets = np.maximum(users.n_baskets, 1)
    n_items, lines = total(np.ones(len(pairs.rows))), np.maximum(total(pairs.baskets), 1)
    numbers = {
        "n_items": n_items,
        "recency_days": TODAY - users.last_day,
        "tenure_days": TODAY - users.first_day,
        "basket_gap_days": (users.last_day - users.first_day) / np.maximum(baskets - 1, 1),
        "basket_size": lines / baskets,
        "exploration_rate": n_items / lines,
        "mean_price": total(pairs.amounts) / np.maximum(total(pairs.quantities), 1),
        "recent_activity": total(pairs.decayed_30),
        "line_quantity": total(pairs.quantities) / lines,
    }
    made = {name: pa.array(values.astype(np.float32)) for name, values in numbers.items()}
    return {**made, "segment": pa.array(["all"] * len(baskets))}
