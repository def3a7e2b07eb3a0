"""How items, categories and prices shift between two snapshots, from the number of lists that have each item."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from typing import Any

from export.comparing.result import CategoryShift, ItemShift, PriceShift
from export.format.items import Item

Catalogue = Mapping[str, Item]
"""The items of one snapshot by id."""


def item_shifts(
    counts: tuple[Counter[str], Counter[str]], n_lists: tuple[int, int], catalogues: tuple[Catalogue, Catalogue], n: int
) -> tuple[tuple[ItemShift, ...], tuple[ItemShift, ...]]:
    """The `n` items whose reach grew most and the `n` whose reach shrank most; ties by item id.

    Args:
        counts: lists that have an item, before and after.
        n_lists: lists looked at, before and after.
        catalogues: before and after.
        n: at least 0.
    """
    before, after = counts
    changes = _changes(before, after, n_lists)

    def shift(name: str) -> ItemShift:
        known = catalogues[1].get(name) or catalogues[0].get(name)
        return ItemShift(
            item_id=name,
            title=known.title if known is not None else None,
            n_before=before[name],
            n_after=after[name],
            reach_before=_share(before[name], n_lists[0]),
            reach_after=_share(after[name], n_lists[1]),
        )

    gaining = heapq.nsmallest(n, (name for name in changes if changes[name] > 0), key=lambda i: (-changes[i], i))
    losing = heapq.nsmallest(n, (name for name in changes if changes[name] < 0), key=lambda i: (changes[i], i))
    return tuple(map(shift, gaining)), tuple(map(shift, losing))


def by_category(counts: Counter[str], catalogue: Catalogue) -> Counter[str | None]:
    """Places by category."""
    made: Counter[str | None] = Counter()
    for name, count in counts.items():
        made[catalogue[name].category] += count
    return made


def category_shifts(before: Counter[str | None], after: Counter[str | None], n: int) -> tuple[CategoryShift, ...]:
    """The `n` categories whose share of the places changed most; ties by name, none last."""
    totals = before.total(), after.total()
    changes = _changes(before, after, totals)
    chosen = heapq.nsmallest(n, changes, key=lambda name: (-abs(changes[name]), name is None, name or ""))
    return tuple(
        CategoryShift(category=name, before=_share(before[name], totals[0]), after=_share(after[name], totals[1]))
        for name in chosen
    )


def price_shift(counts: tuple[Counter[str], Counter[str]], catalogues: tuple[Catalogue, Catalogue]) -> PriceShift:
    """The mean price of the places before and after."""
    before, after = map(_mean_price, counts, catalogues)
    change = after / before - 1 if before and after is not None else None
    return PriceShift(before=before, after=after, change=change)


def _mean_price(counts: Counter[str], catalogue: Catalogue) -> float | None:
    total, n_priced = 0.0, 0
    for name, count in sorted(counts.items()):  # the same sum in whatever order the users came
        price = catalogue[name].price
        if price is not None:
            total += count * price
            n_priced += count
    return total / n_priced if n_priced else None


def moved(before: Counter[Any], after: Counter[Any]) -> float | None:
    """Half of the sum of the changes of share: 0 where the shares are equal, 1 where nothing is in both."""
    totals = before.total(), after.total()
    if not all(totals):
        return None
    return sum(map(abs, _changes(before, after, totals).values())) / (2 * totals[0] * totals[1])


def _changes(before: Counter[Any], after: Counter[Any], totals: tuple[int, int]) -> dict[Any, int]:
    """How each one's share of the totals changed, times both: whole numbers, so that equal changes compare equal."""
    n_before, n_after = (max(total, 1) for total in totals)
    return {key: after[key] * n_before - before[key] * n_after for key in {*before, *after}}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
