"""The parts of a synthetic shop on hand-made numbers."""

from __future__ import annotations

import numpy as np

from models.synthetic import names
from models.synthetic.days import EventRows, Shelf, micros
from models.synthetic.plan import ShopPlan
from models.synthetic.population import Population

DAY_US = 86_400_000_000


def _population() -> Population:
    """Two groups: items 0 (weight 1) and 2 (weight 3) in group 0, item 1 (4) and item 3 (8, from day 5) in group 1."""
    none = np.zeros(0, np.int32)
    return Population(
        plan=ShopPlan(users=0, items=4, days=30, seed=1, groups=3),
        user_group=none, visit_rate=np.zeros(0), join_day=none, bots=none,
        item_group=np.array([0, 1, 0, 1], np.int32),
        popularity=np.array([1.0, 4.0, 3.0, 8.0]),
        arrival_day=np.array([0, 0, 0, 5], np.int32),
        period_days=np.zeros(4, np.int32),
        price=np.ones(4),
    )  # fmt: skip


def _choose(shelf: Shelf, group: int, at: list[float], *, own: bool) -> list[int]:
    n = len(at)
    chosen = shelf.choose(np.full(n, group, np.int32), np.full(n, own), np.array(at))
    return [int(item) for item in chosen]


def test_choice_by_weight() -> None:
    """Within the group, or among all, an item is chosen as often as its weight says; one not there yet never."""
    shelf = Shelf(_population(), 4)
    assert _choose(shelf, 0, [0.0, 0.24, 0.26, 0.999], own=True) == [0, 0, 2, 2]
    assert _choose(shelf, 1, [0.0, 0.999999], own=True) == [1, 1]
    assert _choose(shelf, 1, [0.0, 0.12, 0.13, 0.49, 0.51, 1 - 2**-53], own=False) == [0, 0, 2, 2, 1, 1]


def test_new_items_are_in_fashion() -> None:
    """For fourteen days from its arrival an item has three times its weight."""
    fresh, settled = Shelf(_population(), 5), Shelf(_population(), 19)
    assert _choose(fresh, 1, [3.9 / 28, 4.1 / 28], own=True) == [1, 3]
    assert _choose(settled, 1, [3.9 / 12, 4.1 / 12], own=True) == [1, 3]
    assert _choose(settled, 1, [4.1 / 28], own=True) == [1]


def test_group_without_items() -> None:
    """A user whose group has no item chooses among all."""
    assert _choose(Shelf(_population(), 4), 2, [0.0, 0.51], own=True) == [0, 1]


def test_micros_are_distinct() -> None:
    """Two rows of a block, or of landing days that late events bridge, differ below the second."""
    n = 3
    rows = EventRows(
        user=np.zeros(n, np.int32), item=np.zeros(n, np.int32), kind=np.zeros(n, np.int32),
        second=np.array([10, 10, -86_390]), order=np.full(n, -1), quantity=np.zeros(n, np.int64),
        is_late=np.array([False, False, True]),
    )  # fmt: skip
    assert micros(rows, 5, 5 * DAY_US).tolist() == [
        5 * DAY_US + 10_000_001, 5 * DAY_US + 10_000_005, 4 * DAY_US + 10_000_009,
    ]  # fmt: skip
    assert micros(rows, 4, 4 * DAY_US)[0] == 4 * DAY_US + 10_000_000


def test_ids_are_distinct_and_fit() -> None:
    """Ids are distinct and at most 256 bytes; one in twenty is hostile, and some of those are 256 bytes long."""
    ids = names.ids("u", 5000).to_pylist()
    lengths = [len(text.encode()) for text in ids]
    assert len(set(ids)) == 5000
    assert max(lengths) == 256
    assert sum(text == f"u{index}" for index, text in enumerate(ids)) == 4750
    assert lengths.count(256) >= 8
    assert any("\n" in text for text in ids)
    assert any("/" in text for text in ids)
    assert names.ids("u", 0).to_pylist() == []


def test_streams_are_independent() -> None:
    """Each stream and place has its own random numbers, the same every time."""
    plan = ShopPlan(users=1, items=1, days=1, seed=3)
    drawn = [plan.random(stream, day).random() for stream in (2, 3) for day in (0, 1)]
    assert len(set(drawn)) == 4
    assert [plan.random(stream, day).random() for stream in (2, 3) for day in (0, 1)] == drawn
