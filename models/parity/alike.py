"""Scores by similar users made again from the pool of the artifact."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models import sparse_arrays
from models.artifact import array
from models.parity.comparing import Difference
from models.parity.factors import unlike
from models.parity.inputs import Person, Shop
from models.ragged import AnyArray, Float32

SCORER: Final = "alike"
_NEAR: Final = 1e-5
"""Users whose likeness is so near that of the last who counts may count or not: sums depend on their order."""


@dataclass(frozen=True)
class Pool:
    """The users among whom similar ones are sought.

    Attributes:
        profiles: by item, shape (n_pool, n_items), in columns.
        recent: what each bought lately, the same shape, in rows.
        row_of: row in the pool by user index.
        rarity: what an item weighs.
        n: similar users that count.
    """

    profiles: sparse.csc_matrix
    recent: sparse.csr_matrix
    row_of: dict[int, int]
    rarity: Float32
    n: int


def load(folder: Path, n: int) -> Pool:
    """The pool of the artifact `neighbours`.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    users = array(folder, "alike_pool").tolist()
    return Pool(
        profiles=sparse_arrays.load(folder, "alike_profiles").tocsc(),
        recent=sparse_arrays.load(folder, "alike_recent"),
        row_of={user: row for row, user in enumerate(users)},
        rarity=array(folder, "alike_rarity"),
        n=n,
    )


def differences(person: Person, shop: Shop, pool: Pool) -> Iterator[Difference]:
    """The first candidate whose stored score is not the sum of the likeness of its late buyers, if there is one."""
    likeness = _likeness(person, pool)
    least = np.sort(likeness)[::-1][: pool.n][-1:].sum()
    sure = np.where(likeness > least * (1 + _NEAR), likeness, 0.0)
    perhaps = np.where((likeness > 0) & (likeness >= least * (1 - _NEAR)), likeness, 0.0)
    low, high = (_sums(values, person, pool) for values in (sure, perhaps))
    stored = person.scores[:, len(shop.sources) + shop.scorers.index(SCORER)]
    return unlike(person, shop, SCORER, stored, np.clip(stored, low, high).astype(np.float64), high)


def _likeness(person: Person, pool: Pool) -> npt.NDArray[np.float64]:
    """The cosine of the user's profile with that of each user of the pool, 0 with the user's own."""
    baskets, sums = person.pairs["decayed_baskets"], np.zeros(pool.profiles.shape[0])
    weights = {item: float(baskets[at]) * float(pool.rarity[item]) for item, at in person.bought.items()}
    for item, weight in weights.items():
        column = slice(pool.profiles.indptr[item], pool.profiles.indptr[item + 1])
        sums[pool.profiles.indices[column]] += weight * pool.profiles.data[column].astype(np.float64)
    length = sum(weight * weight for weight in weights.values()) ** 0.5
    if person.user_idx in pool.row_of:
        sums[pool.row_of[person.user_idx]] = 0.0
    made: npt.NDArray[np.float64] = sums / max(length, 1e-6)
    return made


def _sums(likeness: AnyArray, person: Person, pool: Pool) -> npt.NDArray[np.float64]:
    """By candidate, the likeness of those who bought it lately."""
    who = np.flatnonzero(likeness)
    of_item = likeness[who] @ pool.recent[who].astype(np.float64)
    made: npt.NDArray[np.float64] = np.asarray(of_item)[person.items]
    return made
