"""Implicit ALS: fit, warm start, artifact."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.recommender_base import ModelFitError
from scipy import sparse
from threadpoolctl import threadpool_limits

from contracts.errors import VocabularyMismatch
from contracts.settings import Als
from models import artifact
from models.ragged import Float32


@dataclass(frozen=True, slots=True)
class Factors:
    """User and item factors, float32, shapes (n_users, f) and (n_items, f); rows by dense index."""

    users: Float32
    items: Float32


def fit(confidence: sparse.csr_matrix, settings: Als, *, seed: int, threads: int, start: Factors | None) -> Factors:
    """Factors of a confidence matrix; the same input, seed and start give the same bytes at any number of threads.

    Method: Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets", ICDM 2008, by implicit's
    conjugate gradient solver.

    Args:
        confidence: shape (n_users, n_items), float32, non-negative.
        settings: factors, regularization, alpha and iterations.
        seed: of the random start.
        threads: solver threads; BLAS always runs on one.
        start: factors of an earlier day to go on from, possibly with fewer rows.

    Raises:
        VocabularyMismatch: the start has more rows or another width than the matrix asks for, or the fitted
            factors are not finite.
    """
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=settings.factors,
            regularization=settings.regularization,
            alpha=settings.alpha,
            iterations=settings.iterations if start is None else settings.warm_iterations,
            random_state=seed,
            num_threads=threads,
        )
        if start is not None:
            model.user_factors = _padded(start.users, confidence.shape[0], settings.factors)
            model.item_factors = _padded(start.items, confidence.shape[1], settings.factors)
        try:
            model.fit(confidence, show_progress=False)
        except ModelFitError as error:
            raise _unfit(confidence, str(error)) from error
    factors = Factors(np.asarray(model.user_factors, np.float32), np.asarray(model.item_factors, np.float32))
    if (len(factors.users), len(factors.items)) != confidence.shape or not _is_finite(factors):
        raise _unfit(confidence, f"factors {factors.users.shape} and {factors.items.shape}")
    return factors


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


def _padded(rows: Float32, n: int, width: int) -> Float32:
    if len(rows) > n or rows.shape[1] != width:
        raise VocabularyMismatch(
            f"The warm start has shape {rows.shape}; {n} rows of {width} factors are wanted.",
            where="warm start",
            todo="Delete the older ALS artifact, or refit from scratch.",
        )
    padded = np.zeros((n, width), dtype=np.float32)
    padded[: len(rows)] = rows
    return padded


def _unfit(confidence: sparse.csr_matrix, seen: str) -> VocabularyMismatch:
    return VocabularyMismatch(
        "The fitted factors do not fit the matrix or are not finite.",
        where=f"matrix {confidence.shape}, {seen}",
        todo="Refit without a warm start; raise als.regularization if it repeats.",
    )


def _is_finite(factors: Factors) -> bool:
    return bool(np.isfinite(factors.users).all() and np.isfinite(factors.items).all())
