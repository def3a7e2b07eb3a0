"""Lists ordered by several objectives: engagement, margin and spread of each item, and diversity of the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.item_arrays import ItemArrays
from models.mmr_kernel import select
from models.ragged import AnyArray, Bool, Float32, Int32, Int64, offsets_of
from models.rerank import Lists

TASTE: Final = "taste"
_LOWEST: Final = -1e30  # of an engagement: the first places of a list may differ by next to nothing


@dataclass(frozen=True, slots=True)
class Likeness:
    """By what two items are alike, as `models.mmr_kernel.select` takes it; a similarity is from 0 to 1."""

    vectors: Float32
    scales: Float32
    codes: Int32
    code_share: float


@dataclass(frozen=True, slots=True)
class Aims:
    """What the lists of a placement are ordered by.

    Attributes:
        weights: by objective, adding up to 1; an objective that the shop has no data for is not among them.
        worth: margin and spread of each item times their weights, float32, by item index.
        likeness: of the diversity.
        span_places: places over which the ranker's score falls from 1 to 0.
    """

    weights: dict[str, float]
    worth: Float32
    likeness: Likeness
    span_places: int


def rerank(lists: Lists, aims: Aims, length: int) -> Lists:
    """The same entries, ordered by the aims; with the weight of engagement alone as they were.

    The value of an item is its engagement, margin and spread by their weights. Without diversity the order is that of
    the values. With it the first `length` are picked one by one, each the item whose value, less the weight of the
    diversity times the similarity to the item above that is most like it, is highest; the others follow by value.

    Args:
        lists: best first by the ranker.
        aims: weights and facts.
        length: entries wanted of a list.
    """
    if not len(lists.rows) or set(aims.weights) <= {"engagement"}:
        return lists
    n_rows = int(lists.rows[-1]) + 1
    offsets = offsets_of(lists.rows, n_rows)
    engaging = aims.weights.get("engagement", 0.0) * engagement(lists, offsets, aims.span_places)
    value: Float32 = (engaging + aims.worth[lists.items]).astype(np.float32)
    by_value = np.lexsort((np.arange(len(value)), -value, lists.rows))
    ordered = lists.take(by_value)
    if not aims.weights.get("diversity", 0.0):
        return ordered
    order = np.empty(len(value), dtype=np.int64)
    alike = aims.likeness
    select(
        offsets, value[by_value], ordered.items, alike.vectors, alike.scales, alike.codes, alike.code_share,
        aims.weights["diversity"], length, order,
    )  # fmt: skip
    return ordered.take(order)


def engagement(lists: Lists, offsets: Int64, places: int) -> AnyArray:
    """The scores, so that they compare between users: 1 for a list's best, 0 at the place `places`, and on below 0.

    What is seen at once is thereby worth the same in every list, however far apart its ranker scores are. A list whose
    scores do not differ so far keeps their distances.

    Args:
        lists: best first.
        offsets: where each list begins.
        places: places over which the score falls by 1; a shorter list falls over all its places.
    """
    sizes = np.diff(offsets)
    first = np.minimum(offsets[:-1], len(lists.scores) - 1)
    last = first + np.clip(sizes, 1, places) - 1
    scores = lists.scores.astype(np.float64)
    best, span = scores[first], scores[first] - scores[last]
    fall = np.where(span > 0, span, 1.0)
    return np.maximum(1.0 - (best[lists.rows] - scores) / fall[lists.rows], _LOWEST)


def likeness_of(items: ItemArrays, factors: Float32, parts: Sequence[str]) -> Likeness:
    """The likeness made of so many parts, each of an equal share; a code that no item has is no part.

    Args:
        items: with the codes.
        factors: ALS item factors, shape (n, width); items beyond n have none.
        parts: `taste` for the cosine of the factors, or a code's name.
    """
    names = [name for name in parts if name == TASTE or (np.asarray(items.codes[name]) >= 0).any()]
    share = 1.0 / max(len(names), 1)
    codes = [np.asarray(items.codes[name], dtype=np.int32) for name in names if name != TASTE]
    scales = np.zeros(items.n_items, dtype=np.float32)
    if TASTE in names:
        norms = np.sqrt(np.einsum("ij,ij->i", factors, factors))
        np.divide(np.sqrt(share), norms, out=scales[: len(norms)], where=norms > 0)
    return Likeness(
        vectors=factors,
        scales=scales,
        codes=np.ascontiguousarray(np.stack(codes, axis=1)) if codes else np.zeros((items.n_items, 0), np.int32),
        code_share=share,
    )


def margin_of(margins: Float32, allowed: Bool) -> Float32 | None:
    """Each item's margin as the share of the allowed items below it, equal ones half; None where none is known.

    An item of unknown margin counts as the one in the middle.

    Args:
        margins: float32 by item index, NaN where unknown.
        allowed: the items that count.
    """
    known = ~np.isnan(margins)
    values = np.sort(margins[known & allowed])
    if not len(values):
        return None
    below = np.searchsorted(values, margins, side="left") + np.searchsorted(values, margins, side="right")
    return np.where(known, below / (2 * len(values)), 0.5).astype(np.float32)


def spread_of(reach: Int64, n_allowed: int) -> Float32:
    """1 for an item that no list shows, 0 for the one that most do, falling with the logarithm of the reach.

    The reach is measured in that of the average item, so that the spread does not depend on how many lists there are.

    Args:
        reach: lists that have the item among their first places, by item index.
        n_allowed: items that may be recommended.
    """
    total = int(reach.sum())
    if not total:
        return np.ones(len(reach), dtype=np.float32)
    crowding = np.log1p(reach * (max(n_allowed, 1) / total))
    spread: Float32 = (1.0 - crowding / crowding.max()).astype(np.float32)
    return spread


def aims_of(
    weights: dict[str, float],
    *,
    margin: Float32 | None,
    spread: Float32 | None,
    likeness: Likeness,
    span_places: int,
) -> Aims:
    """The aims of a placement: weights without those that the shop has no data for, adding up to 1.

    Args:
        weights: by objective.
        margin: `margin_of` the items.
        spread: `spread_of` the items; None where the placement does not ask for it.
        likeness: of the diversity.
        span_places: of the engagement.
    """
    terms = {"margin": margin, "spread": spread}
    live = {name: weight for name, weight in weights.items() if weight and terms.get(name, likeness) is not None}
    total = sum(live.values())
    shares = {name: weight / total for name, weight in live.items()} if total else {"engagement": 1.0}
    worth = np.zeros(len(likeness.scales), dtype=np.float32)
    for name, term in terms.items():
        if name in shares and term is not None:
            worth += np.float32(shares[name]) * term
    return Aims(shares, worth, likeness, span_places)
