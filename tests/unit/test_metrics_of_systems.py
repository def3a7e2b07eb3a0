from __future__ import annotations

import numpy as np
import pytest

from models.histories import Pairs
from models.list_checks import Rules, count_faults
from models.measures import FULL, UNION, WITHIN, Block, Key, Plan, measure_block
from models.rankings import Ranking, assortment_of, truth_of
from models.references.frequency import PersonalThenPopular
from models.references.last_week import LastWeek
from models.references.popular import Popular

REFERENCES = {"personal_then_popular": PersonalThenPopular(), "popular": Popular(), "last_week": LastWeek()}
PLAN = Plan((("home", True), ("discover", False)), ("own", "als", "popular"), 2, references=tuple(REFERENCES))
# Item 5 may not be recommended; the popular ones are 0, then 1, then 2.
ASSORTMENT = assortment_of(np.array([9, 5, 3, 0, 0, 0]), np.array([True] * 5 + [False]))
NAN = np.nan


def _ranking(*lists: list[int]) -> Ranking:
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    return Ranking(rows, np.array([i for items in lists for i in items], dtype=np.int32), len(lists))


def _block() -> Block:
    """User 0 bought 3 before, then 3, 1 and the unknown 8; user 1 bought 0 before, then 0 again and nothing new."""
    zero = np.zeros(2, dtype=np.float32)
    values = dict.fromkeys(Pairs.__slots__, zero)
    values |= {"rows": np.array([0, 1]), "item_idx": np.array([3, 0], dtype=np.int32)}
    values |= {"baskets": np.ones(2, dtype=np.int32), "last_days": np.ones(2, dtype=np.int32)}
    home, discover = _ranking([3, 4], [2, 0]), _ranking([4, 1], [2, 1])
    return Block(
        bought=Pairs(**values),
        rows=np.array([0, 0, 0, 1, 1]),
        items=np.array([1, 3, 4, 0, 2], dtype=np.int32),
        scores=np.array([[NAN, 0.9, 5], [1, 0.2, 0], [NAN, 0.5, 0], [1, 0.1, 9], [NAN, 0.7, 3]], dtype=np.float32),
        ranks=np.array([[0, 1, 2], [1, 0, 0], [0, 2, 1], [1, 0, 0], [0, 1, 2]], dtype=np.int16),
        lists={"home": home, "discover": discover},
        ranked={"home": home, "discover": discover},
        truth={
            "home": truth_of(np.array([0, 0, 0, 1]), np.array([3, 1, 8, 0]), n_rows=2),
            "discover": truth_of(np.array([0, 0]), np.array([1, 8]), n_rows=2),
        },
        n_rows=2,
        user_idx=np.array([7, 9], dtype=np.int32),
        earlier={"home": _ranking([4, 2], []), "discover": _ranking([1, 3], [])},
    )


VALUES, LISTS = measure_block(_block(), PLAN, ASSORTMENT, REFERENCES)


@pytest.mark.parametrize(
    ("placement", "system", "expected"),
    [
        ("home", "two_stage", [[3, 4], [2, 0]]),
        ("home", "personal_then_popular", [[3, 0], [0, 1]]),
        ("home", "popular", [[0, 1], [0, 1]]),
        ("home", "last_week", [[4, 2], [0, 1]]),
        ("home", "source_own", [[3, 0], [0, 1]]),
        ("home", "source_als", [[1, 4], [2, 0]]),
        ("home", "source_popular", [[4, 1], [2, 0]]),
        ("discover", "personal_then_popular", [[0, 1], [1, 2]]),
        ("discover", "popular", [[0, 1], [1, 2]]),
        ("discover", "last_week", [[1, 3], [1, 2]]),
        ("discover", "source_own", [[0, 1], [1, 2]]),
    ],
)
def test_every_system_lists_what_its_rule_says(placement: str, system: str, expected: list[list[int]]) -> None:
    """Lists of two for each system, popular items where it has fewer; without repeats nothing bought is in one."""
    assert LISTS[placement, system].tolist() == expected


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (Key(FULL, "home", "two_stage", "recall_2"), [1 / 3, 1.0]),
        (Key(FULL, "home", "two_stage", "capped_recall_2"), [1 / 2, 1.0]),
        (Key(FULL, "home", "popular", "hit_rate_2"), [1.0, 1.0]),
        (Key(FULL, "discover", "two_stage", "recall_2"), [1 / 2, NAN]),
        (Key(WITHIN, "discover", "personal_then_popular", "ndcg_2"), [1.0, NAN]),
        (Key(WITHIN, "home", "two_stage", "hit_rate_2"), [1.0, 1.0]),
        (Key(WITHIN, "discover", "two_stage", "hit_rate_2"), [1.0, NAN]),
        # Among 1, 3 and 4 the list holds 3, then the miss 4; the other positive, 1, is last.
        (Key(WITHIN, "home", "two_stage", "auc"), [0.5, 0.0]),
        # Among 1 and 4 popularity puts the positive first.
        (Key(WITHIN, "discover", "popular", "auc"), [1.0, NAN]),
        # 3 is first of 3 negatives (0, 2, 4), 1 follows below 4 and 0 and above 2, 8 is below all.
        (Key(FULL, "home", "two_stage", "auc"), [(1 + 1 / 3 + 0) / 3, 3 / 4]),
        (Key(FULL, "home", UNION, "recall_ceiling"), [2 / 3, 1.0]),
        (Key(FULL, "home", "source_als", "recall_ceiling"), [1 / 3, 0.0]),
        (Key(FULL, "home", "source_own", "unique_share"), [1 / 3, 1.0]),
        (Key(FULL, "discover", "source_als", "unique_share"), [0.0, NAN]),
        (Key(FULL, "discover", "source_als", "recall_ceiling"), [1 / 2, NAN]),
    ],
)
def test_values_by_hand(key: Key, expected: list[float]) -> None:
    """One value a user; a user without truth in a placement has none."""
    np.testing.assert_allclose(VALUES[key], expected)


def test_faults_are_counted_by_kind_and_by_placement() -> None:
    """Of three lists the last is another placement's; user 0 owns 1; item 4 is banned, 9 unknown, 2 repeated."""
    shown, bought = _ranking([0, 1], [4, 9, 2, 2], [4, 4]), _ranking([1], [], [0])
    recommendable = np.array([True, True, True, True, False])
    is_counted = np.array([True, True, False])
    new_only = Rules(recommendable, recommendable, may_repeat=False, length=3)
    assert count_faults(shown, bought, new_only, is_counted) == {
        "lists": 2, "full": 1, "unknown": 1, "not_recommendable": 1, "already_bought": 1, "repeated": 1,
    }  # fmt: skip
    with_repeats = Rules(recommendable, recommendable, may_repeat=True, length=2)
    assert count_faults(shown, bought, with_repeats, is_counted)["already_bought"] == 0
    assert count_faults(shown, bought, with_repeats, is_counted)["full"] == 2


def test_a_list_of_all_that_may_be_recommended_is_full() -> None:
    """Ten were asked for; the user owns one of three allowed items, and the list holds the other two."""
    allowed = np.array([True, True, True, False])
    rules = Rules(np.ones(4, dtype=bool), allowed, may_repeat=False, length=10)
    assert count_faults(_ranking([0, 2]), _ranking([1, 3]), rules, np.array([True]))["full"] == 1
    assert count_faults(_ranking([0]), _ranking([1, 3]), rules, np.array([True]))["full"] == 0
