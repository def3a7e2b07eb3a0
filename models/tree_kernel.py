"""Scores of a booster from its bit tables: after QuickScorer (Lucchese et al., SIGIR 2015)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, cast

import numpy as np
from numba import njit
from numba.cpython.unsafe.numbers import trailing_zeros

from models.ragged import AnyArray, Float32
from models.tree_tables import TreeTables

# Rows that are looked up together: their places in the word table stay in the first cache.
_BLOCK: Final = 256
# A feature that changes in fewer rows than one of so many is joined once for all rows between two changes.
_RARE: Final = 8
# Rows that are summed together.
_LANES: Final = 4
# One variant for trees of up to 32 leaves, one for those of up to 64.
_WORDS: Final = ("u4", "u8")
_lowest_bit = cast("Callable[[int], int]", trailing_zeros)


def score(tables: TreeTables, features: Float32) -> AnyArray:
    """Raw scores, float64, one a row: bitwise those of `Booster.predict(raw_score=True)`; one thread, without the GIL.

    Args:
        tables: of the booster.
        features: float32, shape (n, tables.n_features). Neighbours that share values, as the rows of one user do, make
            it faster and never change a score.
    """
    out = np.empty(len(features), dtype=np.float64)
    _score(
        np.ascontiguousarray(features), tables.used, tables.cuts, tables.first_cuts, tables.first_words, tables.words,
        tables.leaves, out,
    )  # fmt: skip
    return out


@njit("void(f4[:,::1], i8, i8, f4[::1], i8, i8, f4[::1], u4[::1])", cache=True, nogil=True)
def _look_up(
    features: AnyArray, start: int, column: int, cuts: AnyArray, first: int, past: int, values: AnyArray, rows: AnyArray
) -> None:
    """Writes the row of the word table of each value of a block's column to `rows`.

    All cuts are compared, without a branch: a search by halves is four times slower, as it does not use vectors.
    """
    for row in range(len(rows)):
        values[row] = features[start + row, column]
        rows[row] = first
    for cut in range(0, len(cuts), 4):
        a, b, c, d = cuts[cut], cuts[cut + 1], cuts[cut + 2], cuts[cut + 3]
        for row in range(len(rows)):
            value = values[row]
            below = np.uint32(a < value) + np.uint32(b < value) + np.uint32(c < value) + np.uint32(d < value)
            rows[row] += np.uint32(below)
    for row in range(len(rows)):
        if np.isnan(values[row]):
            rows[row] = past - 1


@njit("b1(u4[::1], b1[::1])", cache=True, nogil=True)
def _changes_rarely(rows: AnyArray, moved: AnyArray) -> bool:
    """Whether a feature changes rarely from row to row; if so, `moved` becomes True where it does."""
    changes = 0
    for row in range(1, len(rows)):
        changes += rows[row] != rows[row - 1]
    if changes * _RARE > len(rows):
        return False
    if changes > 0:
        for row in range(1, len(rows)):
            moved[row] |= rows[row] != rows[row - 1]
    return True


@njit(
    [f"void({word}[::1], {word}[::1], {word}[:,::1], u4[:,::1], i8[::1], i8)" for word in _WORDS],
    cache=True,
    nogil=True,
)
def _join(target: AnyArray, source: AnyArray, words: AnyArray, rows: AnyArray, chosen: AnyArray, row: int) -> None:
    """Writes `source` AND the words of the chosen features of one row to `target`."""
    for tree in range(len(target)):
        target[tree] = source[tree]
    whole = len(chosen) - len(chosen) % 4
    for at in range(0, whole, 4):
        a, b = words[rows[chosen[at], row]], words[rows[chosen[at + 1], row]]
        c, d = words[rows[chosen[at + 2], row]], words[rows[chosen[at + 3], row]]
        for tree in range(len(target)):
            target[tree] &= a[tree] & b[tree] & c[tree] & d[tree]
    for at in range(whole, len(chosen)):
        a = words[rows[chosen[at], row]]
        for tree in range(len(target)):
            target[tree] &= a[tree]


@njit([f"void({word}[:,::1], f8[:,::1], f8[::1])" for word in _WORDS], cache=True, nogil=True)
def _add(reached: AnyArray, leaves: AnyArray, out: AnyArray) -> None:
    """Writes the sums in tree order of up to four rows; four at once hide how long one addition takes."""
    one = two = three = four = 0.0
    for tree in range(len(leaves)):
        one += leaves[tree, _lowest_bit(reached[0, tree])]
        two += leaves[tree, _lowest_bit(reached[1, tree])]
        three += leaves[tree, _lowest_bit(reached[2, tree])]
        four += leaves[tree, _lowest_bit(reached[3, tree])]
    sums = (one, two, three, four)
    for row in range(len(out)):
        out[row] = sums[row]


@njit(
    [f"void(f4[:,::1], i8[::1], f4[::1], i8[::1], i8[::1], {word}[:,::1], f8[:,::1], f8[::1])" for word in _WORDS],
    cache=True,
    nogil=True,
)
def _score(
    features: AnyArray, used: AnyArray, cuts: AnyArray, first_cuts: AnyArray, first_words: AnyArray, words: AnyArray,
    leaves: AnyArray, out: AnyArray,
) -> None:  # fmt: skip
    n_used, width = len(used), words.shape[1]
    values, moved = np.empty(_BLOCK, np.float32), np.empty(_BLOCK, np.bool_)
    table = np.empty((n_used, _BLOCK), np.uint32)
    rare, often = np.empty(n_used, np.int64), np.empty(n_used, np.int64)
    shared = np.empty(width, words.dtype)
    reached = np.ones((_LANES, width), words.dtype)
    all_leaves = ~np.zeros(width, words.dtype)
    for start in range(0, len(features), _BLOCK):
        n_rows = min(_BLOCK, len(features) - start)
        n_rare = n_often = 0
        moved[:] = False
        moved[0] = True
        for at in range(n_used):
            rows, own = table[at, :n_rows], cuts[first_cuts[at] : first_cuts[at + 1]]
            _look_up(features, start, used[at], own, first_words[at], first_words[at + 1], values, rows)
            if _changes_rarely(rows, moved):
                rare[n_rare] = at
                n_rare += 1
            else:
                often[n_often] = at
                n_often += 1
        for row in range(n_rows):
            if moved[row]:
                _join(shared, all_leaves, words, table, rare[:n_rare], row)
            lane = row % _LANES
            _join(reached[lane], shared, words, table, often[:n_often], row)
            if lane == _LANES - 1 or row == n_rows - 1:
                _add(reached, leaves, out[start + row - lane : start + row + 1])
