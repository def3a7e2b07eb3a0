"""The block of two users of `test_metrics_of_systems`, under each protocol, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.histories import Pairs
from models.measures import OURS, Block, Key, Plan
from models.protocols import ALL_UNIFORM, HARD, NEW, OWN, UNIFORM, measure, order_of
from models.rankings import Ranking, assortment_of, truth_of

PLAN = Plan((("home", True), ("discover", False)), ("own", "als", "popular"), 2)
# Item 5 may not be recommended; the popular ones are 0, then 1, then 2; 3 and 4 tie, the lower first.
ASSORTMENT = assortment_of(np.array([9, 5, 3, 0, 0, 0]), np.array([True] * 5 + [False]))
USERS = np.array([11, 12], dtype=np.int32)
NAN = np.nan
PLACE_2, PLACE_3, PLACE_4 = (1 / np.log2(place + 1) for place in (2, 3, 4))
IDEAL_2, IDEAL_3 = 1 + PLACE_2, 1 + PLACE_2 + PLACE_3


def _ranking(*lists: list[int]) -> Ranking:
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    return Ranking(rows, np.array([i for items in lists for i in items], dtype=np.int32), len(lists))


def _block() -> Block:
    """User 0 bought 3 before, then 3, 1 and the unknown 8; user 1 bought 0 before, then 0 again and nothing new."""
    values = dict.fromkeys(Pairs.__slots__, np.zeros(2, dtype=np.float32))
    values |= {"rows": np.array([0, 1]), "item_idx": np.array([3, 0], dtype=np.int32)}
    values |= {"baskets": np.ones(2, dtype=np.int32), "last_days": np.ones(2, dtype=np.int32)}
    home, discover = _ranking([3, 4], [2, 0]), _ranking([4, 1], [2, 1])
    return Block(
        bought=Pairs(**values),
        rows=np.array([0, 0, 0, 1, 1]),
        items=np.array([1, 3, 4, 0, 2], dtype=np.int32),
        scores=np.zeros((5, 3), dtype=np.float32),
        ranks=np.zeros((5, 3), dtype=np.int16),
        lists={"home": home, "discover": discover},
        ranked={"home": home, "discover": discover},
        truth={
            "home": truth_of(np.array([0, 0, 0, 1]), np.array([3, 1, 8, 0]), n_rows=2),
            "discover": truth_of(np.array([0, 0]), np.array([1, 8]), n_rows=2),
        },
        n_rows=2,
    )


VALUES = measure(_block(), PLAN, ASSORTMENT, USERS)


def test_an_order_has_every_item_of_the_catalogue() -> None:
    """First what is ranked, then the others by popularity; what may not be recommended, or is unknown, ties as last."""
    order = order_of(_ranking([4, 1]), ASSORTMENT)
    items = np.arange(8)
    scores = order.scores(np.zeros(8, dtype=np.int64), items)
    assert np.argsort(-scores, kind="stable")[:5].tolist() == [4, 1, 0, 2, 3]
    assert scores[5] == scores[6] == scores[7] < scores[3]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        # The negatives are all that was not taken: 0, 2 and 4 of user 0; 1, 2, 3 and 4 of user 1.
        # Our order of user 0 is 3 4 0 1 2: above 3 is nothing, above 1 are 4 and 0, above the unknown 8 is all.
        (Key(UNIFORM, "home", OURS, "auc"), [(1 + 1 / 3 + 0) / 3, 3 / 4]),
        (Key(UNIFORM, "home", OURS, "ndcg_5"), [(1 + PLACE_3 + PLACE_4) / 3, PLACE_2]),
        (Key(UNIFORM, "home", OURS, "hit_rate_10"), [1.0, 1.0]),
        # Together: 3 at place 1, 1 at place 4; the unknown one is never hit, and counts in the ideal.
        (Key(ALL_UNIFORM, "home", OURS, "ndcg_5"), [(1 + 1 / np.log2(5)) / IDEAL_3, PLACE_2]),
        # By popularity: 0 1 2 3 4.
        (Key(UNIFORM, "home", "popular", "auc"), [(2 / 3 + 1 / 3 + 0) / 3, 1.0]),
        # Of the candidates 4 was not taken by user 0, 2 by user 1.
        (Key(HARD, "home", OURS, "auc"), [(1 + 0) / 2, 0.0]),
        (Key(HARD, "home", OURS, "ndcg_5"), [(1 + PLACE_2) / 2, PLACE_2]),
        # Without what was bought: negatives 0, 2, 4 of user 0, whose order is 4 1 0 2.
        (Key(UNIFORM, "discover", OURS, "auc"), [(2 / 3 + 0) / 2, NAN]),
        (Key(ALL_UNIFORM, "discover", OURS, "ndcg_5"), [PLACE_2 / IDEAL_2, NAN]),
        (Key(HARD, "discover", OURS, "auc"), [0.0, NAN]),
        # Of own candidates user 0 has 3 alone, user 1 has 0 alone: no negative, no AUC.
        (Key(OWN, "home", OURS, "ndcg_5"), [1.0, 1.0]),
        (Key(OWN, "home", OURS, "auc"), [NAN, NAN]),
        # Of new ones user 0 has 1 and 4, of which 4 alone is ranked; user 1 took none.
        (Key(NEW, "home", OURS, "ndcg_5"), [0.0, NAN]),
        (Key(NEW, "home", OURS, "auc"), [0.0, NAN]),
    ],
)
def test_values_by_hand(key: Key, expected: list[float]) -> None:
    """One value a user; one without truth has none."""
    np.testing.assert_allclose(VALUES[key], expected)


def test_parts_are_of_placements_with_repeats() -> None:
    """Where only new items show, the candidates are the new ones already."""
    assert not [key for key in VALUES if key.placement == "discover" and key.protocol in {OWN, NEW}]


def test_keys_depend_on_the_plan_alone() -> None:
    """Another block has the same keys in the same order."""
    block = dataclasses.replace(_block(), lists={"home": _ranking([], []), "discover": _ranking([], [])})
    assert list(measure(block, PLAN, ASSORTMENT, USERS)) == list(VALUES)
