"""Half sweeps of implicit ALS, compiled: conjugate gradient steps over the rows of a sparse matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import cache
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numba import njit
from scipy import sparse

from models.ragged import AnyArray, Float32, Int64

# Steps for each row in a sweep. The next sweep goes on from where they end, so three suffice.
_STEPS: Final = 3
# A row whose squared residual is below this is solved: dividing by it would lose all digits.
_SOLVED: Final = 1e-20
# Widths are multiples of it, so that whole vector registers are read.
_LANES: Final = 16
# Work in one chunk, in pairs; a chunk of this size takes a few milliseconds.
_CHUNK_PAIRS: Final = 1 << 16
# What a row costs beside its pairs, in pairs: its products with the Gram matrix.
_ROW_PAIRS: Final = 16
# Sums may be reordered and fused. NaN and infinity keep their meaning, so that a fit that overflows is seen.
_FASTMATH: Final = {"reassoc", "contract", "nsz", "arcp"}
_SIGNATURE: Final = (
    "void(Array(i8, 1, 'C', readonly=True), Array(i4, 1, 'C', readonly=True), Array(f4, 1, 'C', readonly=True),"
    " f4[:,::1], f4[:,::1], f4[:,::1], i8, i8)"
)
_Solver = Callable[[Int64, AnyArray, Float32, Float32, Float32, Float32, int, int], None]


def padded_width(factors: int) -> int:
    """Columns that factors must have for `sweep`; those beyond `factors` must be zero, and stay it."""
    return -(-factors // _LANES) * _LANES


def sweep(matrix: sparse.csr_matrix, rows: Float32, columns: Float32, regularization: float, pool: Executor) -> None:
    """Moves `rows` towards the least squares solution for fixed `columns`, in place; an empty row becomes zero.

    Each row is solved by itself and by one thread, so the bytes depend neither on the pool nor on the chunks. BLAS is
    to be kept at one thread.

    Method: Takacs, Pilaszy, Tikk, "Applications of the conjugate gradient method for implicit feedback collaborative
    filtering", RecSys 2011.

    Args:
        matrix: confidences, float32, shape (n_rows, n_columns), non-negative; 1 is that of a pair not in it.
        rows: float32, shape (n_rows, padded_width(factors)); where the steps start.
        columns: float32, shape (n_columns, padded_width(factors)).
        regularization: added to the diagonal of every row's system.
        pool: threads that solve chunks of rows.
    """
    gram = columns.T @ columns
    gram[np.diag_indices_from(gram)] += np.float32(regularization)
    offsets = matrix.indptr.astype(np.int64)
    indices = matrix.indices.astype(np.int32, copy=False)
    solve = _solver(rows.shape[1])
    tasks = [
        pool.submit(solve, offsets, indices, matrix.data, rows, columns, gram, first, past)
        for first, past in _chunks(offsets)
    ]
    for task in tasks:
        task.result()


def warm_up(factors: Iterable[int]) -> None:
    """Compiles the solvers of these numbers of factors, or finds them in the cache of an earlier process."""
    for number in factors:
        _solver(padded_width(number))


def _chunks(offsets: Int64) -> list[tuple[int, int]]:
    """First row and row past the last of runs of about equal work; the same for the same offsets."""
    work = offsets + _ROW_PAIRS * np.arange(len(offsets), dtype=np.int64)
    cuts = np.searchsorted(work, np.arange(_CHUNK_PAIRS, work[-1], _CHUNK_PAIRS))
    bounds = np.unique(np.concatenate([[0], cuts, [len(offsets) - 1]])).tolist()
    return list(pairwise(bounds))


@cache
def _solver(width: int) -> _Solver:
    """Solves a run of rows that are `width` wide. With the width as a constant, sums stay in registers."""

    @njit(_SIGNATURE, cache=True, nogil=True, fastmath=_FASTMATH, error_model="numpy")
    def solve(
        offsets: Int64, indices: AnyArray, values: Float32, rows: Float32, columns: Float32, gram: Float32,
        first: int, past: int,
    ) -> None:  # fmt: skip
        residual, direction = np.empty(width, np.float32), np.empty(width, np.float32)
        product, solution = np.empty(width, np.float32), np.empty(width, np.float32)
        for row in range(first, past):
            start, end = offsets[row], offsets[row + 1]
            if start == end:
                rows[row] = 0
                continue
            for k in range(width):
                solution[k] = rows[row, k]
            _multiply(gram, solution, residual, width)
            _add_pairs(indices, values, start, end, columns, solution, residual, width, True)
            squares = np.float32(0)
            for k in range(width):
                residual[k] = -residual[k]
                direction[k] = residual[k]
                squares += residual[k] * residual[k]
            step = 0
            while step < _STEPS and not squares < _SOLVED:
                _multiply(gram, direction, product, width)
                _add_pairs(indices, values, start, end, columns, direction, product, width, False)
                squares = _advance(solution, residual, direction, product, squares, width)
                step += 1
            for k in range(width):
                rows[row, k] = solution[k]

    return solve


@njit(inline="always")
def _multiply(gram: Float32, vector: Float32, out: Float32, width: int) -> None:
    """Writes gram times vector to `out`; gram is symmetric, and its width a multiple of four."""
    for k in range(width):
        out[k] = 0
    for row in range(0, width, 4):
        a, b, c, d = vector[row], vector[row + 1], vector[row + 2], vector[row + 3]
        for k in range(width):
            out[k] += a * gram[row, k] + b * gram[row + 1, k] + c * gram[row + 2, k] + d * gram[row + 3, k]


@njit(inline="always")
def _add_pairs(
    indices: AnyArray, values: Float32, start: int, end: int, columns: Float32, vector: Float32, out: Float32,
    width: int, is_residual: bool,  # noqa: FBT001
) -> None:  # fmt: skip
    """Adds sum of (c - 1) y (y . vector) to `out`, less c y of each where a residual is wanted; y are the pairs' rows.

    Four pairs at once hide how long the sum of one dot product takes.
    """
    one = np.float32(1)
    at = start
    while at + 4 <= end:
        i, j = np.uint32(indices[at]), np.uint32(indices[at + 1])
        m, n = np.uint32(indices[at + 2]), np.uint32(indices[at + 3])
        a = b = c = d = np.float32(0)
        for k in range(width):
            a += columns[i, k] * vector[k]
            b += columns[j, k] * vector[k]
            c += columns[m, k] * vector[k]
            d += columns[n, k] * vector[k]
        a, b = a * (values[at] - one), b * (values[at + 1] - one)
        c, d = c * (values[at + 2] - one), d * (values[at + 3] - one)
        if is_residual:
            a, b, c, d = a - values[at], b - values[at + 1], c - values[at + 2], d - values[at + 3]
        for k in range(width):
            out[k] += a * columns[i, k] + b * columns[j, k] + c * columns[m, k] + d * columns[n, k]
        at += 4
    while at < end:
        i = np.uint32(indices[at])
        a = np.float32(0)
        for k in range(width):
            a += columns[i, k] * vector[k]
        a *= values[at] - one
        if is_residual:
            a -= values[at]
        for k in range(width):
            out[k] += a * columns[i, k]
        at += 1


@njit(inline="always")
def _advance(
    solution: Float32, residual: Float32, direction: Float32, product: Float32, squares: Any, width: int
) -> Any:
    """One conjugate gradient step; the squared residual after it, float32."""
    curvature = np.float32(0)
    for k in range(width):
        curvature += direction[k] * product[k]
    length = squares / curvature
    after = np.float32(0)
    for k in range(width):
        solution[k] += length * direction[k]
        residual[k] -= length * product[k]
        after += residual[k] * residual[k]
    turn = after / squares
    for k in range(width):
        direction[k] = residual[k] + turn * direction[k]
    return after
