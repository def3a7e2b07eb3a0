from __future__ import annotations

import pytest

from contracts.cost_section import Costs
from export.costs import Line, Shape, lines, published

SHAPE = Shape(
    users=1_000_000, lists=2_000_000, files=11, packed_bytes=500_000_000, item_bytes=900.0, item_units=1.0,
    map_bytes=3_000.0, map_units=3.0, object_bytes=4_000.0,
)  # fmt: skip


def test_every_way_is_priced_for_the_same_snapshot() -> None:
    """Two million lists of a million users: units, requests, bytes, dollars a night and a month, by hand."""
    made = lines(SHAPE, Costs(), kept=4)
    assert list(made) == ["local", "packed", "table", "map_items", "object_per_user"]
    expected = {
        "local": (0, 0, 5e8, 0, 0),
        "packed": (0, 11, 5e8, 0.000055, (30 * 0.000055 + 4 * 0.5 * 0.023) / 1000),
        "table": (2e6, 80_000, 1.8e9, 1.25, (30 * 1.25 + 4 * 2.0 * 0.25) / 1000),
        "map_items": (6e6, 80_000, 6e9, 3.75, (30 * 3.75 + 4 * 6.2 * 0.25) / 1000),
        "object_per_user": (0, 1e6, 4e9, 5.0, (30 * 5.0 + 4 * 4.0 * 0.023) / 1000),
    }
    for way, line in made.items():
        found = (line.write_units, line.requests, line.bytes, line.dollars, line.dollars_month_1000_users)
        assert found == pytest.approx(expected[way]), way


def test_lists_that_were_skipped_cost_nothing_and_reading_costs() -> None:
    """Half a million of two million units written and two million read: the dollars of just these."""
    own = lines(SHAPE, Costs(), kept=4)["table"]
    numbers = {"write_units": 5e5, "read_units": 2e6, "requests": 20_000.0, "bytes": 4.5e8}
    made = published(own, numbers, SHAPE.users, Costs())
    assert made == Line(
        write_units=5e5, requests=20_000.0, bytes=4.5e8, dollars=pytest.approx(0.3125 + 0.25),
        dollars_month_1000_users=pytest.approx((30 * 0.5625 + 4 * 2.0 * 0.25) / 1000),
    )  # fmt: skip
    assert published(own, {}, SHAPE.users, Costs()) == own


def test_a_snapshot_without_users_has_a_price() -> None:
    """Nothing is divided by none."""
    empty = Shape(
        users=0, lists=0, files=3, packed_bytes=10, item_bytes=0, item_units=0, map_bytes=0, map_units=0, object_bytes=0
    )
    assert lines(empty, Costs(), kept=1)["table"].dollars_month_1000_users == 0
