"""User-kNN as a scorer: what users who buy alike bought lately."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from scipy import sparse

from models import artifact, sparse_arrays
from models.ragged import AnyArray, Float32, Int32, Int64
from models.user_block import UserBlock, find

RECENT_DAYS: Final = 28
_PROFILES: Final = "alike_profiles"
_RECENT: Final = "alike_recent"


class AlikeUsers:
    """The sum of the similarities of the most similar users of a pool who bought the item in the last 28 days.

    Two users are similar by the cosine of their profiles: baskets that weigh 0.8 times the next newer one, times the
    logarithm of how rare the item is. Nobody is similar to oneself.

    Method: Sarwar, Karypis, Konstan, Riedl, "Analysis of Recommendation Algorithms for E-Commerce", EC 2000, over
    decayed baskets as in Hu, He, Gao, Zhang, "Modeling Personalized Item Frequency Information for Next-basket
    Recommendation", SIGIR 2020.
    """

    def __init__(
        self, profiles: sparse.csr_matrix, recent: sparse.csr_matrix, pool: Int32, rarity: Float32, n: int
    ) -> None:
        """A scorer over a fixed pool.

        Args:
            profiles: of the pool, rows of length 1, shape (n_pool, n_items).
            recent: 1 where a user of the pool bought the item lately, the same shape.
            pool: user index of each row, ascending.
            rarity: what an item weighs in a profile, by item index.
            n: similar users that count.
        """
        self._by_item, self._recent, self._pool = profiles.T.tocsr(), recent, np.asarray(pool)
        self._rarity, self._n = np.asarray(rarity), n

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The score of each pair; 0 where no similar user bought the item lately."""
        likeness = self._likeness(block)
        scores = (likeness @ self._recent).tocsr()
        scores.sort_indices()
        known = np.repeat(np.arange(block.n_users, dtype=np.int64), np.diff(scores.indptr))
        at = find(block.keys(known, scores.indices.astype(np.int32)), block.keys(rows, items))
        found = np.zeros(len(rows), dtype=np.float32)
        found[at >= 0] = scores.data[at[at >= 0]]
        return found

    def _likeness(self, block: UserBlock) -> sparse.csr_matrix:
        """The cosines of the most similar users of the pool, shape (n_users, n_pool)."""
        shape = (block.n_users, len(self._pool))
        bought, shape_of_own = block.bought, (block.n_users, block.n_items)
        own = profiles_of(bought.rows, bought.item_idx, bought.decayed_baskets, self._rarity, shape_of_own)
        dense = (own @ self._by_item).toarray()
        if not dense.size:
            return sparse.csr_matrix(dense)
        at = find(self._pool.astype(np.int64), block.user_idx.astype(np.int64))
        dense[np.flatnonzero(at >= 0), at[at >= 0]] = 0
        n = min(self._n, shape[1])
        least = np.partition(dense, shape[1] - n, axis=1)[:, shape[1] - n]
        kept = (dense >= least[:, None]) & (dense > 0)
        counted, columns = np.nonzero(kept)
        return sparse.csr_matrix((dense[counted, columns], (counted, columns)), shape=shape)


def profiles_of(
    rows: Int64, items: Int32, decayed_baskets: Float32, rarity: Float32, shape: tuple[int, int]
) -> sparse.csr_matrix:
    """Profiles of length 1, float32, of the users whose purchases these are; an empty row where there are none."""
    weights = decayed_baskets * rarity[items]
    squares = np.bincount(rows, weights=weights.astype(np.float64) ** 2, minlength=shape[0])
    units = weights / np.sqrt(np.maximum(squares, 1e-12))[rows]
    return sparse.csr_matrix((units.astype(np.float32), (rows, items)), shape=shape)


def rarity_of(buyers: AnyArray, n_users: int) -> Float32:
    """The logarithm of the users for each buyer of an item, by item index; 0 for one that all bought or nobody did."""
    known = np.nan_to_num(np.asarray(buyers, dtype=np.float64))
    return np.where(known > 0, np.log(np.maximum(n_users, 1) / np.maximum(known, 1)), 0).clip(0).astype(np.float32)


def to_arrays(
    profiles: sparse.csr_matrix, recent: sparse.csr_matrix, pool: Int32, rarity: Float32
) -> dict[str, AnyArray]:
    """The arrays of a fitted pool, by their names in the artifact."""
    matrices = sparse_arrays.to_arrays(_PROFILES, profiles) | sparse_arrays.to_arrays(_RECENT, recent)
    return {**matrices, "alike_pool": pool.astype(np.int32), "alike_rarity": rarity}


def load(folder: Path, n: int) -> AlikeUsers:
    """The scorer of an artifact, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    profiles, recent = (sparse_arrays.load(folder, name) for name in (_PROFILES, _RECENT))
    pool, rarity = (artifact.array(folder, name) for name in ("alike_pool", "alike_rarity"))
    return AlikeUsers(profiles, recent, pool, rarity, n)
