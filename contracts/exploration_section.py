"""The settings' section of exploration: which slots show an item that has seldom been shown, and which items may."""

from __future__ import annotations

from typing import Final

import msgspec

from contracts.sections import Positive, Section, Share

HOME_SHARE: Final = 0.2
EXPLORED: Final = "explored"
"""The reason of an explored slot, in the place of a source."""


def _shares() -> dict[str, float]:
    return {"home": HOME_SHARE}


class Exploration(Section, frozen=True):
    """Slots given to new and under-exposed items, each with the exact chance that its item had of standing there.

    Attributes:
        share: of the open slots of a placement that are explored; a placement that is not named explores nothing.
        first_slot: the first open slot, from 1; those above it keep the best items.
        last_slot: the last open slot.
        floor: quantile of the user's own candidates, by score: nothing below it is explored.
        items_per_slot: items that one slot draws from, at most.
        max_reach: an item is under-exposed while at most this share of the last night's lists have it in `reach_k`.
        reach_k: places of a list that count as shown.
    """

    share: dict[str, Share] = msgspec.field(default_factory=_shares)
    first_slot: Positive = 11
    last_slot: Positive = 30
    floor: Share = 0.5
    items_per_slot: Positive = 5
    max_reach: Share = 0.01
    reach_k: Positive = 10
