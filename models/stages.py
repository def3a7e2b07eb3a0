"""What lies between the ranker's scores and a list: the stages, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.rules_section import Boost, Bury, Pin, Quota
from contracts.settings import Placement
from models import objectives, rerank, rules
from models.item_arrays import ItemArrays
from models.objectives import Aims
from models.ragged import AnyArray, Bool, Int32, Int64
from models.rerank import Lists
from models.rule_effects import Effects
from models.rules import REMOVING, RuleInForce
from models.user_block import UserBlock, find

_SPARE: Final = 512
_SPAN: Final = np.int64(1) << 32


@dataclass(frozen=True, slots=True)
class StageContext:
    """What the stages know of the users, the items and the placement.

    Attributes:
        block: the users, in the rows of the lists.
        items: features and codes by item index.
        allowed: False for items that no list may hold, by item index.
        popular: allowed items, most popular first.
        placement: where the lists show.
        may_repeat: whether a user may be shown what the user bought before.
        fill_reason: the reason of popular items that fill a list up.
        aims: what the lists are ordered by.
        rules: those in force, in the order in which they act.
        pinned_reason: the reason of an item that a pin brought.
        effects: where what each rule does is counted; none counts nothing.
    """

    block: UserBlock
    items: ItemArrays
    allowed: Bool
    popular: Int32
    placement: Placement
    may_repeat: bool
    fill_reason: int
    aims: Aims
    rules: tuple[RuleInForce, ...] = ()
    pinned_reason: int = -1
    effects: Effects | None = None

    def rules_of(self, *kinds: type) -> list[RuleInForce]:
        """The rules in force of some kinds."""
        return [rule for rule in self.rules if isinstance(rule.rule, kinds)]

    def noted(self, rule: RuleInForce, before: Lists, after: Lists) -> Lists:
        """`after`, once what the rule did is counted."""
        if self.effects is not None:
            self.effects.add(rule, before, after)
        return after


Stage = Callable[[Lists, StageContext], Lists]


def is_allowed(rows: Int64, items: Int32, context: StageContext) -> Bool:
    """True where the item may be recommended at all."""
    del rows
    return np.asarray(context.allowed[items])


def is_new_where_asked(rows: Int64, items: Int32, context: StageContext) -> Bool:
    """True where the user did not buy the item before, or may be shown it again."""
    if context.may_repeat:
        return np.ones(len(rows), dtype=bool)
    return context.block.bought_position(rows, items) < 0


def may_show(rows: Int64, items: Int32, context: StageContext) -> Bool:
    """True where the item may stand in the list of that row; what fills a list up may too."""
    shown = is_allowed(rows, items, context) & is_new_where_asked(rows, items, context)
    for rule in context.rules_of(*REMOVING):
        shown &= ~rules.forbids(rule, rows, items, context.block.segments)
    return shown


def remove(lists: Lists, context: StageContext) -> Lists:
    """The entries that may show."""
    possible = is_allowed(lists.rows, lists.items, context) & is_new_where_asked(lists.rows, lists.items, context)
    lists = lists.take(possible)
    for rule in context.rules_of(*REMOVING):
        kept = ~rules.forbids(rule, lists.rows, lists.items, context.block.segments)
        lists = context.noted(rule, lists, lists.take(kept))
    return lists


def weigh(lists: Lists, context: StageContext) -> Lists:
    """Entries by scores that boosts raised and buries lowered."""
    for rule in context.rules_of(Boost, Bury):
        lists = context.noted(rule, lists, rules.weigh(rule, lists))
    return lists


def order(lists: Lists, context: StageContext) -> Lists:
    """Entries by all objectives of the placement."""
    return objectives.rerank(lists, context.aims, context.placement.length)


def hold_quotas(lists: Lists, context: StageContext) -> Lists:
    """Entries with the quotas kept, as far as a list can; the last quota is sure to be."""
    for rule in context.rules_of(Quota):
        lists = context.noted(rule, lists, rules.hold_quota(rule, lists))
    return lists


def pin(lists: Lists, context: StageContext) -> Lists:
    """Entries with the pinned items at their places: the first of the settings has it where two want the same."""
    users = np.arange(context.block.n_users, dtype=np.int64)
    for rule in _by_place(context.rules_of(Pin)):
        item = np.full(len(users), rule.is_target.argmax(), dtype=np.int32)
        shown = may_show(users, item, context)
        lists = context.noted(rule, lists, rules.pin(rule, lists, shown, context.pinned_reason))
    return lists


def _by_place(pins: list[RuleInForce]) -> list[RuleInForce]:
    """Pins from the first place down, so that none moves one that stands already; the winner of a place comes last."""
    places = [rule.rule.position for rule in pins if isinstance(rule.rule, Pin)]
    return [pins[n] for n in sorted(range(len(pins)), key=lambda n: (places[n], -n))]


def fixed(context: StageContext) -> Bool:
    """True, by item index, for what a pin has put where it is, and nothing else may take the place of."""
    pinned = np.zeros(context.items.n_items, dtype=bool)
    for rule in context.rules_of(Pin):
        pinned |= rule.is_target
    return pinned


def cap(lists: Lists, context: StageContext) -> Lists:
    """Entries beyond their category's cap behind the others."""
    return rerank.cap_categories(lists, np.asarray(context.items.codes["category"]), context.placement.max_per_category)


def cut(lists: Lists, context: StageContext) -> Lists:
    """Lists no longer than the placement asks."""
    return rerank.cut(lists, context.placement.length)


def fill(lists: Lists, context: StageContext) -> Lists:
    """Short lists gone on with popular items that may show."""
    length = context.placement.length
    popular = context.popular[: length + _SPARE]
    rows = np.repeat(np.arange(context.block.n_users, dtype=np.int64), len(popular))
    items: AnyArray = np.tile(popular, context.block.n_users)
    listed = np.sort(lists.rows * _SPAN + lists.items)
    excluded = (find(listed, rows * _SPAN + items) >= 0) | ~may_show(rows, items, context)
    excluded = excluded.reshape(context.block.n_users, len(popular))
    return rerank.fill(lists, popular, excluded, length, reason=context.fill_reason)


STAGES: Final[tuple[Stage, ...]] = (remove, weigh, order, hold_quotas, pin, cap, cut, fill)
# Of a segment's list, which no ranker scored.
FALLBACK_STAGES: Final[tuple[Stage, ...]] = (remove, hold_quotas, pin, cut)


def lists_of(scored: Lists, context: StageContext) -> Lists:
    """The lists of a block: the scored candidates, best first, after every stage."""
    for stage in STAGES:
        scored = stage(scored, context)
    return scored


def fallback_of(lists: Lists, context: StageContext) -> Lists:
    """The fallback lists of segments, most popular first, after the stages that need no ranker."""
    for stage in FALLBACK_STAGES:
        lists = stage(lists, context)
    return lists
