from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.settings import Placement
from models.item_arrays import ItemArrays
from models.objectives import Aims, likeness_of
from models.rerank import Lists
from models.stages import StageContext, lists_of
from models.user_block import UserBlock

POPULAR = np.array([3, 0, 2, 4, 1], dtype=np.int32)


def scored(*rows: list[int]) -> Lists:
    """Candidates with falling scores, best first; the reason is 1."""
    items = np.array([item for row in rows for item in row], dtype=np.int32)
    scores = np.array([5.0 - n for row in rows for n in range(len(row))], dtype=np.float32)
    at = np.repeat(np.arange(len(rows), dtype=np.int64), [len(row) for row in rows])
    return Lists(at, items, scores, np.ones(len(items), dtype=np.int32))


def shown(lists: Lists) -> list[list[int]]:
    """The items of each of the four users, in order."""
    return [lists.items[lists.rows == row].tolist() for row in range(4)]


@pytest.fixture
def context(block: UserBlock, items: ItemArrays) -> StageContext:
    """Lists of three of the four users, repeats allowed."""
    return StageContext(
        block=block,
        items=items,
        allowed=items.is_recommendable,
        popular=POPULAR,
        placement=Placement(repeats=True, length=3),
        may_repeat=True,
        fill_reason=6,
        aims=aims(items, engagement=1.0),
    )


def aims(items: ItemArrays, **weights: float) -> Aims:
    """Aims by these weights, items alike by category, the score falling by 1 over two places."""
    factors = np.zeros((6, 2), dtype=np.float32)
    return Aims(weights, np.zeros(6, dtype=np.float32), likeness_of(items, factors, ("category",)), 2)


def test_lists_hold_what_is_allowed_and_are_filled_up(context: StageContext) -> None:
    """Item 5 is not allowed; a short list goes on with popular items that it does not hold, and an empty one too."""
    made = lists_of(scored([5, 0, 1, 2, 3], [2, 5], [4], []), context)
    assert shown(made) == [[0, 1, 2], [2, 3, 0], [4, 3, 0], [3, 0, 2]]
    assert made.reasons.tolist() == [1, 1, 1, 1, 6, 6, 1, 6, 6, 6, 6, 6]


def test_where_only_new_items_show_none_is_bought(context: StageContext) -> None:
    """What a user bought is neither kept nor filled in; the item bought and cancelled as a whole is new."""
    new = replace(context, may_repeat=False)
    made = lists_of(scored([0, 1, 4], [2, 4], [5, 3], [0]), new)
    assert shown(made) == [[4, 3, 2], [4, 3, 0], [3, 0, 2], [0, 3, 2]]


def test_a_capped_category_goes_behind_before_the_cut(context: StageContext) -> None:
    """Of the items 0, 1 and 4 of one category one keeps its place, and an item that was cut without the cap shows."""
    capped = replace(context, placement=Placement(repeats=True, length=2, max_per_category=1))
    assert shown(lists_of(scored([0, 1, 4, 2], [], [], []), capped))[0] == [0, 2]


def test_lists_are_ordered_by_the_objectives_before_the_cap(context: StageContext, items: ItemArrays) -> None:
    """Of 0, 1 and 4, all of one category, the second waits behind 2 of another; what may not show is nobody's twin."""
    diverse = replace(context, aims=aims(items, engagement=0.4, diversity=0.6))
    assert shown(lists_of(scored([5, 0, 1, 4, 2], [3, 2, 4], [], []), diverse))[:2] == [[0, 1, 2], [3, 4, 2]]
    unlike = replace(context, aims=aims(items, engagement=0.2, diversity=0.8))
    assert shown(lists_of(scored([5, 0, 1, 4, 2], [3, 2, 4], [], []), unlike))[:2] == [[0, 2, 1], [3, 4, 2]]
