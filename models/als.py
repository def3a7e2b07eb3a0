"""Implicit ALS: fit, warm start, artifact."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from contracts.errors import VocabularyMismatch
from contracts.settings import Als
from models import artifact
from models.als_kernel import padded_width, sweep
from models.ragged import Float32, Int32


@dataclass(frozen=True, slots=True)
class Factors:
    """User and item factors, float32, shapes (n_users, f) and (n_items, f); rows by dense index."""

    users: Float32
    items: Float32


def fit(confidence: sparse.csr_matrix, settings: Als, *, seed: int, threads: int, start: Factors | None) -> Factors:
    """Factors of a confidence matrix; the same input, seed and start give the same bytes at any number of threads.

    Method: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, by conjugate
    gradient steps; the start, the steps and the words of the settings are those of implicit's AlternatingLeastSquares.

    Args:
        confidence: shape (n_users, n_items), float32, non-negative.
        settings: factors, regularization, alpha and iterations.
        seed: of the random start.
        threads: solver threads, one at least; BLAS always runs on one.
        start: factors of an earlier day to go on from, possibly with fewer rows.

    Raises:
        VocabularyMismatch: the start has more rows or another width than the matrix asks for, or the fitted
            factors are not finite.
    """
    users, items = _begin(confidence.shape, settings.factors, seed, start)
    with (
        threadpool_limits(1, "blas"),
        np.errstate(over="ignore", invalid="ignore"),  # told below, whichever step it happens in
        ThreadPoolExecutor(threads) as pool,
    ):
        by_user = _weighted(confidence, settings.alpha)
        by_item = by_user.T.tocsr()
        for _ in range(settings.iterations if start is None else settings.warm_iterations):
            sweep(by_user, users, items, settings.regularization, pool)
            sweep(by_item, items, users, settings.regularization, pool)
    factors = Factors(_narrowed(users, settings.factors), _narrowed(items, settings.factors))
    if not _is_finite(factors):
        raise _not_finite(confidence, factors)
    return factors


def without_rows(matrix: sparse.csr_matrix, rows: Int32) -> sparse.csr_matrix:
    """The matrix with these rows emptied, of the same shape; the matrix itself where there are none."""
    inside = rows[rows < matrix.shape[0]]
    if not len(inside):
        return matrix
    kept = np.ones(matrix.shape[0], dtype=bool)
    kept[inside] = False
    counts = np.diff(matrix.indptr)
    entries = np.repeat(kept, counts)
    offsets = np.concatenate([[0], np.cumsum(np.where(kept, counts, 0))])
    return sparse.csr_matrix((matrix.data[entries], matrix.indices[entries], offsets), shape=matrix.shape)


def fold_in(factors: Factors, confidence: sparse.csr_matrix, users: Int32, settings: Als, *, threads: int) -> Factors:
    """Factors with those of `users` solved for the items as they are, which do not move.

    Args:
        factors: fitted without these users.
        confidence: of all users, shape (n_users, n_items).
        users: dense user indices; those beyond the matrix have no confidence and are left as they are.
        settings: of the fit; `iterations` sweeps are made.
        threads: solver threads.
    """
    chosen = users[users < confidence.shape[0]]
    if not len(chosen):
        return factors
    rows = np.zeros((len(chosen), padded_width(settings.factors)), dtype=np.float32)
    items = _widened(factors.items, len(factors.items))
    weighted = _weighted(confidence[chosen].tocsr(), settings.alpha)
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(threads) as pool:
        for _ in range(settings.iterations):
            sweep(weighted, rows, items, settings.regularization, pool)
    solved = factors.users.copy()
    solved[chosen] = _narrowed(rows, settings.factors)
    return Factors(solved, factors.items)


def save(folder: Path, models: dict[str, Factors], *, about: dict[str, Any]) -> str:
    """Writes the named models as one artifact; returns its SHA-256."""
    arrays = {}
    for name, factors in models.items():
        arrays[f"{name}_users"] = factors.users
        arrays[f"{name}_items"] = factors.items
    return artifact.save(folder, arrays=arrays, texts={}, about=about)


def load(folder: Path, name: str) -> Factors:
    """One model of an artifact, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    return Factors(artifact.array(folder, f"{name}_users"), artifact.array(folder, f"{name}_items"))


def _weighted(confidence: sparse.csr_matrix, alpha: float) -> sparse.csr_matrix:
    values = confidence.data.astype(np.float32, copy=False) * np.float32(alpha)
    return sparse.csr_matrix((values, confidence.indices, confidence.indptr), shape=confidence.shape)


def _begin(shape: tuple[int, int], factors: int, seed: int, start: Factors | None) -> tuple[Float32, Float32]:
    """Rows of users and of items to go on from, as wide as the solver wants them."""
    if start is not None:
        return _padded(start.users, shape[0], factors), _padded(start.items, shape[1], factors)
    random, scale = np.random.default_rng(seed), np.float32(0.01)
    users, items = (_widened(random.random((n, factors), dtype=np.float32) * scale, n) for n in shape)
    return users, items


def _padded(rows: Float32, n: int, factors: int) -> Float32:
    """A copy with zero rows for those that the start does not know, as wide as the solver wants it."""
    if len(rows) > n or rows.shape[1] != factors:
        raise VocabularyMismatch(
            f"The warm start has shape {rows.shape}; {n} rows of {factors} factors are wanted.",
            where="warm start",
            todo="Delete the older ALS artifact, or refit from scratch.",
        )
    return _widened(rows, n)


def _widened(rows: Float32, n: int) -> Float32:
    wide = np.zeros((n, padded_width(rows.shape[1])), dtype=np.float32)
    wide[: len(rows), : rows.shape[1]] = rows
    return wide


def _narrowed(rows: Float32, factors: int) -> Float32:
    return np.ascontiguousarray(rows[:, :factors])


def _not_finite(confidence: sparse.csr_matrix, factors: Factors) -> VocabularyMismatch:
    return VocabularyMismatch(
        "The fitted factors are not finite.",
        where=f"matrix {confidence.shape}, factors {factors.users.shape} and {factors.items.shape}",
        todo="Refit without a warm start; raise als.regularization if it repeats.",
    )


def _is_finite(factors: Factors) -> bool:
    return bool(np.isfinite(factors.users).all() and np.isfinite(factors.items).all())
