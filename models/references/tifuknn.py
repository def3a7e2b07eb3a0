"""TIFUKNN: how often and how lately the user bought an item, blended with users who bought alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy import sparse

from contracts.references_section import References
from models import artifact, sparse_arrays
from models.ragged import AnyArray, Int32, Int64
from models.ranker import is_sampled
from models.references.base import Past, Scored

NAME: Final = "frequencies"
_SPAN: Final = np.int64(1) << 32


class Tifuknn(Scored):
    """alpha times the user's vector, the rest the mean vector of the nearest users of the pool, by Euclidean distance.

    Method: Hu, He, Gao, Zhang, "Modeling Personalized Item Frequency Information for Next-basket Recommendation",
    SIGIR 2020; the defaults are those published for Ta-Feng, where baskets are days as here.
    """

    def __init__(self, vectors: sparse.csr_matrix, pool: Int32, wanted: References) -> None:
        """`vectors` are those of all users, shape (n_users, n_items); `pool` are the users to be neighbours."""
        super().__init__()
        self._vectors, self._wanted = vectors, wanted
        self._pool, self._near = pool, vectors[pool]
        self._lengths = np.asarray(self._near.power(2).sum(axis=1)).ravel()

    def scores(self, past: Past) -> sparse.csr_matrix:
        """The blend; positive where the user or a neighbour bought the item."""
        own = self._own(past.user_idx)
        near = self._neighbours(own, past.user_idx) @ self._near
        blend: sparse.csr_matrix = (self._wanted.tifuknn_alpha * own + (1 - self._wanted.tifuknn_alpha) * near).tocsr()
        blend.eliminate_zeros()
        return blend

    def _own(self, user_idx: Int32) -> sparse.csr_matrix:
        inside = np.flatnonzero(user_idx < self._vectors.shape[0])
        ones = np.ones(len(inside), np.float32)
        chosen = sparse.csr_matrix((ones, (inside, np.arange(len(inside)))), shape=(len(user_idx), len(inside)))
        own: sparse.csr_matrix = (chosen @ self._vectors[user_idx[inside]]).tocsr()
        return own

    def _neighbours(self, own: sparse.csr_matrix, user_idx: Int32) -> sparse.csr_matrix:
        """1/k at each of the k nearest, shape (n_rows, n_pool); nobody is one of their own."""
        shape = (own.shape[0], len(self._pool))
        nearness = 2 * (own @ self._near.T).toarray() - self._lengths
        self_at = np.searchsorted(self._pool, user_idx)
        is_self = self._pool[np.minimum(self_at, len(self._pool) - 1)] == user_idx if len(self._pool) else user_idx < 0
        nearness[np.flatnonzero(is_self), self_at[is_self]] = -np.inf
        k = min(self._wanted.tifuknn_neighbours, len(self._pool) - 1)
        if k < 1:
            return sparse.csr_matrix(np.zeros(shape, dtype=np.float32))
        nearest = np.sort(np.argpartition(-nearness, k - 1, axis=1)[:, :k], axis=1)
        values = np.full(nearest.size, 1 / k, dtype=np.float32)
        return sparse.csr_matrix((values, (np.repeat(np.arange(shape[0]), k), nearest.ravel())), shape=shape)


def vectors(
    users: Int64, days: AnyArray, items: AnyArray, shape: tuple[int, int], wanted: References
) -> sparse.csr_matrix:
    """Temporal item frequencies, float32: one row a user, the newest baskets weigh most.

    A user's n baskets fall into groups of ceil(n / tifuknn_groups), counted from the newest, so that the oldest group
    may be smaller. A basket's weight decays inside its group and the group's with its age; groups are means of their
    baskets and the vector is the mean of its groups.

    Args:
        users: user index of each purchase, in any order; one entry a (user, day, item).
        days: its day.
        items: its item.
        shape: users and items.
        wanted: decays and groups.
    """
    keys = users.astype(np.int64) * _SPAN + days
    baskets, of_entry = np.unique(keys, return_inverse=True)
    owner = baskets // _SPAN
    ends = np.searchsorted(owner, owner, side="right")
    sizes = ends - np.searchsorted(owner, owner, side="left")
    age = ends - 1 - np.arange(len(baskets))
    group_size = -(-sizes // wanted.tifuknn_groups)
    n_groups = -(-sizes // group_size)
    group, inside = age // group_size, age % group_size
    in_group = np.where(group == n_groups - 1, sizes - group_size * (n_groups - 1), group_size)
    weight = wanted.tifuknn_basket_decay**inside / in_group * wanted.tifuknn_group_decay**group / n_groups
    matrix: sparse.csr_matrix = sparse.csr_matrix((weight[of_entry].astype(np.float32), (users, items)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def pool_of(known: Int32, n: int, *, seed: int) -> Int32:
    """The users to be neighbours: all `known` ones, or about `n` of them by a hash; ascending."""
    ordered = np.sort(known).astype(np.int32)
    return ordered if len(ordered) <= n else ordered[is_sampled(ordered.astype(np.int64), n / len(ordered), seed)]


def gigabytes(n_pairs: int) -> float:
    """Memory that the vectors take, while they are made."""
    return 48 * n_pairs / 1e9


def save(folder: Path, made: sparse.csr_matrix, pool: Int32, *, about: dict[str, Any]) -> str:
    """Writes the artifact; returns its SHA-256."""
    arrays = {**sparse_arrays.to_arrays(NAME, made), "pool": pool}
    return artifact.save(folder, arrays=arrays, texts={}, about=about)


def load(folder: Path, wanted: References) -> Tifuknn:
    """The reference of an artifact, memory-mapped."""
    return Tifuknn(sparse_arrays.load(folder, NAME), np.asarray(artifact.array(folder, "pool")), wanted)
