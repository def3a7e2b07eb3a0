"""Items that a user did not take, drawn by a hash so that every run and every block of users draws the same."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from models.ragged import Int32, Int64, first_of_run
from models.rankings import NOTHING, Assortment, Truth, is_in, keys_of

N_NEGATIVES: Final = 99
_DRAWS: Final = 256
_SMALL: Final = 2048  # items up to which every one gets a hash of its own
_UInt64 = npt.NDArray[np.uint64]


def of_catalogue(assortment: Assortment, truth: Truth, left_out: Int64, user_idx: Int32, *, seed: int) -> Int32:
    """Up to 99 distinct items a user, uniform over those that may be recommended; shape (n_rows, 99), empty places -1.

    Args:
        assortment: items that may be recommended.
        truth: taken items, never drawn.
        left_out: sorted keys of other items that are not drawn.
        user_idx: of each row; with `seed` it alone decides what is drawn.
        seed: of the hash.

    Returns:
        Fewer than 99 where a small catalogue has no more, or a user of a large one has most of it.
    """
    n_rows, n_items = len(user_idx), len(assortment.order)
    allowed = np.sort(assortment.order)
    if not n_items:
        return np.full((n_rows, N_NEGATIVES), NOTHING, dtype=np.int32)
    width = n_items if n_items <= _SMALL else _DRAWS
    hashes = hash_of(np.repeat(user_idx.astype(np.int64), width), np.tile(np.arange(width), n_rows), seed)
    rows = np.repeat(np.arange(n_rows, dtype=np.int64), width)
    if n_items <= _SMALL:
        order = np.lexsort((hashes, rows))
        items = np.tile(allowed, n_rows)[order]
    else:
        items = allowed[(hashes % np.uint64(n_items)).astype(np.int64)]
    keys = keys_of(rows, items)
    fits = ~is_in(keys, truth.keys) & ~is_in(keys, left_out)
    return _first(rows[fits], items[fits], n_rows)


def of_candidates(candidates: Int64, truth: Truth, user_idx: Int32, *, seed: int) -> Int32:
    """Up to 99 of each user's candidates that were not taken; shape (n_rows, 99), empty places -1.

    Args:
        candidates: keys, ascending.
        truth: taken items, never drawn.
        user_idx: of each row.
        seed: of the hash.
    """
    free = candidates[~is_in(candidates, truth.keys)]
    rows, items = free >> 32, free & 0xFFFFFFFF
    order = np.lexsort((hash_of(user_idx[rows].astype(np.int64), items, seed), rows))
    return _first(rows[order], items[order], len(user_idx))


def hash_of(first: Int64, second: Int64, seed: int) -> _UInt64:
    """64 mixed bits of two numbers and a seed (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = first.astype(np.uint64) * np.uint64(0xD1342543DE82EF95) + second.astype(np.uint64)
        mixed += np.uint64(seed) * np.uint64(0x9E3779B97F4A7C15)
        for _ in range(2):
            mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(31)
    return mixed


def _first(rows: Int64, items: Int64, n_rows: int) -> Int32:
    """The first 99 distinct items of each row, in the order given."""
    _, first = np.unique(keys_of(rows, items), return_index=True)
    first.sort()
    rows, items = rows[first], items[first]
    places = np.arange(len(rows)) - first_of_run(rows)
    drawn = np.full((n_rows, N_NEGATIVES), NOTHING, dtype=np.int32)
    kept = places < N_NEGATIVES
    drawn[rows[kept], places[kept]] = items[kept]
    return drawn
