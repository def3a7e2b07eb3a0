"""The shelf of a date as a Python worker opens it, and the aims of each placement from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from contracts.settings import Objectives, Placement
from models import als, objectives, shelf
from models.objectives import Aims
from models.rules import RuleInForce
from models.shelf import Shelf
from models.sources.registry import Catalogue


@dataclass(frozen=True, slots=True)
class ShelfFolder:
    """Where a worker finds a shelf, and what makes aims of it; small enough to travel with the task.

    Attributes:
        open_folder: the artifact's folder as the process sees it.
        sha256: of the artifact, so that a shelf made anew in the same folder is opened anew.
        settings: of the objectives.
        pinned_reason: index of the reason `pinned`.
    """

    open_folder: Callable[[], Path]
    sha256: str
    settings: Objectives
    pinned_reason: int

    def load(self) -> Shelf:
        """The shelf, opened once a worker."""
        return _shelf(self.open_folder(), self.sha256)

    def rules(self, placement: str) -> tuple[RuleInForce, ...]:
        """The rules that hold in a placement, in the order in which they act, made once a worker."""
        return _rules(self.open_folder(), self.sha256, placement)

    def aims(self, catalogue: Catalogue, name: str, placement: Placement) -> Aims:
        """What the lists of a placement are ordered by, made once a worker."""
        weights = self.settings.weights(placement.objectives)
        return _aims(catalogue, self.open_folder(), self.sha256, self.settings, name, tuple(weights.items()))


@lru_cache(maxsize=2)
def _shelf(folder: Path, sha256: str) -> Shelf:
    del sha256
    return shelf.load(folder)


@lru_cache(maxsize=8)
def _rules(folder: Path, sha256: str, placement: str) -> tuple[RuleInForce, ...]:
    return _shelf(folder, sha256).rules_of(placement)


@lru_cache(maxsize=8)
def _aims(
    catalogue: Catalogue,
    folder: Path,
    sha256: str,
    settings: Objectives,
    name: str,
    weights: tuple[tuple[str, float], ...],
) -> Aims:
    wanted, known = dict(weights), _shelf(folder, sha256)
    reach = known.reach.get(name) if wanted["spread"] else None
    return objectives.aims_of(
        wanted,
        margin=objectives.margin_of(np.asarray(known.margins), catalogue.allowed),
        spread=None if reach is None else objectives.spread_of(reach, int(catalogue.allowed.sum())),
        likeness=objectives.likeness_of(
            catalogue.items, als.load(catalogue.folders.als, "als").items, settings.similarity
        ),
        span_places=settings.span_places,
    )
