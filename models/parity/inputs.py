"""What the second path knows of a shop and of one user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from models.ragged import AnyArray, Bool, Float32


class Entry(NamedTuple):
    """One place of a list: item index, score, and the position of the source that is its reason."""

    item: int
    score: float
    reason: int


@dataclass(frozen=True)
class Shop:
    """The items of a date and the settings that shape lists.

    Attributes:
        item_ids: the shop's ids by item index; None where the vocabulary has no such item.
        numbers: float32 by name of the table `item_features`, by item index; NaN where unknown.
        texts: category, department and brand by item index; None where unknown.
        is_recommendable: by item index.
        sources: names, in the order of the candidates' columns.
        scorers: names, whose scores follow those of the sources.
        reasons: names, in the order of the reasons' codes.
        min_item_buyers: items with fewer buyers are not recommended.
        arrival_days: but those that are at most so old.
        today: days since 1970-01-01.
    """

    item_ids: Sequence[str | None]
    numbers: Mapping[str, Float32]
    texts: Mapping[str, Sequence[str | None]]
    is_recommendable: Bool
    sources: tuple[str, ...]
    scorers: tuple[str, ...]
    reasons: tuple[str, ...]
    min_item_buyers: int
    arrival_days: int
    today: int

    @property
    def n_items(self) -> int:
        """Items as of the date."""
        return len(self.is_recommendable)

    @cached_property
    def allowed(self) -> list[bool]:
        """Whether an item may be in a list at all."""
        ages, buyers = self.numbers["age_days"].tolist(), self.numbers["buyers"].tolist()
        return [
            bool(may) and (n >= self.min_item_buyers or age <= self.arrival_days)
            for may, n, age in zip(self.is_recommendable.tolist(), buyers, ages, strict=True)
        ]

    @cached_property
    def popular(self) -> list[int]:
        """Allowed items, most buyers of 28 days first, then of 84, then ever, then the lower index."""
        columns = [self.numbers[name].tolist() for name in ("buyers_28", "buyers_84", "buyers")]
        items = [item for item in range(self.n_items) if self.allowed[item]]
        return sorted(items, key=lambda item: (*(-column[item] for column in columns), item))

    @cached_property
    def buyers_of(self) -> dict[str, dict[str, float]]:
        """Buyers of 84 days, added up over the items of each text, by attribute and text."""
        made: dict[str, dict[str, float]] = {}
        for name, texts in self.texts.items():
            sums = made.setdefault(name, {})
            for text, n in zip(texts, self.numbers["buyers_84"].tolist(), strict=False):
                if text is not None:
                    sums[text] = sums.get(text, 0.0) + n
        return made


@dataclass(frozen=True)
class Person:
    """One user as known on the date.

    Attributes:
        numbers: float32 by name of the table `user_features`; NaN where unknown.
        pairs: columns of the user's row of `histories`, parallel, of the items that the date knows.
        items: candidates.
        scores: shape (candidates, sources and scorers), NaN where one has none.
        ranks: shape (candidates, sources), from 1; 0 where not proposed.
        segment: whose popular list stands in for the user's.
    """

    user_id: str
    user_idx: int
    numbers: Mapping[str, np.float32]
    pairs: Mapping[str, AnyArray]
    items: AnyArray
    scores: AnyArray
    ranks: AnyArray
    segment: str = "all"

    @cached_property
    def bought(self) -> dict[int, int]:
        """The position in `pairs` of each item with a purchase that stands, by item."""
        baskets, quantities = self.pairs["baskets"], self.pairs["quantities"]
        stands = zip(self.pairs["item_idx"].tolist(), baskets.tolist(), quantities.tolist(), strict=True)
        return {item: at for at, (item, n, quantity) in enumerate(stands) if n > 0 and quantity > 0}


def main_source(ranks: Any) -> int:
    """The source that ranked a candidate best; the earlier one wins a tie."""
    proposed = [(int(rank), position) for position, rank in enumerate(ranks) if rank > 0]
    return min(proposed)[1] if proposed else 0
