from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Final

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import InputInvalid
from export.comparing.counting import quantile
from export.comparing.result import CategoryShift, ChangedUser, ItemShift, PriceShift, Shown
from export.comparing.snapshots import Extent, compare
from tests.stores.comparisons import (
    AFTER,
    BEFORE,
    BREAD,
    FORTY_ITEMS,
    JAM,
    MILK,
    PEAR,
    TEA,
    TWENTY,
    Open,
    opener,
    twenty,
)
from tests.stores.tables import row

DRAWN: Final = [
    "user-02", "user-04", "user-06", "user-07", "user-08", "user-09", "user-12", "user-17", "user-19",
]  # fmt: skip
"""Those of the twenty whose keyed hash lies in its lowest quarter."""


@pytest.fixture
def snapshot(tmp_path: Path) -> Open:
    """Builds a snapshot of the hand-made shop and opens it."""
    return opener(tmp_path)


def test_every_number_of_two_hand_made_nights(snapshot: Open) -> None:
    """One user gains an item, one list is reordered, one user leaves, one comes: each number is the one by hand."""
    made = compare(snapshot(BEFORE, n_eligible_users=5), snapshot(AFTER, day=2, n_eligible_users=8), Extent(k=3))
    assert (made.k, made.sampled, made.n_looked_at) == (3, 1.0, 5)
    assert (made.n_users_both, made.n_users_only_before, made.n_users_only_after) == (3, 1, 1)
    assert (made.before.n_users, made.before.n_eligible_users, str(made.after.as_of)) == (4, 5, "2026-01-02")
    home = made.placements["home"]
    assert (home.n_both, home.n_only_before, home.n_only_after) == (3, 1, 1)
    assert (home.top5_changed, home.top5_reordered) == (1 / 3, 1 / 3)
    assert (home.overlap_mean, home.overlap_median, home.overlap_p10) == (2.5 / 3, 1.0, 0.5)
    assert (home.fallback_before, home.fallback_after) == (0.2, 0.5)
    assert (home.items_moved, home.categories_moved) == (1 / 8, 1 / 8)
    pear = ItemShift(item_id="-pear", title=None, n_before=0, n_after=1, reach_before=0.0, reach_after=0.25)
    milk = ItemShift(item_id="milk", title="Milk", n_before=3, n_after=2, reach_before=0.75, reach_after=0.5)
    assert (home.gaining, home.losing) == ((pear,), (milk,))
    assert home.categories == (
        CategoryShift(category="Dairy", before=3 / 8, after=2 / 8),
        CategoryShift(category=None, before=0.0, after=1 / 8),
        CategoryShift(category="Bakery", before=2 / 8, after=2 / 8),
        CategoryShift(category="Pantry", before=3 / 8, after=3 / 8),
    )
    assert home.price.before == pytest.approx(13.97 / 8)
    assert home.price.after == pytest.approx(12.98 / 7)
    assert home.price.change == pytest.approx(0.061867, abs=1e-6)
    tea = Shown("tea", "=Tea")
    bob = ChangedUser(user_id="bob", overlap=0.5, before=(tea,), after=(tea, Shown("-pear", None)))
    assert home.most_changed == (bob,)


def test_a_snapshot_compared_with_itself_changes_nothing(snapshot: Open) -> None:
    """The same lists on another day: every overlap is 1, every change exactly 0, nobody is named."""
    made = compare(snapshot(BEFORE), snapshot(BEFORE, day=2))
    assert made.before.snapshot != made.after.snapshot
    assert (made.n_users_both, made.n_users_only_before, made.n_users_only_after) == (4, 0, 0)
    home = made.placements["home"]
    assert (home.top5_changed, home.top5_reordered) == (0.0, 0.0)
    assert (home.overlap_mean, home.overlap_median, home.overlap_p10) == (1.0, 1.0, 1.0)
    assert (home.items_moved, home.categories_moved, home.price.change) == (0.0, 0.0, 0.0)
    assert (home.gaining, home.losing, home.most_changed) == ((), (), ())


def test_an_id_mix_up_leaves_coverage_and_ruins_overlap(snapshot: Open) -> None:
    """Lists joined to the wrong users: coverage, items, categories and prices stay, no user keeps a single item."""
    given_ = {"items": FORTY_ITEMS, "n_eligible_users": 25}
    made = compare(snapshot(twenty(), **given_), snapshot(twenty(shift=1), day=2, **given_))
    home = made.placements["home"]
    assert (home.n_both, home.n_only_before, home.n_only_after) == (20, 0, 0)
    assert (home.fallback_before, home.fallback_after) == (0.2, 0.2)
    assert (home.items_moved, home.categories_moved) == (0.0, 0.0)
    assert (home.gaining, home.losing) == ((), ())
    assert home.price == PriceShift(before=19.5, after=19.5, change=0.0)
    assert (home.top5_changed, home.top5_reordered) == (1.0, 0.0)
    assert (home.overlap_mean, home.overlap_median, home.overlap_p10) == (0.0, 0.0, 0.0)
    assert [user.user_id for user in home.most_changed] == TWENTY


def test_shares_and_not_counts_order_items_and_categories(snapshot: Open) -> None:
    """With twice as many lists after: an item in as many lists as before lost half of its reach; ties go by id."""
    after = [row("a", [TEA, MILK]), row("b", [TEA, JAM]), row("c", [TEA, BREAD]), row("d", [PEAR, BREAD])]
    made = compare(
        snapshot([row("a", [BREAD, MILK]), row("b", [BREAD, JAM])]), snapshot(after, day=2), Extent(n_items=2)
    )
    home = made.placements["home"]
    assert [(one.item_id, one.reach_before, one.reach_after) for one in (*home.gaining, *home.losing)] == [
        ("tea", 0.0, 0.75), ("-pear", 0.0, 0.25), ("bread", 1.0, 0.5), ("jam", 0.5, 0.25),
    ]  # fmt: skip
    assert (home.losing[0].n_before, home.losing[0].n_after) == (2, 2)
    assert [(one.category, one.before, one.after) for one in home.categories] == [
        ("Bakery", 0.5, 0.25), ("Pantry", 0.25, 0.5),
    ]  # fmt: skip
    assert (home.items_moved, home.categories_moved) == (0.5, 0.375)


def test_the_most_changed_come_first_whatever_the_shards(snapshot: Open) -> None:
    """Least overlap, then the longer list, then the id; the order that users are read in makes no difference."""
    before = [row("a", [0, 1]), row("b", [0]), row("c", [0, 1]), row("d", [0, 1, 2]), row("e", [0, 1])]
    after = [row("a", [0, 2]), row("b", [1]), row("c", [2, 3]), row("d", [0, 1, 3]), row("e", [2, 3])]
    answers = []
    for shards in (1, 2, 7):
        made = compare(snapshot(before, shards=shards), snapshot(after, day=2, shards=8 - shards), Extent(n_users=4))
        answers.append(made.placements)
    most = answers[0]["home"].most_changed
    assert [(user.user_id, user.overlap) for user in most] == [("c", 0.0), ("e", 0.0), ("b", 0.0), ("a", 0.5)]
    assert answers[0] == answers[1] == answers[2]
    for n_users, expected in ((1, ["c"]), (2, ["c", "e"]), (3, ["c", "e", "b"])):
        made = compare(snapshot(before), snapshot(after, day=2), Extent(n_users=n_users))
        assert [user.user_id for user in made.placements["home"].most_changed] == expected
    none = compare(snapshot(before), snapshot(after, day=2), Extent(n_users=0)).placements["home"]
    assert (none.most_changed, none.n_both) == ((), 5)


def test_the_best_five_are_compared_also_where_k_is_less(snapshot: Open) -> None:
    """With k = 1 the second place counts for the top 5 and nothing else."""
    made = compare(snapshot([row("a", [0, 1])]), snapshot([row("a", [0, 2])], day=2), Extent(k=1)).placements["home"]
    assert (made.top5_changed, made.overlap_median, made.items_moved, made.most_changed) == (1.0, 1.0, 0.0, ())


def test_a_placement_without_lists_has_no_shares(snapshot: Open) -> None:
    """Where nobody has an own list, shares are unknown, not 0 or 1; everybody gets the fallback."""
    discover = compare(snapshot(BEFORE), snapshot(AFTER, day=2)).placements["discover"]
    assert (discover.n_both, discover.top5_changed, discover.overlap_median, discover.overlap_p10) == (
        0,
        None,
        None,
        None,
    )
    assert (discover.fallback_before, discover.fallback_after, discover.items_moved) == (1.0, 1.0, None)
    assert discover.price == PriceShift(before=None, after=None, change=None)


def test_lists_of_one_snapshot_alone_are_counted_by_placement(snapshot: Open) -> None:
    """A user of both snapshots may have a list for a placement in one of them: no overlap is made of that."""
    home = [row("ann", [0]), row("bob", [1])]
    more = [row(user, [2], placement="discover") for user in ("ann", "bob", "cat")]
    made = compare(snapshot(home), snapshot([row("ann", [0]), *more], day=2))
    assert (made.n_users_both, made.n_users_only_before, made.n_users_only_after) == (2, 0, 1)
    one, other = made.placements["home"], made.placements["discover"]
    assert (one.n_both, one.n_only_before, one.n_only_after, one.overlap_median) == (1, 1, 0, 1.0)
    assert (other.n_both, other.n_only_before, other.n_only_after, other.overlap_median) == (0, 0, 3, None)
    jam = ItemShift(item_id="jam", title="Jam, red", n_before=0, n_after=3, reach_before=0.0, reach_after=1.0)
    assert (other.gaining, other.losing) == ((jam,), ())


def test_placements_of_one_snapshot_alone_are_named(snapshot: Open) -> None:
    """Those in both are compared; without any in common there is an error that names what there is."""
    one = {"placement": ["home"], "segment": ["all"], "item_idx": [[0]], "scores": [[1.0]]}
    other = {**one, "placement": ["cart"]}
    both, home = snapshot(BEFORE), snapshot(AFTER, day=2, fallbacks=pa.table(one))
    made = compare(both, home)
    assert (list(made.placements), made.placements_only_before) == (["home"], ("discover",))
    made = compare(home, both)
    assert (list(made.placements), made.placements_only_after) == (["home"], ("discover",))
    with pytest.raises(InputInvalid, match="no placement in common"):
        compare(home, snapshot([row("ann", [0], placement="cart")], day=3, fallbacks=pa.table(other)))


def test_above_the_limit_a_hash_draws_the_users(snapshot: Open) -> None:
    """Up to the limit all are compared, above it the same few each time, and all of what is told is of them."""
    before, after = snapshot(twenty(), items=FORTY_ITEMS), snapshot(twenty(shift=1), day=2, items=FORTY_ITEMS)
    whole = compare(before, after, Extent(exact_users=20))
    assert (whole.sampled, whole.n_looked_at) == (1.0, 20)
    made = compare(before, after, Extent(exact_users=5))
    drawn = [user.user_id for user in made.placements["home"].most_changed]
    assert (made.sampled, drawn) == (0.25, DRAWN)
    assert (made.n_looked_at, made.placements["home"].n_both, made.before.n_users) == (len(DRAWN), len(DRAWN), 20)
    assert compare(before, after, Extent(exact_users=5)) == made


@pytest.mark.parametrize("wrong", [{"k": 0}, {"exact_users": 0}, {"n_items": -1}, {"n_users": -1}])
def test_an_extent_of_nothing_is_refused(wrong: dict[str, int]) -> None:
    """The places k and the number of users are at least 1."""
    with pytest.raises(InputInvalid, match="Nothing can be compared"):
        Extent(**wrong)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(4, 6)), min_size=1, max_size=60),
    st.sampled_from([1, 10, 50, 100]),
)
def test_a_quantile_is_a_value_of_the_sorted_overlaps(pairs: list[tuple[int, int]], percent: int) -> None:
    """It is the smallest value that so many percent do not exceed: place ceil(n * percent / 100) of the sorted ones."""
    values = sorted(shared / places for shared, places in pairs)
    assert quantile(Counter(pairs), percent) == values[math.ceil(len(values) * percent / 100) - 1]
