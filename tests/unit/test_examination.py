"""Examination by position: exact counts of hand-made slots, and a planted truth that clicks give back."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pytest

from models import examination, impressions
from models.examination import Compared, Tally
from models.impressions import LAST_POSITION, ShownSlots

KIND: Final = pa.list_(
    pa.struct(
        {
            "item_idx": pa.int32(), "list": pa.int64(), "placement": pa.string(), "position": pa.int32(),
            "is_impression": pa.bool_(), "is_randomised": pa.bool_(),
        }
    )
)  # fmt: skip
PLACES: Final = 8
TRUTH: Final = np.arange(1, PLACES + 1) ** -0.6


def told(item: int, position: int, *, click: bool = False, day: int = 1, at: str = "home", drawn: bool = False) -> Any:
    """One row of the feed as Spark hands it on."""
    return {"item_idx": item, "list": day, "placement": at, "position": position, "is_impression": not click,
            "is_randomised": drawn}  # fmt: skip


def slots(rows: Any, items: Any, positions: Any, is_clicked: Any, *, drawn: bool) -> ShownSlots:
    """Slots of the placement `home`."""
    n = len(rows)
    return ShownSlots(
        np.asarray(rows), np.asarray(items, dtype=np.int32), np.zeros(n, dtype=np.int64), np.asarray(positions),
        np.asarray(is_clicked, dtype=bool), np.full(n, drawn), ("home",),
    )  # fmt: skip


def test_a_shown_slot_is_made_of_all_that_was_told_of_it() -> None:
    """Looked at twice: the first place counts. A click without an impression is left out; another day is another slot.

    The click of a drawn slot does not make it any less drawn, at whatever place it is told.
    """
    column = pa.array(
        [
            [told(7, 3), told(7, 2), told(7, 2, click=True), told(9, 1, click=True), told(7, 4, day=2)],
            None,
            [told(5, 12, at="mail", drawn=True), told(5, 9, at="mail", click=True), told(5, 300, day=3)],
        ],
        KIND,
    )
    found = impressions.read(column)
    assert found.names == ("home", "mail")
    columns = (found.rows, found.items, found.placements, found.positions, found.is_clicked, found.is_randomised)
    assert list(zip(*(column.tolist() for column in columns), strict=True)) == [
        (0, 7, 0, 2, True, False),
        (0, 7, 0, 4, False, False),
        (2, 5, 0, LAST_POSITION, False, False),
        (2, 5, 1, 12, True, True),
    ]


def test_no_impressions_are_no_slots() -> None:
    """Of a block of users without any, nothing is read, counted or seen."""
    found = impressions.read(pa.array([None, []], KIND))
    assert len(found.rows) == len(impressions.seen(found, {}).keys) == 0


def test_an_item_was_seen_if_one_of_its_slots_was_looked_at() -> None:
    """Chances of 0.5 and 0.2 make 1 - 0.5 * 0.8; a placement that is not known is looked at; one click is enough."""
    looked = np.full(LAST_POSITION, 0.2)
    looked[0] = 0.5
    column = pa.array(
        [[told(7, 1), told(7, 2, day=2), told(7, 2, day=2, click=True), told(8, 2)], [told(7, 1, at="x")]], KIND
    )
    seen = impressions.seen(impressions.read(column), {"home": looked})
    assert seen.keys.tolist() == [7, 8, (1 << 32) + 7]
    assert seen.looked == pytest.approx([0.6, 0.2, 1.0])
    assert seen.is_clicked.tolist() == [True, False, False]


def test_clicks_are_compared_within_a_user_and_item() -> None:
    """Item 1: twice at place 1 with one click, once at place 3. Its click is weighed by 1/(2 + 1) against place 3.

    Item 2 was never clicked and item 3 stood in one place only: they tell nothing.
    """
    made = slots([0] * 7, [1, 1, 1, 2, 2, 3, 3], [1, 1, 3, 1, 2, 4, 4], [1, 0, 0, 0, 0, 1, 1], drawn=False)
    found = examination.tally(made, 0)
    assert np.argwhere(found.harvested.wins).tolist() == [[0, 2]]
    assert found.harvested.wins[0, 2] == 333_333
    assert found.harvested.clicks[:4].tolist() == [1, 0, 0, 0]
    assert found.randomised.wins.sum() == 0
    assert (found.n_shown[:4].tolist(), found.n_clicked[:4].tolist()) == ([3, 1, 1, 2], [1, 0, 0, 2])


def test_drawn_slots_are_compared_within_a_user() -> None:
    """Other items, another place, the same user: one click each weighs a half; user 1 has one place only."""
    found = examination.tally(slots([0, 0, 1], [1, 2, 3], [1, 3, 3], [1, 1, 1], drawn=True), 0)
    assert np.argwhere(found.randomised.wins).tolist() == [[0, 2], [2, 0]]
    assert found.randomised.wins.max() == found.randomised.wins[2, 0] == 500_000
    assert found.harvested.wins.sum() == 0


def test_clicks_of_drawn_slots_give_the_planted_examination_back() -> None:
    """Attraction of users from 0.05 to 0.6, drawn slots at all places: within 10 % of the truth at each."""
    random = np.random.default_rng(1)
    n = 20_000
    rows = np.repeat(np.arange(n), PLACES)
    positions = np.tile(np.arange(1, PLACES + 1), n)
    attraction = random.uniform(0.05, 0.6, n)[rows]
    clicked = random.random(len(rows)) < attraction * TRUTH[positions - 1]
    counted = examination.tally(slots(rows, random.integers(0, 50, len(rows)), positions, clicked, drawn=True), 0)
    found = examination.estimate(counted, min_clicks=50, lowest=0.01)
    assert found.values[:PLACES] == pytest.approx(TRUTH, rel=0.1)
    assert found.is_known.sum() == PLACES
    assert found.randomised_clicks == found.clicks > 10_000
    assert found.attraction == pytest.approx(0.325, rel=0.1)


def _nights(seed: int, users: int = 3000) -> ShownSlots:
    """Lists of ten nights, best items on top but for some noise: the click rate falls faster than the examination."""
    random = np.random.default_rng(seed)
    attraction = random.uniform(0.02, 0.5, (users, PLACES))
    rows, items, positions = [], [], []
    for _ in range(10):
        order = np.argsort(-(attraction + random.normal(0, 0.15, attraction.shape)), axis=1)
        rows.append(np.repeat(np.arange(users), PLACES))
        items.append(order.ravel())
        positions.append(np.tile(np.arange(1, PLACES + 1), users))
    row, item, position = (np.concatenate(part) for part in (rows, items, positions))
    clicked = random.random(len(row)) < attraction[row, item] * TRUTH[position - 1]
    return slots(row, item, position, clicked, drawn=False)


def test_the_same_item_at_several_places_gives_the_planted_examination_back() -> None:
    """Within 10 % at each place, where click rates are wrong by half and more: good items stand on top."""
    made = _nights(2)
    counted = examination.tally(made, 0)
    found = examination.estimate(counted, min_clicks=50, lowest=0.01)
    assert found.values[:PLACES] == pytest.approx(TRUTH, rel=0.1)
    assert found.randomised_clicks == 0
    rates = counted.n_clicked[:PLACES] / counted.n_shown[:PLACES]
    assert rates[-1] / rates[0] < 0.5 * TRUTH[-1]


def test_blocks_of_users_add_up_to_the_whole() -> None:
    """Counts are whole numbers: two halves of the users make the very same estimate."""
    made = _nights(3, users=300)

    def of(chosen: Any) -> Tally:
        part = slots(
            made.rows[chosen], made.items[chosen], made.positions[chosen], made.is_clicked[chosen], drawn=False
        )
        return examination.tally(part, 0)

    whole, first, second = of(made.rows >= 0), of(made.rows < 100), of(made.rows >= 100)
    assert (first.harvested.wins + second.harvested.wins == whole.harvested.wins).all()
    assert (first.harvested.clicks + second.harvested.clicks == whole.harvested.clicks).all()


def _tally(drawn: dict[tuple[int, int], int], found: dict[tuple[int, int], int]) -> Tally:
    """Whole clicks at the first position against the second; comparable clicks are the largest of a row."""

    def compared(cells: dict[tuple[int, int], int]) -> Compared:
        wins = np.zeros((LAST_POSITION, LAST_POSITION), dtype=np.int64)
        for (one, other), clicks in cells.items():
            wins[one - 1, other - 1] = clicks * examination.MILLIONTHS
        return Compared(wins, wins.max(axis=1) // examination.MILLIONTHS)

    zero = np.zeros(LAST_POSITION, dtype=np.int64)
    return Tally(compared(drawn), compared(found), zero, zero)


def test_drawn_slots_come_before_harvested_ones() -> None:
    """Places 1 and 2 have drawn clicks, 100 to 50; that 10 of the same items say otherwise counts for nothing."""
    counted = _tally({(1, 2): 100, (2, 1): 50}, {(1, 2): 500, (2, 1): 500, (2, 3): 400, (3, 2): 100})
    found = examination.estimate(counted, min_clicks=50, lowest=0.01)
    assert found.values[:4] == pytest.approx([1, 0.5, 0.125, 0.125], abs=1e-6)
    assert (found.clicks, found.randomised_clicks) == (250, 150)
    assert found.is_known[:4].tolist() == [True, True, True, False]


def test_too_few_clicks_are_no_estimate() -> None:
    """With 49 clicks at the second place, both count as looked at; no value falls below the limit."""
    assert (examination.estimate(_tally({}, {(1, 2): 500, (2, 1): 49}), min_clicks=50, lowest=0.3).values == 1).all()
    limited = examination.estimate(_tally({}, {(1, 2): 500, (2, 1): 50}), min_clicks=50, lowest=0.3)
    assert limited.values[:3] == pytest.approx([1, 0.3, 0.3])
    assert limited.clicks == 550


def test_places_that_nothing_compares_keep_apart() -> None:
    """Places 5 and 6 are compared with each other only: the larger group is known, they take its nearest value."""
    cells = {(1, 2): 200, (2, 1): 100, (5, 6): 60, (6, 5): 60}
    found = examination.estimate(_tally({}, cells), min_clicks=50, lowest=0.01)
    assert np.flatnonzero(found.is_known).tolist() == [0, 1]
    assert found.values[5] == pytest.approx(0.5)


def test_what_was_not_clicked_weighs_as_much_as_it_was_looked_at() -> None:
    """Of slots looked at by half with an attraction of 0.4: clicks 0.2, no click 0.8, of which 0.3 were looked at."""
    half = examination.Examination(np.full(LAST_POSITION, 0.5), np.ones(LAST_POSITION, dtype=bool), 1, 0, 0.4)
    assert half.without_click[0] == pytest.approx(0.3 / 0.8)
