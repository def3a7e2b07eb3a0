"""Greedy selection by relevance and unlikeness, compiled: maximal marginal relevance over the lists of a block."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from models.ragged import Float32, Int32, Int64

# Sums of products may be reordered and fused, so that whole vector registers are read.
_FASTMATH: Final = {"reassoc", "contract", "nsz"}
_ITEMS: Final = (
    "Array(f4, 2, 'C', readonly=True), Array(f4, 1, 'C', readonly=True), Array(i4, 2, 'C', readonly=True), f4"
)


@njit(f"f4(i4, i4, {_ITEMS})", cache=True, fastmath=_FASTMATH)
def _similarity(
    left: int, right: int, vectors: Float32, scales: Float32, codes: Int32, code_share: float
) -> np.float32:
    total = np.float32(0)
    if scales[left] > 0 and scales[right] > 0:
        for column in range(vectors.shape[1]):
            total += vectors[left, column] * vectors[right, column]
        total *= scales[left] * scales[right]
    for column in range(codes.shape[1]):
        if codes[left, column] >= 0 and codes[left, column] == codes[right, column]:
            total += np.float32(code_share)
    if total < 0:
        return np.float32(0)
    return total if total < 1 else np.float32(1)


@njit(
    f"void(Array(f4, 1, 'C', readonly=True), Array(i4, 1, 'C', readonly=True), {_ITEMS}, f4, i8, i8[::1])", cache=True
)
def _select_one(
    relevance: Float32,
    items: Int32,
    vectors: Float32,
    scales: Float32,
    codes: Int32,
    code_share: float,
    weight: float,
    length: int,
    order: Int64,
) -> None:
    """`select` for one list, in positions of that list."""
    size = len(relevance)
    value = relevance.copy()
    likest = np.zeros(size, dtype=np.float32)
    seen = np.zeros(size, dtype=np.int64)  # picks that an entry's value knows of
    is_picked = np.zeros(size, dtype=np.bool_)
    pick = 0
    while pick < min(length, size):
        best = -1
        for entry in range(size):
            if not is_picked[entry] and (best < 0 or value[entry] > value[best]):
                best = entry
        if seen[best] == pick:
            is_picked[best] = True
            order[pick] = best
            pick += 1
            continue
        for picked in order[seen[best] : pick]:
            alike = _similarity(items[best], items[picked], vectors, scales, codes, code_share)
            likest[best] = max(likest[best], alike)
        value[best] = relevance[best] - weight * likest[best]
        seen[best] = pick
    order[pick:] = np.flatnonzero(~is_picked)


@njit(
    "void(Array(i8, 1, 'C', readonly=True), Array(f4, 1, 'C', readonly=True), Array(i4, 1, 'C', readonly=True),"
    f" {_ITEMS}, f4, i8, i8[::1])",
    cache=True,
)
def select(
    offsets: Int64,
    relevance: Float32,
    items: Int32,
    vectors: Float32,
    scales: Float32,
    codes: Int32,
    code_share: float,
    weight: float,
    length: int,
    order: Int64,
) -> None:
    """Writes the positions of each list's entries into `order`: the `length` picked first, then the rest as it was.

    Each pick is the entry with the highest relevance less `weight` times its similarity, from 0 to 1, to the pick most
    like it; the earlier entry wins a tie. An entry's value only falls as picks are added, so that one whose last known
    value is beaten need not be looked at again: a few similarities a pick, not one for each entry, and the same order.

    Method: Carbonell, Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998; lazy evaluation from Minoux,
    "Accelerated greedy algorithms for maximizing submodular set functions", 1978.

    Args:
        offsets: where each list begins, one more than there are lists.
        relevance: one for each entry of a list, in any order.
        items: item index of each entry.
        vectors: shape (n, width), n at most the number of items; the product of two vectors and their `scales` (one an
            item, 0 for one without a vector) is a part of the similarity.
        codes: shape (n_items, n_codes); each code that two items share adds `code_share`, -1 is like nothing.
        weight: of the similarity, in relevance; not negative.
        length: entries picked of a list.
        order: one for each entry; written.
    """
    for row in range(len(offsets) - 1):
        first, past = offsets[row], offsets[row + 1]
        mine = order[first:past]
        _select_one(relevance[first:past], items[first:past], vectors, scales, codes, code_share, weight, length, mine)
        mine += first
