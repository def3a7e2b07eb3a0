"""What rules did to lists: how many they touched, what they took out and put in, and how far they moved what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from models.ragged import Int64, offsets_of
from models.rerank import Lists
from models.rules import RuleInForce

_SPAN = np.int64(1) << 32


@dataclass(frozen=True, slots=True)
class Effect:
    """What one rule did.

    Attributes:
        lists: in which an item of the rule went, came or moved.
        removed: entries that went.
        added: entries that came.
        moved: entries of the rule's items whose place changed.
        places_up: places that those rose, summed; negative where they fell.
    """

    lists: int = 0
    removed: int = 0
    added: int = 0
    moved: int = 0
    places_up: int = 0

    def plus(self, other: Effect) -> Effect:
        """Both together."""
        names = ("lists", "removed", "added", "moved", "places_up")
        return replace(self, **{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(slots=True)
class Effects:
    """Running effects by the rule's name."""

    of_rule: dict[str, Effect] = field(default_factory=dict)

    def add(self, rule: RuleInForce, before: Lists, after: Lists) -> None:
        """Counts what the rule made of the lists of a block."""
        effect = self.of_rule.get(rule.rule.name, Effect())
        self.of_rule[rule.rule.name] = effect.plus(effect_of(rule, before, after))

    def __iter__(self) -> Iterator[tuple[str, Effect]]:
        """Name and effect of each rule, by name."""
        return iter(sorted(self.of_rule.items()))


def effect_of(rule: RuleInForce, before: Lists, after: Lists) -> Effect:
    """What became of the rule's items between two states of the same lists."""
    old, old_places = _entries(rule, before)
    new, new_places = _entries(rule, after)
    gone, come = np.setdiff1d(old, new), np.setdiff1d(new, old)
    stayed, at_old, at_new = np.intersect1d(old, new, assume_unique=True, return_indices=True)
    up = old_places[at_old] - new_places[at_new]
    touched = np.concatenate([gone, come, stayed[up != 0]])
    return Effect(
        lists=len(np.unique(touched // _SPAN)),
        removed=len(gone),
        added=len(come),
        moved=int(np.count_nonzero(up)),
        places_up=int(up.sum()),
    )


def _entries(rule: RuleInForce, lists: Lists) -> tuple[Int64, Int64]:
    """A key for each entry of the rule's items, and its place in its list from 0."""
    n_rows = int(lists.rows[-1]) + 1 if len(lists.rows) else 0
    places = np.arange(len(lists.rows)) - offsets_of(lists.rows, n_rows)[lists.rows]
    is_target = rule.is_target[lists.items]
    return (lists.rows * _SPAN + lists.items)[is_target], places[is_target]
