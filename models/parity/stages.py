"""From scores to one user's list, stage by stage: the second path beside `models.stages`.

A new stage is a plain function here, of the list so far and the context, at its place in STAGES.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from contracts.rules_section import PINNED
from contracts.settings import Placement
from models.parity import ordering, ruling
from models.parity.exploring import Exploring, explore
from models.parity.inputs import Entry, Person, Shop, main_source
from models.parity.ordering import Ordering
from models.parity.ruling import PlainRule

KEPT_PER_LENGTH: Final = 4
"""So many times its length is kept of what was scored, before any stage."""
N_SPARE: Final = 512
"""So many more popular items than a list's length may be looked at to fill it."""


@dataclass(frozen=True)
class PlainContext:
    """Whose list it is, and where it shows.

    Attributes:
        ordering: what the placement's lists are ordered by.
        rules: those that hold, in the order in which they act.
        seen: place of each item in the list before exploration, which decides where values are equal.
    """

    person: Person
    shop: Shop
    placement: Placement
    may_repeat: bool
    exploring: Exploring
    ordering: Ordering
    rules: Sequence[PlainRule] = ()
    seen: Mapping[int, int] = field(default_factory=dict)


Stage = Callable[[list[Entry], PlainContext], list[Entry]]


def is_ranked(item: int, context: PlainContext) -> bool:
    """Whether the placement ranks the candidate: only new items where nothing may repeat."""
    return context.may_repeat or item not in context.person.bought


def scored(context: PlainContext, candidates: Sequence[int], scores: Sequence[float]) -> list[Entry]:
    """The best candidates, best first, the lower item index first among equals.

    Args:
        context: whose list it is.
        candidates: positions of the ranked ones among the user's candidates.
        scores: the booster's, of each.
    """
    person = context.person
    ordered = sorted((-float(score), int(person.items[at]), at) for at, score in zip(candidates, scores, strict=True))
    return [
        Entry(item, -score, main_source(person.ranks[at].tolist()))
        for score, item, at in ordered[: KEPT_PER_LENGTH * context.placement.length]
    ]


def of_source(context: PlainContext, source: int) -> list[Entry]:
    """What one source proposed, in its order, scores from 0 down by one a place, where its lists are published."""
    person = context.person
    ranked = ((int(person.ranks[at][source]), int(item)) for at, item in enumerate(person.items.tolist()))
    proposed = sorted((rank, item) for rank, item in ranked if rank > 0)
    return [Entry(item, float(-place), source) for place, (_, item) in enumerate(proposed)]


def may_show(item: int, context: PlainContext) -> bool:
    """Whether the item may be in this user's list."""
    is_possible = context.shop.allowed[item] and (context.may_repeat or item not in context.person.bought)
    return is_possible and ruling.may_show(item, context.person.segment, context.rules)


def remove(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """What may show."""
    return [entry for entry in entries if may_show(entry.item, context)]


def weigh(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """Entries by scores that rules raised or lowered."""
    return ruling.weigh(entries, context.rules)


def order(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """Entries by all objectives."""
    return ordering.order(entries, context.ordering, context.placement.length, context.seen)


def hold_quotas(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """Entries with the quotas kept."""
    return ruling.hold_quotas(entries, context.rules)


def pin(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """Entries with the pinned items at their places."""
    shown = [item for item in ruling.pinned(context.rules) if may_show(item, context)]
    return ruling.pin(entries, context.rules, shown, context.shop.reasons.index(PINNED))


def cap(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """Entries beyond the cap of their category behind the others."""
    if not context.placement.max_per_category:
        return entries
    categories = context.shop.texts["category"]
    seen: Counter[str] = Counter()
    front: list[Entry] = []
    back: list[Entry] = []
    for entry in entries:
        category = categories[entry.item]
        if category is not None:
            seen[category] += 1
        is_over = category is not None and seen[category] > context.placement.max_per_category
        (back if is_over else front).append(entry)
    return front + back


def cut(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """No more than the placement's length."""
    return entries[: context.placement.length]


def fill(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """A short list gone on with popular items, each a point below the last, from the lowest score or 0."""
    length, listed = context.placement.length, {entry.item for entry in entries}
    lowest = min([0.0, *(entry.score for entry in entries)])
    reason = context.shop.reasons.index("popular")
    made = list(entries)
    for item in context.shop.popular[: length + N_SPARE]:
        if len(made) >= length:
            break
        if item not in listed and may_show(item, context):
            made.append(Entry(item, lowest - (len(made) - len(entries) + 1), reason))
    return made


# `list_of` needs what the first of them leaves.
STAGES: Final[tuple[Stage, ...]] = (remove, weigh, order, hold_quotas, pin, cap, cut, fill)


def list_of(entries: list[Entry], context: PlainContext) -> list[Entry]:
    """The list: what was scored, best first, after every stage, then with its explored slots."""
    made = may = remove(entries, context)
    for stage in STAGES[1:]:
        made = stage(made, context)
    fixed = ruling.pinned(context.rules)
    return explore(made, may, context.person.user_idx, context.exploring, context.shop, fixed)
