from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from contracts.settings import Placement
from models.item_arrays import ItemArrays
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
    )


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
