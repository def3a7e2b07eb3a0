"""Features of a candidate within its category, department or brand: what the user does there, and its place there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.candidates import CandidateBlock
from models.histories import Pairs
from models.item_arrays import CODES, ItemArrays
from models.ragged import AnyArray, Float32, Int32, Int64
from models.user_block import UserBlock, find

Float64 = npt.NDArray[np.float64]
OF_ALL: Final = ("affinity", "fit")
OF_CATEGORY: Final = ("share", "variety", "recency_days", "relative_price")


def kinds_of(name: str) -> tuple[str, ...]:
    """The features that an attribute has: the category all of them, as more of the others only add noise."""
    return (*OF_ALL, *OF_CATEGORY) if name == "category" else OF_ALL


def names() -> tuple[str, ...]:
    """Feature names in the order of the columns."""
    return tuple(f"{kind}_{name}" for name in CODES for kind in kinds_of(name))


def columns(block: UserBlock, candidates: CandidateBlock, items: ItemArrays, *, today: int) -> list[Float32]:
    """The columns of `names`, each of shape (n_candidates,).

    Of every attribute: `affinity`, the share of the user's baskets, halved every 60 days, in the item's value, and
    `fit`, that times the item's share of its value's buyers in 84 days. Of the category also: `share`, the latter
    alone; `variety`, the user's distinct items in a basket of it; `recency_days`, days since the user's last purchase
    in it; `relative_price`, the item's price over the mean of the user's items in it, weighted by baskets halved every
    180 days. NaN where the item has no value, and but for `affinity` and `fit`, which are 0 then, where the user bought
    nothing of it.
    """
    made: list[Float32] = []
    for name in CODES:
        codes, kinds = np.asarray(items.codes[name]), kinds_of(name)
        if codes.max(initial=-1) < 0:
            made += [np.full(len(candidates.rows), np.nan, dtype=np.float32)] * len(kinds)
        else:
            made += _of_attribute(block, candidates, items, codes, today)[: len(kinds)]
    return made


@dataclass(frozen=True, slots=True)
class _Habits:
    """What each user of a block did in each value: ascending keys (row, value), and sums by key."""

    keys: Int64
    decayed_60: Float64
    decayed_180: Float64
    spent: Float64
    n_items: Float64
    n_baskets: Float64
    last_days: Int64


def _of_attribute(
    block: UserBlock, candidates: CandidateBlock, items: ItemArrays, codes: Int32, today: int
) -> list[Float32]:
    prices = np.asarray(items.numbers["price"]).astype(np.float64)
    n_codes, bought = int(codes.max()) + 1, block.bought.take(codes[block.bought.item_idx] >= 0)
    habits = _habits(bought, codes[bought.item_idx], prices[bought.item_idx], n_codes)
    totals = np.bincount(bought.rows, weights=bought.decayed_60, minlength=block.n_users)
    own = codes[candidates.items]
    has_value = own >= 0
    at = find(habits.keys, candidates.rows * n_codes + own)
    has_habit = has_value & (at >= 0)
    at = at[has_habit]

    def column(values: AnyArray, absent: float) -> Float64:
        made = np.where(has_value, absent, np.nan)
        made[has_habit] = values
        return made

    affinity = column(habits.decayed_60[at] / np.maximum(totals[candidates.rows[has_habit]], 1e-9), 0.0)
    share = np.where(has_value, _shares(items, codes, n_codes)[candidates.items], np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_price = habits.spent[at] / habits.decayed_180[at]
        ratio = column(prices[candidates.items[has_habit]] / np.maximum(mean_price, 1e-3), np.nan)
    variety = column(habits.n_items[at] / habits.n_baskets[at], np.nan)
    recency = column(today - habits.last_days[at], np.nan)
    return [values.astype(np.float32) for values in (affinity, affinity * share, share, variety, recency, ratio)]


def _habits(bought: Pairs, codes: Int32, prices: Float64, n_codes: int) -> _Habits:
    keys, of_pair = np.unique(bought.rows * n_codes + codes, return_inverse=True)

    def total(values: AnyArray) -> Float64:
        return np.bincount(of_pair, weights=values.astype(np.float64), minlength=len(keys)).astype(np.float64)

    is_priced = ~np.isnan(prices)
    weight = np.where(is_priced, bought.decayed_180.astype(np.float64), 0.0)
    last_days = np.zeros(len(keys), dtype=np.int64)
    np.maximum.at(last_days, of_pair, bought.last_days)
    return _Habits(
        keys=keys,
        decayed_60=total(bought.decayed_60),
        decayed_180=total(weight),
        spent=total(weight * np.where(is_priced, prices, 0.0)),
        n_items=total(np.ones(len(codes))),
        n_baskets=total(bought.baskets),
        last_days=last_days,
    )


def _shares(items: ItemArrays, codes: Int32, n_codes: int) -> Float64:
    """Each item's share of its value's buyers in 84 days, 0 where it has none; by item index."""
    buyers = np.nan_to_num(np.asarray(items.numbers["buyers_84"])).astype(np.float64)
    has_value = codes >= 0
    totals = np.bincount(codes[has_value], weights=buyers[has_value], minlength=n_codes)
    shares: Float64 = buyers / np.maximum(totals[np.maximum(codes, 0)], 1.0)
    return shares
