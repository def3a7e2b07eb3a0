"""One user's list ordered by all objectives: the second path beside `models.objectives`."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from contracts.settings import Objectives, Placement
from models.parity.factors import Factors
from models.parity.inputs import Entry, Shop
from models.ragged import Float32
from models.shelf import Shelf

Float64 = npt.NDArray[np.float64]
TASTE: Final = "taste"
TOLERANCE: Final = 1e-5
"""What two values may differ by and be the same: sums of float32 products depend on their order."""


@dataclass(frozen=True)
class Ordering:
    """What the lists of a placement are ordered by.

    Attributes:
        weights: by objective, adding up to 1.
        worth: margin and spread of each item by their weights, by item index.
        factors: ALS item factors; none where taste is no part of the similarity.
        codes: text of each item, by code that is a part of the similarity.
        span_places: over which the ranker's score falls from 1 to 0.
    """

    weights: Mapping[str, float]
    worth: Sequence[float]
    factors: Float32 | None
    codes: Sequence[Sequence[str | None]]
    span_places: int

    def similarities(self, items: Sequence[int]) -> Float64:
        """How much each item is like each other, from 0 to 1, shape (n, n)."""
        parts: list[Float64] = []
        for column in self.codes:
            numbers: dict[str, int] = {}
            texts = [column[item] for item in items]
            known = np.array([text is not None for text in texts])
            own = np.array([numbers.setdefault(text or "", len(numbers)) for text in texts])
            parts.append(((own[:, None] == own) & known[:, None] & known).astype(np.float64))
        if self.factors is not None:
            inside = [item < len(self.factors) for item in items]
            rows = self.factors[np.where(inside, items, 0)].astype(np.float64) * np.array(inside)[:, None]
            sizes = np.sqrt((rows * rows).sum(axis=1))
            units = rows / np.where(sizes > 0, sizes, 1.0)[:, None]
            parts.append(units @ units.T)
        alike: Float64 = sum(parts, np.zeros((len(items), len(items)))) / max(len(parts), 1)
        return np.clip(alike, 0.0, 1.0)


def ordering(
    settings: Objectives, placement: Placement, name: str, shop: Shop, known: Shelf, model: Factors | None
) -> Ordering:
    """The ordering of a placement, from the date's shelf and factors.

    Args:
        settings: of all placements.
        placement: its own weights go before.
        name: of the placement.
        shop: items of the date.
        known: the date's margins and reach.
        model: ALS factors.
    """
    weights = {key: weight for key, weight in settings.weights(placement.objectives).items() if weight}
    margins = [None if math.isnan(value) else value for value in np.asarray(known.margins).tolist()]
    if all(margins[item] is None for item in range(shop.n_items) if shop.allowed[item]):
        weights.pop("margin", None)
    if name not in known.reach:
        weights.pop("spread", None)
    total = sum(weights.values())
    weights = {key: weight / total for key, weight in weights.items()} or {"engagement": 1.0}
    worth = [0.0] * shop.n_items
    if "margin" in weights:
        worth = [old + weights["margin"] * value for old, value in zip(worth, _margins(margins, shop), strict=True)]
    if "spread" in weights:
        spreads = _spreads(known.reach[name].tolist(), shop)
        worth = [old + weights["spread"] * value for old, value in zip(worth, spreads, strict=True)]
    texts = [shop.texts[part] for part in settings.similarity if part != TASTE]
    codes = [column for column in texts if any(text is not None for text in column)]
    factors = model.items if model is not None and TASTE in settings.similarity else None
    return Ordering(weights, worth, factors, codes, settings.span_places)


def order(entries: list[Entry], aims: Ordering, length: int, seen: Mapping[int, int]) -> list[Entry]:
    """Entries picked one by one: the most valuable, less the weighted similarity to the pick that is most like it.

    Args:
        entries: best first by the ranker.
        aims: of the placement.
        length: so many are picked; the others follow by value.
        seen: the place of each item in the list before exploration: where values are equal within the tolerance, either
            order is right, and this one is taken.
    """
    if set(aims.weights) <= {"engagement"} or not entries:
        return entries
    last = entries[min(len(entries), aims.span_places) - 1].score
    fall = entries[0].score - last or 1.0
    engaging = aims.weights.get("engagement", 0.0)
    value = {
        entry.item: engaging * (1 - (entries[0].score - entry.score) / fall) + aims.worth[entry.item]
        for entry in entries
    }
    ranked = sorted(entries, key=lambda entry: -value[entry.item])
    values = np.array([value[entry.item] for entry in ranked])
    places = [seen.get(entry.item, math.inf) for entry in ranked]
    alike = aims.similarities([entry.item for entry in ranked]) * aims.weights.get("diversity", 0.0)
    likest = np.zeros(len(ranked))
    picked: list[int] = []
    while len(picked) < min(length, len(ranked)):
        now = values - likest
        now[picked] = -math.inf
        ties = np.flatnonzero(now >= now.max() - TOLERANCE).tolist()
        picked.append(min(ties, key=lambda tie: (places[tie], tie)))
        likest = np.maximum(likest, alike[picked[-1]])
    chosen = {*picked}
    return [ranked[at] for at in picked] + [entry for at, entry in enumerate(ranked) if at not in chosen]


def _margins(margins: Sequence[float | None], shop: Shop) -> list[float]:
    """The share of allowed items with a lower margin, equal ones half; the middle where it is unknown."""
    known = sorted(m for item, m in enumerate(margins) if m is not None and shop.allowed[item])
    return [0.5 if m is None else (bisect_left(known, m) + bisect_right(known, m)) / (2 * len(known)) for m in margins]


def _spreads(reach: Sequence[int], shop: Shop) -> list[float]:
    """1 for what no list shows, 0 for what most do, by the logarithm of the reach in that of the average item."""
    total, n_allowed = sum(reach), max(sum(shop.allowed), 1)
    crowding = [math.log1p(lists * n_allowed / total) if total else 0.0 for lists in reach]
    highest = max(crowding, default=0.0) or 1.0
    return [1.0 - one / highest for one in crowding]
