from __future__ import annotations

import math

import numpy as np
import pytest

from contracts import tables
from models import ranking_features
from models.candidates import CandidateBlock
from models.item_arrays import ItemArrays
from models.user_block import USER_NUMBERS, UserBlock

TODAY = 1000
NAN = float("nan")
NAMES = ranking_features.names(("own", "popular"), ("ease",))


@pytest.fixture
def cells(block: UserBlock, items: ItemArrays) -> dict[str, list[float]]:
    """Features by name of (0, item 0), (0, item 2), (2, item 5) and (3, item 0)."""
    proposed = CandidateBlock(
        rows=np.array([0, 0, 2, 3]),
        items=np.array([0, 2, 5, 0], dtype=np.int32),
        bits=np.array([3, 2, 1, 2], dtype=np.int32),
        scores=np.array([[0.9, 5, 0.1], [NAN, 3, NAN], [2.0, 9, 0.3], [NAN, 5, 0.4]], dtype=np.float32),
        ranks=np.array([[1, 7], [0, 4], [2, 0], [0, 1]], dtype=np.int16),
    )
    made = ranking_features.matrix(block, proposed, items, today=TODAY)
    assert made.dtype == np.float32
    assert made.shape == (4, len(NAMES))
    return dict(zip(NAMES, made.T.tolist(), strict=True))


def test_names_are_unique_and_as_many_as_columns(cells: dict[str, list[float]]) -> None:
    """One name a column; the shape itself is checked where the matrix is made."""
    assert len(set(NAMES)) == len(NAMES) == len(cells)


def test_pair_features_tell_when_an_own_item_is_due(cells: dict[str, list[float]]) -> None:
    """Bought in baskets 1 and 3 of 3, on days 980 and 998, and now is day 1000; new items have no past."""
    own = {name: values[0] for name, values in cells.items()}
    assert (own["pair_baskets"], own["pair_recency_days"], own["pair_age_days"]) == (2, 2, 20)
    assert (own["pair_gap_days"], own["pair_gap_baskets"], own["pair_recency_baskets"]) == (18, 2, 0)
    assert own["pair_basket_rate"] == pytest.approx(2 / 3)
    assert own["pair_overdue_days"] == pytest.approx(2 / 18)
    assert own["pair_item_overdue_days"] == pytest.approx(2 / 4)
    assert (own["pair_quantity"], own["pair_weight"], own["pair_decayed_60"]) == (1, 2, 1.5)
    new = {name: values[1] for name, values in cells.items()}
    assert (new["pair_baskets"], new["pair_weight"]) == (0, 0)
    assert math.isnan(new["pair_recency_days"])
    assert math.isnan(new["pair_gap_days"])


def test_user_and_item_features_are_their_rows(cells: dict[str, list[float]]) -> None:
    """Features of the user's row and of the item's index; unknown stays unknown."""
    assert cells["user_n_baskets"] == pytest.approx([3, 3, 4, NAN], nan_ok=True)
    assert cells["item_price"] == [2, 5, 1, 2]
    assert cells["trend_week"] == pytest.approx([1, 1, 1, 1])
    assert cells["trend_month"] == pytest.approx([NAN] * 4, nan_ok=True)
    assert cells["price_ratio"] == pytest.approx([0, math.log(5 / 2), 0, NAN], nan_ok=True)
    assert cells["user_overdue"] == pytest.approx([2 / 8, 2 / 8, 1 / 10, NAN], nan_ok=True)


def test_affinity_is_the_share_of_the_category(cells: dict[str, list[float]]) -> None:
    """User 0 bought in category 0 alone; an item without category is unknown, a user without past has none."""
    assert cells["affinity_category"] == pytest.approx([1, 0, NAN, 0], nan_ok=True)
    assert cells["affinity_brand"] == pytest.approx([NAN] * 4, nan_ok=True)


def test_source_scores_and_ranks_are_passed_on(cells: dict[str, list[float]]) -> None:
    """A rank of 0 is unknown, not the best."""
    assert cells["score_own"] == pytest.approx([0.9, NAN, 2, NAN], nan_ok=True)
    assert cells["rank_own"] == pytest.approx([1, NAN, 2, NAN], nan_ok=True)
    assert cells["score_ease"] == pytest.approx([0.1, NAN, 0.3, 0.4], nan_ok=True)
    assert "rank_ease" not in cells
    assert cells["n_sources"] == [2, 1, 1, 1]
    assert cells["best_rank"] == [1, 4, 2, 1]


def test_what_the_shop_knows_of_a_person_is_no_feature() -> None:
    """User features are numbers of the user's own purchases: no column derives from the shop's table of users."""
    for name in USER_NUMBERS:
        sources = tables.USER_FEATURES.column(name).derived_from
        assert sources
        assert all(source.startswith("histories.") for source in sources), name
    assert not {f"user_{column.name}" for column in tables.USERS.columns if column.name != "user_idx"} & set(NAMES)
    assert [name for name in NAMES if name.startswith("user_")] == [f"user_{name}" for name in USER_NUMBERS] + [
        "user_overdue"
    ]
