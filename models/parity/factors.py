"""Scores of ALS made again from its factors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from models import artifact
from models.parity.comparing import Difference
from models.parity.inputs import Person, Shop
from models.ragged import Float32

Float64 = npt.NDArray[np.float64]

MODELS: Final[tuple[str, ...]] = ("als", "als_long")
TOLERANCE: Final = 1e-4
"""Of the size of the sum's terms: a float32 dot product depends on the order of its sum."""


@dataclass(frozen=True, slots=True)
class Factors:
    """Factors of users and items by their index, memory-mapped."""

    users: Float32
    items: Float32


def load(folder: Path, name: str) -> Factors:
    """The factors of one model.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    return Factors(artifact.array(folder, f"{name}_users"), artifact.array(folder, f"{name}_items"))


def differences(person: Person, shop: Shop, name: str, model: Factors) -> Iterator[Difference]:
    """The first candidate whose stored score is not the product of its factors, if there is one."""
    stored = person.scores[:, shop.sources.index(name)]
    width = model.items.shape[1]
    n_known, width = model.items.shape
    user = np.zeros(width) if person.user_idx >= len(model.users) else model.users[person.user_idx].astype(np.float64)
    known = person.items < n_known
    expected = np.full(len(person.items), np.nan)
    terms = model.items[person.items[known]].astype(np.float64) * user
    expected[known] = terms.sum(axis=1)
    sizes = np.zeros(len(person.items))
    sizes[known] = np.abs(terms).sum(axis=1)
    return unlike(person, shop, name, stored, expected, sizes)


def unlike(
    person: Person, shop: Shop, name: str, stored: Float32, expected: Float64, sizes: Float64
) -> Iterator[Difference]:
    """The first candidate whose stored score is not the expected one, if there is one.

    Args:
        person: whose candidates they are.
        shop: names of the items.
        name: of the source or scorer.
        stored: of each candidate, NaN where there is none.
        expected: the same by the second path.
        sizes: the sum of the sizes of each score's terms.
    """
    allowed = TOLERANCE * np.maximum(sizes, 1e-6)
    is_same = (np.abs(expected - stored) <= allowed) | (np.isnan(expected) & np.isnan(stored))
    for at in np.flatnonzero(~is_same)[:1].tolist():
        yield Difference(
            user_id=person.user_id, placement="", position=0, what="factors",
            expected=f"{name} {expected[at]:.6g} for {shop.item_ids[person.items[at]]}", found=f"{stored[at]:.6g}",
        )  # fmt: skip
