"""Why an item entered or left a list, on two planted nights of one user."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jobs.explaining.movement import Moved, View, moved

# Ten candidates by rank; a list has three places.
THEN = View(
    listed=(1, 2, 3),
    length=3,
    ranks={item: item for item in range(1, 11)},
    proposals={item: (("als", item),) for item in range(1, 11)},
)


def ranked(*items: int, listed: tuple[int, ...] | None = None) -> View:
    """The night after: candidates in this order, of which the first three are listed."""
    ranks = {item: rank for rank, item in enumerate(items, start=1)}
    proposals = dict.fromkeys(items, (("own", 2), ("als", 7)))
    return replace(THEN, listed=items[:3] if listed is None else listed, ranks=ranks, proposals=proposals)


def told(item: int, then: View | None, now: View) -> Moved:
    """What became of an item."""
    return moved(item, then, now, lambda other: f"item {other}")


@pytest.mark.parametrize(
    ("item", "now", "kind", "why", "is_by_score"),
    [
        (11, ranked(1, 11, 2, 3), "entered", "It is newly proposed by own (rank 2), als (rank 7).", False),
        (5, ranked(1, 5, 2, 3, 4), "entered", "Its score rose past 3 others: rank 5 became 2.", True),
        (4, ranked(1, 3, 4, 5), "entered", "An item ahead of it is gone (item 2): rank 4 became 3.", False),
        (7, ranked(1, 2, 3, listed=(1, 2, 7)), "entered", "It fills the list up: a popular item where too few", False),
        (2, ranked(1, 3, 4, 2, 5), "left", "Its score fell behind others': rank 2 became 4.", True),
        (3, ranked(11, 12, 1, 2, 3), "left", "2 new candidates stand ahead of it (item 11, item 12): rank 3", False),
        (2, ranked(1, 3, 4), "left", "No source proposes it any more; before als (rank 2) did.", False),
        (2, ranked(1, 2, 3, listed=(1, 3, 4)), "left", "It is ranked 2, and a stage after the ranker moved", False),
        (2, ranked(1, 3, 2), "stayed", "It moved from place 2 to 3.", True),
        (1, ranked(1, 3, 2), "stayed", "It stayed at place 1.", False),
        (9, ranked(1, 2, 3, 4, 9), "out", "It is ranked 5; the list has 3 places.", False),
        (99, ranked(1, 2, 3), "out", "No source proposed it.", False),
    ],
)
def test_each_movement_has_its_cause(item: int, now: View, kind: str, why: str, is_by_score: bool) -> None:  # noqa: FBT001
    """The planted cause is the one that is told, and scores are blamed only where nothing else moved the item."""
    made = told(item, THEN, now)
    assert (made.kind, made.is_by_score) == (kind, is_by_score)
    assert made.why.startswith(why)


def test_what_was_bought_leaves_a_placement_of_new_items() -> None:
    """Where repeats may show, the same purchase is no reason to leave; an item bought since can enter as own."""
    bought = replace(ranked(1, 3, 4), bought=frozenset({2}))
    assert told(2, THEN, replace(bought, is_new_only=True)).why.startswith("The user bought it, and")
    assert told(2, THEN, bought).why.startswith("No source proposes it any more")
    since = replace(ranked(11, 1, 2, 3), bought=frozenset({11}))
    assert told(11, THEN, since).why == "It was bought since and is proposed by own (rank 2), als (rank 7)."


def test_a_ban_is_told_before_anything_else_of_the_ranking() -> None:
    """An item that may not be recommended any more leaves, one that may since enters, for that reason alone."""
    banned = replace(ranked(1, 3, 4), banned=frozenset({2}))
    assert told(2, THEN, banned).why.startswith("It may not be recommended:")
    assert told(2, replace(THEN, listed=(1, 3, 4)), banned).why.startswith("It may not be recommended:")
    before = replace(THEN, listed=(1, 3, 4), banned=frozenset({2}))
    assert told(2, before, ranked(1, 2, 3)).why.startswith("It may be recommended since")


def test_a_full_category_is_told() -> None:
    """An item ranked second that its category's cap kept out."""
    now = replace(ranked(1, 2, 3, listed=(1, 3, 4)), capped=frozenset({2}))
    assert told(2, THEN, now).why == "It is ranked 2, and its category has its share of the places without it."


def test_exploration_is_told() -> None:
    """An explored item was drawn and the one whose slot it took was displaced, whatever their ranks."""
    explored = replace(ranked(1, 2, 3, listed=(1, 9, 3)), explored=frozenset({9}), displaced=frozenset({2}))
    assert told(9, THEN, explored).why == "It was drawn into a slot that explores."
    assert told(2, THEN, explored).why == "Its slot explores another item."
    assert told(2, explored, explored).why == "It is ranked 2, and its slot explores another item."
    assert told(9, explored, THEN).why == "It had been drawn into a slot that explores, and was not again."
    assert told(2, explored, THEN).why == "It was ranked 2 before too, and its slot explored another item."


def test_without_an_earlier_list_nothing_is_compared() -> None:
    """An item of a first list is neither new nor old; one that is not in it still has a reason."""
    assert told(1, None, THEN).kind == "first"
    assert told(99, None, THEN) == Moved("out", "No source proposed it.")


def test_another_system_is_the_cause_of_what_enters_and_leaves() -> None:
    """The ranker's list gave way to that of ALS: nothing is put down to scores, and a purchase is told all the same."""
    als = replace(ranked(1, 2, 5), system="als")
    entered, left, stayed = (told(item, THEN, als) for item in (5, 3, 1))
    assert entered.why == "Published are the lists of source als (rank 3); before it were the two-stage lists (rank 5)."
    assert (
        left.why == "Published are the lists of source als (no candidate); before it were the two-stage lists (rank 3)."
    )
    assert (stayed.kind, stayed.is_by_score) == ("stayed", False)
    bought = replace(als, bought=frozenset({3}), is_new_only=True)
    assert told(3, THEN, bought).why.startswith("The user bought it, and")


def test_two_nights_of_a_source_move_by_its_ranks() -> None:
    """What it no longer proposes left for that reason, whatever other sources say, and no feature is blamed."""
    before, now = replace(THEN, system="als"), replace(ranked(1, 5, 3), system="als")
    assert told(2, before, now).why == "Source als does not propose it any more; before als (rank 2) did."
    rose = told(5, before, replace(ranked(1, 5, 2, 3, 4), system="als"))
    assert (rose.why, rose.is_by_score) == ("Its score rose past 3 others: rank 5 became 2.", False)
    assert told(99, before, now).why == "Source als did not propose it."
