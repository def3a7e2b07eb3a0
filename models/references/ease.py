"""EASE^R: the linear model of items on items that has a closed form."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import linalg, sparse

from contracts.errors import InputInvalid
from models import artifact
from models.ragged import AnyArray, Float32, Int32
from models.references.base import Past, Scored, incidence


class Ease(Scored):
    """What the user bought times the weights of the most bought items; the others have no score.

    Method: Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019.
    """

    def __init__(self, items: Int32, weights: Float32, n_items: int) -> None:
        """`items` are those of the model, ascending, and `weights` their matrix, shape (n, n)."""
        super().__init__()
        self._items, self._weights, self._n_items = np.asarray(items), weights, n_items

    def scores(self, past: Past) -> sparse.csr_matrix:
        """Positive scores of the model's items."""
        dense = incidence(past, self._n_items)[:, self._items] @ self._weights
        rows, columns = np.nonzero(dense > 0)
        shape = (past.n_rows, self._n_items)
        return sparse.csr_matrix((dense[rows, columns], (rows, self._items[columns])), shape=shape)


def most_bought(buyers: AnyArray, allowed: npt.NDArray[np.bool_], n: int) -> Int32:
    """The `n` allowed items with the most buyers, ascending by index; ties by lower index, none without a buyer."""
    wanted = np.where(allowed, np.nan_to_num(np.asarray(buyers, dtype=np.float64)), 0.0)
    order = np.lexsort((np.arange(len(wanted)), -wanted))[: np.count_nonzero(wanted)]
    return np.sort(order[:n]).astype(np.int32)


def gram(blocks: Iterable[sparse.csr_matrix], n: int) -> npt.NDArray[np.float64]:
    """How many users bought both items, shape (n, n), from blocks of users, each of shape (users, n)."""
    total = np.zeros((n, n))
    for block in blocks:
        together = (block.T @ block).tocoo()
        total[together.row, together.col] += together.data
    return total


def fit(
    together: npt.NDArray[np.float64], regularization: float, *, setting: str = "references.ease_regularization"
) -> Float32:
    """Weights of shape (n, n) with an empty diagonal: B = I - P / diag(P), P = (G + regularization I)^-1.

    Args:
        together: the Gram matrix G; overwritten.
        regularization: added to its diagonal.
        setting: its name, for the error.

    Raises:
        InputInvalid: the matrix cannot be inverted.
    """
    together[np.diag_indices_from(together)] += regularization
    factor, info = linalg.lapack.dpotrf(together, lower=True, overwrite_a=True)
    inverse, info_2 = linalg.lapack.dpotri(factor, lower=True, overwrite_c=True)
    if info or info_2:
        raise InputInvalid("The items' Gram matrix cannot be inverted.", where="EASE^R", todo=f"Raise {setting}.")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights: Float32 = (-inverse / np.diag(inverse)).astype(np.float32)
    weights[np.diag_indices_from(weights)] = 0
    return weights


def gigabytes(n: int) -> float:
    """Memory that a fit over so many items takes."""
    return 36 * n * n / 1e9


def save(folder: Path, items: Int32, weights: Float32, *, about: dict[str, Any]) -> str:
    """Writes the artifact, whose facts must have `n_items`; returns its SHA-256."""
    return artifact.save(folder, arrays={"items": items, "weights": weights}, texts={}, about=about)


def load(folder: Path) -> Ease:
    """The reference of an artifact, memory-mapped."""
    return Ease(artifact.array(folder, "items"), artifact.array(folder, "weights"), artifact.about(folder)["n_items"])
