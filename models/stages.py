"""What lies between the ranker's scores and a list: the stages, in their order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.settings import Placement
from models import rerank
from models.item_arrays import ItemArrays
from models.ragged import AnyArray, Bool, Int32, Int64
from models.rerank import Lists
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
    """

    block: UserBlock
    items: ItemArrays
    allowed: Bool
    popular: Int32
    placement: Placement
    may_repeat: bool
    fill_reason: int


Stage = Callable[[Lists, StageContext], Lists]
Condition = Callable[[Int64, Int32, StageContext], Bool]


def is_allowed(rows: Int64, items: Int32, context: StageContext) -> Bool:
    """True where the item may be recommended at all."""
    del rows
    return np.asarray(context.allowed[items])


def is_new_where_asked(rows: Int64, items: Int32, context: StageContext) -> Bool:
    """True where the user did not buy the item before, or may be shown it again."""
    if context.may_repeat:
        return np.ones(len(rows), dtype=bool)
    return context.block.bought_position(rows, items) < 0


# All of them hold for every entry of a list, those that fill it up included.
CONDITIONS: Final[tuple[Condition, ...]] = (is_allowed, is_new_where_asked)


def may_show(rows: Int64, items: Int32, context: StageContext) -> Bool:
    """True where every condition holds for the item and the user of that row."""
    shown = np.ones(len(rows), dtype=bool)
    for condition in CONDITIONS:
        shown &= condition(rows, items, context)
    return shown


def remove(lists: Lists, context: StageContext) -> Lists:
    """The entries that may show."""
    return lists.take(may_show(lists.rows, lists.items, context))


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


STAGES: Final[tuple[Stage, ...]] = (remove, cap, cut, fill)


def lists_of(scored: Lists, context: StageContext) -> Lists:
    """The lists of a block: the scored candidates, best first, after every stage."""
    for stage in STAGES:
        scored = stage(scored, context)
    return scored
