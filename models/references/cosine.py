"""Items near what the user bought, by cosine over users."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import sparse

from models import artifact, neighbours, sparse_arrays
from models.references.base import Past, Scored, incidence

NAME: Final = "cosine"
MAX_ITEMS: Final = 1000  # of a user that the fit counts, so that one who buys for a town does not cost a night


class Cosine(Scored):
    """The sum of an item's cosines with what the user bought; an item is no neighbour of itself.

    Method: Sarwar, Karypis, Konstan, Riedl, "Item-Based Collaborative Filtering Recommendation Algorithms", WWW 2001,
    for purchases instead of ratings.
    """

    def __init__(self, similarity: sparse.csr_matrix) -> None:
        """`similarity` has shape (n_items, n_items), few entries a row and an empty diagonal."""
        super().__init__()
        self._similarity = similarity

    def scores(self, past: Past) -> sparse.csr_matrix:
        """Sums of cosines."""
        product: sparse.csr_matrix = (incidence(past, self._similarity.shape[0]) @ self._similarity).tocsr()
        return product


def fit(bought: sparse.csr_matrix, n: int, *, threads: int) -> sparse.csr_matrix:
    """The `n` nearest items of each, by cosine of the users who bought them.

    Args:
        bought: 1 where the user bought the item, shape (n_users, n_items); of a user with more than MAX_ITEMS, so
            many count, evenly by index.
        n: neighbours kept.
        threads: at most.
    """
    counts = np.diff(bought.indptr)
    within = np.arange(bought.nnz) - np.repeat(bought.indptr[:-1], counts)
    of_user = np.repeat(np.maximum(counts, MAX_ITEMS), counts)
    kept = (within + 1) * MAX_ITEMS // of_user > within * MAX_ITEMS // of_user
    rows = np.repeat(np.arange(bought.shape[0]), counts)[kept]
    shape = bought.shape
    capped = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, bought.indices[kept])), shape=shape)
    return neighbours.covisit(capped, n, threads=threads)


def gigabytes(n_pairs: int, n_items: int, n: int) -> float:
    """Memory that a fit takes: three copies of the purchases, and the neighbours."""
    return (36 * n_pairs + 24 * n_items * n) / 1e9


def save(folder: Path, similarity: sparse.csr_matrix, *, about: dict[str, Any]) -> str:
    """Writes the artifact; returns its SHA-256."""
    return artifact.save(folder, arrays=sparse_arrays.to_arrays(NAME, similarity), texts={}, about=about)


def load(folder: Path) -> Cosine:
    """The reference of an artifact, memory-mapped."""
    return Cosine(sparse_arrays.load(folder, NAME))
