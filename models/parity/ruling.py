"""The shop's rules on one user's list: the second path beside `models.rules`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.rules_section import Block, Boost, Bury, MinMargin, Pin, Quota, Region, Rule, ordered
from models.parity.inputs import Entry
from models.shelf import Shelf

REMOVING: Final = (Block, MinMargin, Region)


@dataclass(frozen=True)
class PlainRule:
    """A rule and the items that it is about; for a minimum margin those known to have less."""

    rule: Rule
    items: frozenset[int]


def ruling(known: Shelf, placement: str) -> list[PlainRule]:
    """The rules that hold in a placement, in the order in which they act, from the date's shelf."""
    items = {rule.name: frozenset(found.tolist()) for rule, found in known.rules}
    held = ordered(rule for rule, _ in known.rules if not rule.placements or placement in rule.placements)
    return [PlainRule(rule, items[rule.name]) for rule in held if items[rule.name]]


def may_show(item: int, segment: str, rules: Sequence[PlainRule]) -> bool:
    """Whether no rule forbids the item to a user of the segment."""
    return not rules or not any(
        item in one.items and not (isinstance(one.rule, Region) and segment in one.rule.segments)
        for one in rules
        if isinstance(one.rule, REMOVING)
    )


def weigh(entries: list[Entry], rules: Sequence[PlainRule]) -> list[Entry]:
    """Entries by scores with the logarithm of each factor that is theirs."""
    for one in rules:
        if isinstance(one.rule, Boost | Bury):
            added = np.float32(math.log(one.rule.factor))
            raised = [
                e._replace(score=float(np.float32(e.score) + added)) if e.item in one.items else e for e in entries
            ]
            entries = sorted(raised, key=lambda entry: -entry.score)
    return entries


def hold_quotas(entries: list[Entry], rules: Sequence[PlainRule]) -> list[Entry]:
    """Entries with no more, then no fewer of a rule's items among the first than it asks, as far as they can."""
    for one in rules:
        if not isinstance(one.rule, Quota):
            continue
        n = one.rule.first
        if one.rule.at_most is not None:
            over = [e for e in entries if e.item in one.items][one.rule.at_most :]
            entries = _first(entries, [e for e in entries if e not in over][:n])
        if one.rule.at_least:
            needed = [e for e in entries if e.item in one.items][: one.rule.at_least]
            others = [e for e in entries if e not in needed][: max(n - len(needed), 0)]
            entries = _first(entries, [e for e in entries if e in needed or e in others])
    return entries


def pin(entries: list[Entry], rules: Sequence[PlainRule], shown: Sequence[int], reason: int) -> list[Entry]:
    """Entries with the pinned items at their places.

    Args:
        entries: best first.
        rules: all that hold.
        shown: pinned items that may show.
        reason: of an item that was not among the entries.
    """
    pins = [(one.rule.position, -n, min(one.items)) for n, one in enumerate(rules) if isinstance(one.rule, Pin)]
    for position, _, item in sorted(pins):
        if item not in shown:
            continue
        others = [entry for entry in entries if entry.item != item]
        below, above = others[position - 1 : position], others[-1:]
        near = (below or above or [Entry(item, 0.0, reason)])[0]
        own = next((entry for entry in entries if entry.item == item), Entry(item, near.score, reason))
        entries = [*others[: position - 1], own, *others[position - 1 :]]
    return entries


def pinned(rules: Sequence[PlainRule]) -> frozenset[int]:
    """Items that some rule pins."""
    return frozenset[int]().union(*(one.items for one in rules if isinstance(one.rule, Pin)))


def _first(entries: list[Entry], chosen: list[Entry]) -> list[Entry]:
    return chosen + [entry for entry in entries if entry not in chosen]
