from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from implicit.cpu._als import least_squares_cg
from scipy import sparse

from models import als_kernel
from models.ragged import Float32
from models.warm_up import warm_up

REGULARIZATION: Final = 0.5


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Two threads."""
    with ThreadPoolExecutor(2) as threads:
        yield threads


def confidences(lengths: list[int], n_columns: int) -> sparse.csr_matrix:
    """Rows of these lengths, at random columns but never the last, with values from 1 to 5."""
    random = np.random.default_rng(5)
    indices = [np.sort(random.choice(n_columns - 1, length, replace=False)) for length in lengths]
    flat = np.concatenate([*indices, []]).astype(np.int32)
    values = random.uniform(1, 5, len(flat)).astype(np.float32)
    return sparse.csr_matrix((values, flat, np.cumsum([0, *lengths])), shape=(len(lengths), n_columns))


def factors(n: int, width: int, seed: int) -> Float32:
    """Normal numbers, shape (n, width)."""
    return np.random.default_rng(seed).standard_normal((n, width), dtype=np.float32)


def widened(rows: Float32) -> Float32:
    """The rows as the solver wants them."""
    wide = np.zeros((len(rows), als_kernel.padded_width(rows.shape[1])), dtype=np.float32)
    wide[:, : rows.shape[1]] = rows
    return wide


def loss(matrix: sparse.csr_matrix, rows: Float32, columns: Float32) -> float:
    """Squared errors of all cells by confidence, and the penalty."""
    weights = np.where(matrix.toarray() == 0, 1.0, matrix.toarray())
    errors = (matrix.toarray() > 0) - rows.astype(np.float64) @ columns.T.astype(np.float64)
    return float((weights * errors**2).sum() + REGULARIZATION * ((rows**2).sum() + (columns**2).sum()))


@pytest.mark.parametrize("width", [1, 16, 20, 64])
@pytest.mark.parametrize(
    "lengths",
    [[3, 0, 1, 2, 0, 4, 5, 6, 7, 8, 9, 0], [700, 1, 799, 0, 400], [6], [0], []],
    ids=["short and empty rows", "long rows", "one row", "one empty row", "no row"],
)
def test_a_sweep_is_the_peers(pool: ThreadPoolExecutor, lengths: list[int], width: int) -> None:
    """Every row agrees with implicit's solver to 1e-4 of its length, padding stays zero, columns stay as they were."""
    matrix = confidences(lengths, 800)
    rows, columns = factors(len(lengths), width, 1), factors(800, width, 2)
    ours, theirs = widened(rows), rows.copy()
    wide = widened(columns)
    als_kernel.sweep(matrix, ours, wide, REGULARIZATION, pool)
    if lengths:
        least_squares_cg(matrix, theirs, columns, REGULARIZATION, num_threads=1, cg_steps=3)
    distances = np.linalg.norm(ours[:, :width] - theirs, axis=1)
    assert (distances <= 1e-4 * np.linalg.norm(theirs, axis=1)).all()
    assert not ours[:, width:].any()
    assert (wide == widened(columns)).all()


def test_the_other_half_sweep_is_the_peers_too(pool: ThreadPoolExecutor) -> None:
    """The transposed matrix, in which some rows are empty and others have a pair of every user."""
    matrix = confidences([30, 0, 10, 39, 1], 40).T.tocsr()
    rows, columns = factors(40, 16, 1), factors(5, 16, 2)
    ours = rows.copy()
    als_kernel.sweep(matrix, ours, columns, REGULARIZATION, pool)
    least_squares_cg(matrix, rows, columns, REGULARIZATION, num_threads=1, cg_steps=3)
    assert (np.linalg.norm(ours - rows, axis=1) <= 1e-4 * np.linalg.norm(rows, axis=1)).all()
    assert not ours[39].any()


def test_a_solved_row_stays(pool: ThreadPoolExecutor) -> None:
    """Where nothing is left to solve, no step divides by the nothing that is left."""
    rows, columns = np.zeros((2, 16), np.float32), np.zeros((4, 16), np.float32)
    als_kernel.sweep(confidences([2, 3], 4), rows, columns, REGULARIZATION, pool)
    assert not rows.any()


def test_neither_threads_nor_chunks_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """One, two and three threads give the same bytes, in one chunk or in many."""
    matrix = confidences([(7 * row) % 50 for row in range(300)], 60)
    columns, made = factors(60, 16, 2), set()
    for chunk_pairs in (1 << 16, 100, 1):
        monkeypatch.setattr(als_kernel, "_CHUNK_PAIRS", chunk_pairs)
        for threads in (1, 2, 3):
            rows = factors(300, 16, 1)
            with ThreadPoolExecutor(threads) as pool:
                als_kernel.sweep(matrix, rows, columns, REGULARIZATION, pool)
            made.add(rows.tobytes())
    assert len(made) == 1
    assert factors(300, 16, 1).tobytes() not in made


@given(st.lists(st.integers(0, 200_000), max_size=60))
@example([20_000] * 20)
@example([1] * 9_000)
def test_chunks_are_all_rows_in_order_and_about_equal(lengths: list[int]) -> None:
    """No row is left out or solved twice, and a chunk ends with the row that passes its share."""
    chunks = als_kernel._chunks(np.cumsum([0, *lengths]))
    assert [row for first, past in chunks for row in range(first, past)] == list(range(len(lengths)))
    for first, past in chunks:
        work = [length + als_kernel._ROW_PAIRS for length in lengths[first:past]]
        assert sum(work[:-1]) < als_kernel._CHUNK_PAIRS


def test_every_sweep_lowers_the_loss(pool: ThreadPoolExecutor) -> None:
    """Ten half sweeps, each ends lower than it began."""
    matrix = confidences([5, 9, 0, 12, 3, 3, 7, 20], 30)
    other = matrix.T.tocsr()
    rows, columns = factors(8, 16, 1), factors(30, 16, 2)
    seen = [loss(matrix, rows, columns)]
    for _ in range(5):
        als_kernel.sweep(matrix, rows, columns, REGULARIZATION, pool)
        seen.append(loss(matrix, rows, columns))
        als_kernel.sweep(other, columns, rows, REGULARIZATION, pool)
        seen.append(loss(matrix, rows, columns))
    assert (np.diff(seen) < 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_sight(pool: ThreadPoolExecutor, value: float) -> None:
    """A confidence that is no number makes its own row none, and no other."""
    matrix = confidences([5, 6, 7], 20)
    matrix.data[matrix.indptr[1]] = value
    rows = factors(3, 16, 1)
    als_kernel.sweep(matrix, rows, factors(20, 16, 2), REGULARIZATION, pool)
    assert np.isfinite(rows).all(axis=1).tolist() == [True, False, True]


def test_a_second_process_compiles_nothing() -> None:
    """What was warmed up once is read from the cache by the next who asks."""
    warm_up()
    als_kernel._solver.cache_clear()
    warm_up()
    stats = als_kernel._solver(64).stats
    assert (sum(stats.cache_hits.values()), sum(stats.cache_misses.values())) == (1, 0)
