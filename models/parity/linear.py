"""Scores of the linear model of items on items (EASE^R) made again from its weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from models import artifact
from models.parity.comparing import Difference
from models.parity.factors import unlike
from models.parity.inputs import Person, Shop
from models.ragged import Float32

SCORER: Final = "ease"


@dataclass(frozen=True, slots=True)
class Weights:
    """The place of each item of the model, by item index, and the weights between places, memory-mapped."""

    places: dict[int, int]
    weights: Float32


def load(folder: Path) -> Weights:
    """The weights of the artifact `neighbours`.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    items = artifact.array(folder, "ease_items").tolist()
    return Weights({item: place for place, item in enumerate(items)}, artifact.array(folder, "ease_weights"))


def differences(person: Person, shop: Shop, model: Weights) -> Iterator[Difference]:
    """The first candidate whose stored score is not the sum of the weights from what was bought, if there is one."""
    bought = np.array([model.places[item] for item in person.bought if item in model.places], dtype=np.int64)
    expected, sizes = np.full(len(person.items), np.nan), np.zeros(len(person.items))
    places = np.array([model.places.get(item, -1) for item in person.items.tolist()], dtype=np.int64)
    terms = model.weights[np.ix_(bought, places[places >= 0])].astype(np.float64)
    expected[places >= 0], sizes[places >= 0] = terms.sum(axis=0), np.abs(terms).sum(axis=0)
    stored = person.scores[:, len(shop.sources) + shop.scorers.index(SCORER)]
    return unlike(person, shop, SCORER, stored, expected, sizes)
