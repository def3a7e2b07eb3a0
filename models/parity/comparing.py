"""A list made a second time beside the one that was found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from models.parity.inputs import Entry, Shop

SCORE_STEPS: Final = 255
"""A stored score is one of so many steps from the list's lowest to its highest."""
TOLERANCE: Final = 1e-5
"""Of the scores' size: what two orders of the same float32 sums may differ by."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One place that is not as it was made the second time.

    Attributes:
        placement: empty where the user has a list that was not expected at all, or the reverse.
        position: from 1; 0 where it is no single place.
        what: item, score, reason, length, factors, segment, fallback, or user.
        expected: by the second path.
        found: in the store.
    """

    user_id: str
    placement: str
    position: int
    what: str
    expected: str
    found: str


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A list as a reader of the store shows it; parallel, best first."""

    items: Sequence[str]
    scores: Sequence[float]
    sources: Sequence[str]


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """What a comparison found.

    Attributes:
        n_tied: places with another item whose second score is the same within the tolerance; no difference.
    """

    differences: list[Difference]
    n_tied: int = 0


def compare(
    user_id: str, placement: str, expected: list[Entry], found: Found, shop: Shop, known: Mapping[str, float]
) -> Compared:
    """The differences of one list, in the order of its places; empty where it is the same within the tolerance.

    Args:
        user_id: whose list.
        placement: where it shows.
        expected: made the second time.
        found: in the store.
        shop: names of items and reasons.
        known: the second score by id, of everything that may be in this list. A place with another item of an equal
            score is a tie: either order is right.
    """
    at = partial(_difference, user_id, placement)
    if len(expected) != len(found.items):
        return Compared(differences=[at(0, "length", len(expected), len(found.items))])
    if len({*found.items}) != len(found.items):
        return Compared(differences=[at(0, "length", f"{len(expected)} items", "an item twice")])
    differences, n_tied = [], 0
    half_step, size = _spread(expected)
    reasons = {shop.item_ids[entry.item]: shop.reasons[entry.reason] for entry in expected}
    places = zip(expected, found.items, found.scores, found.sources, strict=True)
    for position, (entry, item, score, source) in enumerate(places, start=1):
        item_id = shop.item_ids[entry.item]
        if item != item_id:
            other = known.get(item)
            if other is None or abs(other - entry.score) > size * TOLERANCE:
                differences.append(at(position, "item", item_id, item))
                continue
            n_tied += 1
        if abs(score - entry.score) > half_step + size * TOLERANCE:
            differences.append(at(position, "score", f"{entry.score:.6g}", f"{score:.6g}"))
        elif reasons.get(item, source) != source:
            differences.append(at(position, "reason", reasons[item], source))
    return Compared(differences=differences, n_tied=n_tied)


def _difference(user_id: str, placement: str, position: int, what: str, is_: object, was: object) -> Difference:
    return Difference(
        user_id=user_id, placement=placement, position=position, what=what, expected=str(is_), found=str(was)
    )


def _spread(expected: list[Entry]) -> tuple[float, float]:
    """Half a step of the stored scores, and the scores' size."""
    scores = [entry.score for entry in expected] or [0.0]
    return (max(scores) - min(scores)) / SCORE_STEPS / 2, max(1.0, *map(abs, scores))
