"""Which of a user's seeds contributes most to a recommended item, compiled."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from models.ragged import Float32, Int32, Int64

_IN: Final = "Array({}, 1, 'C', readonly=True)"
_SIGNATURE: Final = "void({})".format(
    ", ".join([_IN.format(kind) for kind in ("i8", "i4", "f4", "i8", "i4", "f4", "i8", "i4")] + ["i8", "i4[::1]"])
)


@njit(_SIGNATURE, cache=True, nogil=True)
def strongest(
    seed_offsets: Int64,
    seeds: Int32,
    weights: Float32,
    offsets: Int64,
    neighbours: Int32,
    similarity: Float32,
    item_offsets: Int64,
    items: Int32,
    n_items: int,
    out: Int32,
) -> None:
    """Writes to `out` the seed with the largest weight times similarity for each entry of `items`.

    Args:
        seed_offsets: where each row's seeds begin; its `seeds` ascend, so that the lower index wins a tie.
        offsets: where each item's `neighbours` begin, each with its `similarity`.
        item_offsets: where each row's `items` begin, none of which comes twice in a row.
        out: shape of `items`, filled with -1, which stays where no seed is near.
    """
    place = np.full(n_items, -1, dtype=np.int64)
    best = np.zeros(len(items), dtype=np.float32)
    for row in range(len(seed_offsets) - 1):
        for entry in range(item_offsets[row], item_offsets[row + 1]):
            place[items[entry]] = entry
        if item_offsets[row] < item_offsets[row + 1]:
            for at in range(seed_offsets[row], seed_offsets[row + 1]):
                seed = seeds[at]
                for near in range(offsets[seed], offsets[seed + 1]):
                    entry = place[neighbours[near]]
                    if entry >= 0:
                        gain = weights[at] * similarity[near]
                        if gain > best[entry]:
                            best[entry] = gain
                            out[entry] = seed
        for entry in range(item_offsets[row], item_offsets[row + 1]):
            place[items[entry]] = -1
