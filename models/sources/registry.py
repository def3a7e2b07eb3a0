"""The sources and scorers of a date, from its artifacts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np

from contracts.settings import Candidates
from models import als, artifact, item_arrays, neighbours
from models.item_arrays import ItemArrays
from models.ragged import Bool, Float32
from models.sources import alike, ease
from models.sources.als import Als
from models.sources.base import Scorer, Source
from models.sources.neighbours import Neighbours, Seeds, last_basket, strongest
from models.sources.own import Own
from models.sources.popular import Popular


@dataclass(frozen=True, slots=True)
class Folders:
    """Artifact folders of one date."""

    item_arrays: Path
    als: Path
    neighbours: Path


class Catalogue:
    """What sources are made from: the artifacts of one date, opened once a process."""

    def __init__(self, folders: Folders, settings: Candidates) -> None:
        """Opens the item arrays; the rest is opened when a source asks for it."""
        self.folders = folders
        self.settings = settings
        self.items: ItemArrays = item_arrays.load(folders.item_arrays)

    @cached_property
    def is_arrival(self) -> Bool:
        """True for items sold or offered for at most `arrival_days`."""
        age = np.asarray(self.items.numbers["age_days"])
        return np.nan_to_num(age, nan=np.inf) <= self.settings.arrival_days

    @cached_property
    def allowed(self) -> Bool:
        """True for items that may be recommended."""
        enough = np.asarray(self.items.numbers["buyers"]) >= self.settings.min_item_buyers
        return np.asarray(self.items.is_recommendable) & (enough | self.is_arrival)

    @cached_property
    def segments(self) -> dict[str, int]:
        """Row of the segment popularity by segment; row 0 is everyone."""
        known: dict[str, int] = json.loads(artifact.text(self.folders.neighbours, "segments.json"))
        return known

    def number(self, name: str) -> Float32:
        """One item feature, unknown values as 0."""
        return np.nan_to_num(np.asarray(self.items.numbers[name]), nan=0.0)


def build(catalogue: Catalogue) -> dict[str, Source]:
    """The settings' sources, in their order.

    Raises:
        ArtifactCorrupt: an artifact is absent or unreadable.
    """
    return {name: _SOURCES[name](catalogue) for name in catalogue.settings.sources}


def build_scorers(catalogue: Catalogue) -> dict[str, Scorer]:
    """The settings' scorers, in their order.

    Raises:
        ArtifactCorrupt: an artifact is absent or unreadable.
    """
    return {name: _SCORERS[name](catalogue) for name in catalogue.settings.scorers}


def _als(name: str) -> Callable[[Catalogue], Source]:
    def make(catalogue: Catalogue) -> Source:
        factors = als.load(catalogue.folders.als, name)
        return Als(factors.users, factors.items, catalogue.allowed)

    return make


def _neighbours(name: str, seeds: Seeds = strongest) -> Callable[[Catalogue], Source]:
    def make(catalogue: Catalogue) -> Source:
        matrix = neighbours.load(catalogue.folders.neighbours, name, catalogue.items.n_items)
        return Neighbours(matrix, catalogue.allowed, seeds)

    return make


def _own(catalogue: Catalogue) -> Source:
    return Own(catalogue.items, catalogue.allowed, catalogue.settings.max_own)


def _popular(catalogue: Catalogue) -> Source:
    return Popular(catalogue.number("buyers_28")[None, :], {}, catalogue.allowed)


def _segment(catalogue: Catalogue) -> Source:
    scores = artifact.array(catalogue.folders.neighbours, "segment_buyers")
    return Popular(scores, catalogue.segments, catalogue.allowed)


def _trend(catalogue: Catalogue) -> Source:
    week, quarter = catalogue.number("buyers_7"), catalogue.number("buyers_84")
    rising = (week * 4 + 3) / (quarter / 3 + 3) * np.log1p(week)
    return Popular(rising[None, :].astype(np.float32), {}, catalogue.allowed)


def _arrivals(catalogue: Catalogue) -> Source:
    scores = np.where(catalogue.is_arrival, catalogue.number("buyers_28") + 0.5, 0).astype(np.float32)
    return Popular(scores[None, :], {}, catalogue.allowed)


_SOURCES: Final[dict[str, Callable[[Catalogue], Source]]] = {
    "own": _own,
    "als": _als("als"),
    "als_long": _als("als_long"),
    "covisit": _neighbours("covisit"),
    "last_basket": _neighbours("covisit", last_basket),
    "content": _neighbours("content"),
    "category": _neighbours("category"),
    "popular": _popular,
    "segment": _segment,
    "trend": _trend,
    "arrivals": _arrivals,
}
_SCORERS: Final[dict[str, Callable[[Catalogue], Scorer]]] = {
    "ease": lambda catalogue: ease.load(catalogue.folders.neighbours, catalogue.items.n_items),
    "alike": lambda catalogue: alike.load(catalogue.folders.neighbours, catalogue.settings.alike_neighbours),
}
