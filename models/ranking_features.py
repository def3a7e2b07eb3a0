"""The ranker's features: what is known of a user, an item and the pair on the day the candidates were made."""

from __future__ import annotations

from typing import Final

import numpy as np

from models import category_features
from models.candidates import CandidateBlock
from models.item_arrays import NUMBERS, ItemArrays
from models.ragged import AnyArray, Float32, Int64
from models.user_block import USER_NUMBERS, UserBlock

_ROWS_AT_ONCE: Final = 2048  # rows of the matrix that stay in a core's cache while their columns are written
_ITEM_TRENDS: Final = ("trend_week", "trend_month", "trend_year", "first_buyer_share")
_PAIR: Final = (
    "pair_baskets", "pair_decayed_14", "pair_decayed_30", "pair_decayed_60", "pair_decayed_180", "pair_decayed_baskets",
    "pair_weight", "pair_recency_days", "pair_age_days", "pair_recency_baskets", "pair_basket_rate", "pair_gap_baskets",
    "pair_overdue_baskets", "pair_gap_days", "pair_overdue_days", "pair_item_overdue_days", "pair_quantity",
    "price_ratio", "quantity_ratio", "user_overdue",
)  # fmt: skip


def names(sources: tuple[str, ...], scorers: tuple[str, ...]) -> tuple[str, ...]:
    """Feature names in the order of the matrix's columns."""
    return (
        *(f"user_{name}" for name in USER_NUMBERS),
        *(f"item_{name}" for name in NUMBERS),
        *_ITEM_TRENDS,
        *_PAIR,
        *category_features.names(),
        *(f"score_{name}" for name in (*sources, *scorers)),
        *(f"rank_{name}" for name in sources),
        "n_sources",
        "best_rank",
    )


def matrix(block: UserBlock, candidates: CandidateBlock, items: ItemArrays, *, today: int) -> Float32:
    """The feature matrix, float32, shape (n_candidates, n_features), NaN where unknown.

    Args:
        block: the users, known through `today`.
        candidates: of the same block, ordered by (row, item).
        items: item features of the same date.
        today: days since 1970-01-01.
    """
    rows, item_idx = candidates.rows, candidates.items
    columns: list[AnyArray] = [block.numbers[name][rows] for name in USER_NUMBERS]
    item = {name: np.asarray(items.numbers[name])[item_idx] for name in NUMBERS}
    columns += item.values()
    columns += _trends(item)
    columns += _pair(block, rows, block.bought_position(rows, item_idx), item, today)
    columns += category_features.columns(block, candidates, items, today=today)
    ranks = candidates.ranks.astype(np.float32)
    ranks[candidates.ranks == 0] = np.nan
    ranked_at = len(columns) + candidates.scores.shape[1]
    out = np.empty((len(rows), ranked_at + ranks.shape[1] + 2), dtype=np.float32)
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        for position, column in enumerate(columns):
            out[part, position] = column[part]
    out[:, len(columns) : ranked_at] = candidates.scores
    out[:, ranked_at:-2] = ranks
    out[:, -2] = (candidates.ranks > 0).sum(axis=1)
    out[:, -1] = np.where(candidates.ranks == 0, np.iinfo(np.int16).max, candidates.ranks).min(axis=1, initial=32767)
    return out


def _trends(item: dict[str, Float32]) -> list[AnyArray]:
    week = (item["buyers_7"] * 4 + 3) / (item["buyers_28"] + 3)
    month = (item["buyers_28"] * 3 + 3) / (item["buyers_84"] + 3)
    year = (item["buyers_last_year"] + 3) / (item["buyers_28"] + 3)
    first_share = (item["first_buyers_28"] + 1) / (item["buyers_28"] + 2)
    return [week, month, year, first_share]


def _pair(block: UserBlock, rows: Int64, position: Int64, item: dict[str, Float32], today: int) -> list[AnyArray]:
    bought = block.bought
    own = position >= 0
    at = position[own]

    def spread(values: AnyArray, absent: float) -> Float32:
        column = np.full(len(rows), absent, dtype=np.float32)
        column[own] = values
        return column

    n_baskets = block.numbers["n_baskets"][rows[own]]
    count = bought.baskets[at].astype(np.float32)
    recency = (today - bought.last_days[at]).astype(np.float32)
    since = n_baskets - bought.last_baskets[at]
    gap_baskets = _mean_gap(bought.last_baskets[at] - bought.first_baskets[at], count)
    gap_days = _mean_gap(bought.last_days[at] - bought.first_days[at], count)
    quantity = bought.quantities[at] / np.maximum(count, 1)
    user_gap = block.numbers["basket_gap_days"][rows]
    return [
        spread(count, 0),
        *(spread(getattr(bought, name)[at], 0) for name in ("decayed_14", "decayed_30", "decayed_60", "decayed_180")),
        spread(bought.decayed_baskets[at], 0),
        spread(bought.weights[at], 0),
        spread(recency, np.nan),
        spread((today - bought.first_days[at]).astype(np.float32), np.nan),
        spread(since, np.nan),
        spread(count / (n_baskets - bought.first_baskets[at] + 1), 0),
        spread(gap_baskets, np.nan),
        spread(since / gap_baskets, np.nan),
        spread(gap_days, np.nan),
        spread(recency / np.maximum(gap_days, 1), np.nan),
        spread(recency / np.maximum(item["repeat_gap_days"][own], 1), np.nan),
        spread(quantity, np.nan),
        np.log(np.maximum(item["price"], 1e-3) / np.maximum(block.numbers["mean_price"][rows], 1e-3)),
        np.log(np.maximum(item["line_quantity"], 1e-3) / np.maximum(block.numbers["line_quantity"][rows], 1e-3)),
        block.numbers["recency_days"][rows] / np.maximum(user_gap, 1),
    ]


def _mean_gap(span: AnyArray, count: Float32) -> Float32:
    return np.where(count > 1, span / np.maximum(count - 1, 1), np.nan).astype(np.float32)
