from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import histories
from models.histories import DayRows, Pairs, Users

INTS = ("rows", "item_idx", "baskets", "first_days", "last_days", "first_baskets", "last_baskets")


def nobody(n: int) -> Users:
    """Users without a base."""
    return Users(np.zeros(n, np.int32), np.full(n, -1, np.int32), np.full(n, -1, np.int32))


def news(*events: tuple[int, int, int, bool, float]) -> DayRows:
    """Interactions of (row, day, item, is a purchase, quantity); the weight is 1 bought and 0.1 otherwise."""
    rows, days, items, bought, quantities = (
        (np.array(c) for c in zip(*events, strict=True)) if events else [np.zeros(0)] * 5
    )
    return DayRows(
        rows=rows.astype(np.int64),
        days=days.astype(np.int32),
        item_idx=items.astype(np.int32),
        is_purchase=bought.astype(bool),
        weights=np.where(bought.astype(bool), 1.0, 0.1),
        quantities=quantities.astype(float),
        amounts=2 * quantities.astype(float),
    )


# User 0: items 7 and 3 on day 10, item 7 again on day 12, item 5 looked at on day 12. User 1: nothing.
WEEK = news((0, 12, 7, True, 1), (0, 10, 7, True, 2), (0, 12, 5, False, 0), (0, 10, 3, True, 1))


def test_a_fold_counts_baskets_days_and_ordinals() -> None:
    """A day with a purchase is a basket; what was only looked at has a weight and no basket."""
    users, pairs = histories.fold(nobody(2), histories.empty_pairs(), WEEK, base_day=0, as_of_day=14)
    assert (users.n_baskets.tolist(), users.first_day.tolist(), users.last_day.tolist()) == ([2, 0], [10, -1], [12, -1])
    assert pairs.rows.tolist() == [0, 0, 0]
    assert pairs.item_idx.tolist() == [3, 5, 7]
    assert pairs.baskets.tolist() == [1, 0, 2]
    assert pairs.first_days.tolist() == [10, -1, 10]
    assert pairs.last_days.tolist() == [10, -1, 12]
    assert pairs.first_baskets.tolist() == [1, 0, 1]
    assert pairs.last_baskets.tolist() == [1, 0, 2]
    assert pairs.quantities.tolist() == [1, 0, 3]
    assert pairs.amounts.tolist() == [2, 0, 6]
    assert pairs.is_bought.tolist() == [True, False, True]


def test_a_fold_decays_by_days_and_by_baskets() -> None:
    """A basket counts half after its half-life, and four fifths after each later basket."""
    _, pairs = histories.fold(nobody(2), histories.empty_pairs(), WEEK, base_day=0, as_of_day=24)
    assert pairs.decayed_14 == pytest.approx([0.5, 0, 0.5 + 0.5 ** (12 / 14)])
    assert pairs.decayed_180 == pytest.approx([0.5 ** (14 / 180), 0, 0.5 ** (14 / 180) + 0.5 ** (12 / 180)])
    assert pairs.decayed_baskets == pytest.approx([0.8, 0, 1.8])
    assert pairs.weights == pytest.approx(
        [0.5 ** (14 / 60), 0.1 * 0.5 ** (12 / 60), 0.5 ** (14 / 60) + 0.5 ** (12 / 60)]
    )


def test_a_pair_without_news_only_ages() -> None:
    """Sums of days halve over 14 more days; baskets and ordinals stay."""
    users, before = histories.fold(
        nobody(1), histories.empty_pairs(), news((0, 10, 3, True, 1)), base_day=0, as_of_day=10
    )
    same, after = histories.fold(users, before, news(), base_day=10, as_of_day=24)
    assert same.n_baskets.tolist() == [1]
    assert (before.decayed_14.tolist(), after.decayed_14.tolist()) == ([1.0], [0.5])
    assert (after.decayed_baskets.tolist(), after.last_baskets.tolist(), after.last_days.tolist()) == ([1.0], [1], [10])


def test_a_cancellation_takes_a_pair_back() -> None:
    """Units netted to zero leave a pair that does not count as bought."""
    bought = news((0, 10, 3, True, 2))
    users, pairs = histories.fold(nobody(1), histories.empty_pairs(), bought, base_day=0, as_of_day=10)
    _, after = histories.fold(users, pairs, news((0, 11, 3, False, -2)), base_day=10, as_of_day=11)
    assert (after.baskets.tolist(), after.quantities.tolist(), after.is_bought.tolist()) == ([1], [0], [False])


EVENTS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 9), st.integers(0, 4), st.booleans(), st.integers(1, 3).map(float)),
    max_size=25,
    unique_by=lambda event: event[:3],
)


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.sets(st.integers(1, 8)))
def test_days_one_by_one_give_what_all_at_once_gives(events: list[Any], chance: Any, stops: set[int]) -> None:
    """However the days are cut into nights and however the rows are ordered, the state is the same."""
    whole = histories.fold(nobody(3), histories.empty_pairs(), news(*events), base_day=0, as_of_day=9)
    users, pairs, base = nobody(3), histories.empty_pairs(), 0
    for stop in sorted(stops | {9}):
        part = [event for event in events if base < event[1] <= stop]
        chance.shuffle(part)
        users, pairs = histories.fold(users, pairs, news(*part), base_day=base, as_of_day=stop)
        base = stop
    _assert_same(whole, (users, pairs))


@settings(max_examples=80, deadline=None)
@given(EVENTS, st.integers(1, 9))
def test_no_date_knows_what_came_later(events: list[Any], day: int) -> None:
    """Of all rows the state as of a date is the same as of its rows alone; users without one are not there yet."""
    earlier = [event for event in events if event[1] <= day]
    present, *state = histories.by_then(news(*events), day)
    assert present.tolist() == sorted({event[0] for event in earlier})
    at = {user: row for row, user in enumerate(present.tolist())}
    moved = news(*((at[event[0]], *event[1:]) for event in earlier))
    nothing = (nobody(len(at)), histories.empty_pairs())
    _assert_same((state[0], state[1]), histories.fold(*nothing, moved, base_day=0, as_of_day=day))


def test_rows_are_put_in_order_whoever_brought_them() -> None:
    """By user, day and item; users are positions among those of the block."""
    columns = {
        "user_idx": [9, 4, 9, 4], "days": [3, 5, 3, 4], "item_idx": [2, 6, 1, 7], "is_purchase": [True] * 4,
        "weights": [1.0, 2.0, 3.0, 4.0], "quantities": [1.0] * 4, "amounts": [1.0] * 4,
    }  # fmt: skip
    users, rows = histories.in_order(pa.RecordBatch.from_pydict(columns))
    assert users.tolist() == [4, 9]
    found = (rows.rows.tolist(), rows.days.tolist(), rows.item_idx.tolist(), rows.weights.tolist())
    assert found == ([0, 0, 1, 1], [4, 5, 3, 3], [7, 6, 1, 2], [4.0, 2.0, 3.0, 1.0])


def test_some_fields_of_pairs_are_read_alone() -> None:
    """The others need not be there, and hold zeros."""
    batch = pa.RecordBatch.from_pydict({"item_idx": [[3, 5], [7]], "baskets": [[1, 2], [3]]})
    pairs = histories.pairs_of(batch, ("item_idx", "baskets"))
    assert (pairs.rows.tolist(), pairs.baskets.tolist(), pairs.weights.tolist()) == ([0, 0, 1], [1, 2, 3], [0, 0, 0])


def _assert_same(left: tuple[Users, Pairs], right: tuple[Users, Pairs]) -> None:
    for field in fields(Users):
        assert getattr(left[0], field.name).tolist() == getattr(right[0], field.name).tolist()
    for field in fields(Pairs):
        one, other = getattr(left[1], field.name), getattr(right[1], field.name)
        if field.name in INTS:
            assert one.tolist() == other.tolist(), field.name
        else:
            np.testing.assert_allclose(one, other, rtol=2e-6, atol=1e-6, err_msg=field.name)


def test_a_base_survives_its_table() -> None:
    """What is written as columns is read as the same pairs; a null list is a user without a base."""
    users, pairs = histories.fold(nobody(2), histories.empty_pairs(), WEEK, base_day=0, as_of_day=14)
    batch = pa.RecordBatch.from_pydict(histories.to_columns(users, pairs))
    _assert_same((users, pairs), (histories.users_of(batch), histories.pairs_of(batch)))
    absent = pa.RecordBatch.from_pydict(
        {name: pa.nulls(1, column.type) for name, column in zip(batch.schema.names, batch.columns, strict=True)}
    )
    assert histories.users_of(absent).first_day.tolist() == [-1]
    assert len(histories.pairs_of(absent).rows) == 0
