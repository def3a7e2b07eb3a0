"""A block of four users and six items, small enough to do every sum by hand."""

from __future__ import annotations

from typing import Final

import numpy as np
import pytest

from models.histories import Pairs
from models.item_arrays import NUMBERS, ItemArrays
from models.user_block import USER_NUMBERS, UserBlock

TODAY: Final = 1000

# (row, item, baskets, first day, last day, first basket, last basket, quantity, decayed_60, decayed_180, weight)
_PAIRS: Final = (
    (0, 0, 2, 980, 998, 1, 3, 2.0, 1.5, 1.5, 2.0),
    (0, 1, 1, 990, 990, 2, 2, 1.0, 0.5, 1.0, 1.0),
    (1, 2, 1, 995, 995, 1, 1, 4.0, 0.9, 0.5, 1.0),
    (1, 4, 0, -1, -1, 0, 0, 0.0, 0.0, 0.0, 0.5),  # only looked at
    (2, 3, 1, 970, 970, 1, 1, 0.0, 0.7, 1.0, 0.0),  # cancelled as a whole
    (2, 5, 3, 970, 999, 1, 4, 3.0, 2.0, 2.0, 3.0),  # the item that must not be recommended
)


@pytest.fixture
def block() -> UserBlock:
    """Row 3 has no history at all, and its user and its segment are unknown to every model."""
    columns = [np.array(column) for column in zip(*_PAIRS, strict=True)]
    zero = np.zeros(len(_PAIRS), dtype=np.float32)
    ints = dict(
        zip(
            ("item_idx", "baskets", "first_days", "last_days", "first_baskets", "last_baskets"),
            (column.astype(np.int32) for column in columns[1:7]),
            strict=True,
        )
    )
    names = ("quantities", "decayed_60", "decayed_180", "weights")
    floats = dict(zip(names, (column.astype(np.float32) for column in columns[7:]), strict=True))
    others = dict.fromkeys(("amounts", "decayed_14", "decayed_30", "decayed_baskets"), zero)
    pairs = Pairs(rows=columns[0].astype(np.int64), **ints, **floats, **others)
    numbers = {name: np.full(4, np.nan, dtype=np.float32) for name in USER_NUMBERS}
    numbers |= {
        "n_baskets": np.array([3, 1, 4, np.nan], dtype=np.float32),
        "recency_days": np.array([2, 5, 1, np.nan], dtype=np.float32),
        "basket_gap_days": np.array([8, np.nan, 10, np.nan], dtype=np.float32),
        "mean_price": np.array([2, 5, 1, np.nan], dtype=np.float32),
    }
    return UserBlock(
        user_idx=np.array([0, 1, 2, 9], dtype=np.int32),
        segments=["a", "b", "a", "z"],
        numbers=numbers,
        pairs=pairs,
        bought=pairs.take(pairs.is_bought),
        n_items=6,
    )


@pytest.fixture
def items() -> ItemArrays:
    """Items 0 and 1 and 4 are of category 0, items 2 and 3 of category 1; item 5 has none and is not allowed."""
    numbers = {name: np.full(6, np.nan, dtype=np.float32) for name in NUMBERS}
    numbers |= {
        "repeat_rate": np.array([0.5, 0.0, 0.2, 0.0, 0.0, 0.9], dtype=np.float32),
        "buyers_7": np.array([3, 0, 0, 0, 0, 0], dtype=np.float32),
        "buyers_28": np.array([12, 0, 0, 0, 0, 0], dtype=np.float32),
        "repeat_gap_days": np.array([4, np.nan, np.nan, np.nan, np.nan, 9], dtype=np.float32),
        "price": np.array([2, 4, 5, 5, 5, 1], dtype=np.float32),
    }
    nothing = np.full(6, -1, dtype=np.int32)
    return ItemArrays(
        numbers=numbers,
        codes={"category": np.array([0, 0, 1, 1, 0, -1], dtype=np.int32), "department": nothing, "brand": nothing},
        is_recommendable=np.array([True, True, True, True, True, False]),
    )
