from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models import category_features
from models.candidates import CandidateBlock
from models.item_arrays import ItemArrays
from models.user_block import UserBlock

TODAY = 1000
NAN = float("nan")
PAIRS = [(0, 2), (0, 4), (1, 3), (1, 4), (2, 5), (3, 0)]


def features(block: UserBlock, items: ItemArrays, **numbers: list[float]) -> dict[str, list[float]]:
    """Columns by name of the candidates PAIRS, with other item numbers."""
    changed = {name: np.array(values, dtype=np.float32) for name, values in numbers.items()}
    rows, of_items = np.array(PAIRS).T
    none = np.zeros((len(PAIRS), 0))
    candidates = CandidateBlock(
        rows=rows.astype(np.int64), items=of_items.astype(np.int32), bits=np.zeros(len(PAIRS), np.int32),
        scores=none.astype(np.float32), ranks=none.astype(np.int16),
    )  # fmt: skip
    known = replace(items, numbers={**items.numbers, **changed})
    made = category_features.columns(block, candidates, known, today=TODAY)
    assert {column.dtype for column in made} == {np.dtype(np.float32)}
    return dict(zip(category_features.names(), [column.tolist() for column in made], strict=True))


@pytest.fixture
def cells(block: UserBlock, items: ItemArrays) -> dict[str, list[float]]:
    """Category 0 has 16 buyers, category 1 has 4."""
    return features(block, items, buyers_84=[6, 2, 1, 3, 8, 50])


def test_an_item_has_its_share_of_the_buyers_of_its_category(cells: dict[str, list[float]]) -> None:
    """8 of 16, 6 of 16, 3 of 4 and 1 of 4; an item without category has none."""
    assert cells["share_category"] == pytest.approx([0.25, 0.5, 0.75, 0.5, NAN, 0.375], nan_ok=True)


def test_what_the_user_buys_in_the_category(cells: dict[str, list[float]]) -> None:
    """User 0 took two items of category 0 in three baskets, last two days ago; user 1 only looked at item 4."""
    assert cells["affinity_category"] == pytest.approx([0, 1, 1, 0, NAN, 0], nan_ok=True)
    assert cells["fit_category"] == pytest.approx([0, 0.5, 0.75, 0, NAN, 0], nan_ok=True)
    assert cells["variety_category"] == pytest.approx([NAN, 2 / 3, 1, NAN, NAN, NAN], nan_ok=True)
    assert cells["recency_days_category"] == pytest.approx([NAN, 2, 5, NAN, NAN, NAN], nan_ok=True)


def test_a_price_stands_beside_what_the_user_took_in_the_category(cells: dict[str, list[float]]) -> None:
    """User 0 took 1.5 decayed baskets at 2 and one at 4, a mean of 2.8; the candidate costs 5."""
    assert cells["relative_price_category"] == pytest.approx([NAN, 5 / 2.8, 1, NAN, NAN, NAN], nan_ok=True)


def test_an_unknown_price_weighs_nothing(block: UserBlock, items: ItemArrays) -> None:
    """Without the price of item 1 the mean is that of item 0; without either there is none."""
    some = features(block, items, price=[2, NAN, 5, 5, 5, 1])["relative_price_category"]
    assert some[1] == pytest.approx(2.5)
    none = features(block, items, price=[NAN, NAN, 5, 5, 5, 1])["relative_price_category"]
    assert np.isnan(none[1])


def test_an_attribute_that_the_shop_does_not_keep_is_unknown(cells: dict[str, list[float]]) -> None:
    """No item has a brand: every feature of it is NaN."""
    brand = [values for name, values in cells.items() if name.endswith("_brand")]
    assert len(brand) == len(category_features.kinds_of("brand"))
    assert np.isnan(brand).all()
