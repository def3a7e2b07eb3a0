from __future__ import annotations

from typing import Any

from models.item_sums import Totals
from models.user_block import UserBlock


def _totals(*blocks: Any, today: int = 1000) -> dict[str, list[int]]:
    totals = Totals()
    for pairs in blocks:
        totals.add(pairs, today=today)
    return {name: column.to_pylist() for name, column in totals.columns().items()}


def test_totals_count_buyers_that_stand(block: UserBlock) -> None:
    """Item 3 was cancelled and item 4 only looked at: neither has a buyer."""
    sums = _totals(block.pairs)
    assert sums["item_idx"] == [0, 1, 2, 5]
    assert sums["buyers"] == [1, 1, 1, 1]
    assert sums["buyers_7"] == [1, 0, 1, 1]
    assert sums["buyers_14"] == [1, 1, 1, 1]
    assert sums["first_buyers_7"] == [0, 0, 1, 0]
    assert sums["first_buyers_28"] == [1, 1, 1, 0]
    assert sums["repeaters"] == [1, 0, 0, 1]
    assert sums["gaps"] == [1, 0, 0, 2]
    assert sums["span_days"] == [18, 0, 0, 29]
    assert sums["first_day"] == [980, 990, 995, 970]


def test_a_window_ends_after_its_days(block: UserBlock) -> None:
    """A purchase of day 998 is in the last seven days until day 1004, and no longer on day 1005."""
    assert _totals(block.pairs, today=1004)["buyers_7"][0] == 1
    assert _totals(block.pairs, today=1005)["buyers_7"][0] == 0


def test_totals_add_up_over_blocks(block: UserBlock) -> None:
    """Two users in two blocks, the second with a higher item, give what one block gives."""
    pairs = block.pairs
    split = _totals(pairs.take(pairs.rows < 1), pairs.take(pairs.rows >= 1))
    assert split == _totals(pairs)
    twice = _totals(pairs, pairs)
    assert (twice["buyers"], twice["first_day"]) == ([2, 2, 2, 2], [980, 990, 995, 970])


def test_no_pairs_have_no_totals(block: UserBlock) -> None:
    """A partition without users yields no item."""
    assert _totals()["item_idx"] == []
    assert _totals(block.pairs.take(block.pairs.rows > 9))["item_idx"] == []
