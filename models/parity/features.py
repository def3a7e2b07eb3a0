"""The ranker's features of one user's candidates, by name: the second path beside `models.ranking_features`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from contracts.errors import VocabularyMismatch
from models.parity import categories
from models.parity.inputs import Person, Shop
from models.ragged import AnyArray, Float32

Columns = dict[str, AnyArray]
_ABSENT: Final = float("nan")


def matrix(person: Person, shop: Shop, names: Sequence[str]) -> Float32:
    """Features in the order of `names`, as the booster asks for them; float32, shape (candidates, names).

    Raises:
        VocabularyMismatch: the booster asks for a feature that is not known here.
    """
    columns = by_name(person, shop)
    if unknown := [name for name in names if name not in columns]:
        raise VocabularyMismatch(
            f"The booster asks for features that the second path does not know: {', '.join(unknown)}.",
            where="models/parity/features.py",
            todo="Add them there, or train the ranker again if it was trained for other features.",
        )
    out = np.empty((len(person.items), len(names)), dtype=np.float32)
    for position, name in enumerate(names):
        out[:, position] = columns[name]
    return out


def by_name(person: Person, shop: Shop) -> Columns:
    """Every feature of the user's candidates, each of shape (candidates,) or one number for all of them."""
    item = {name: values[person.items] for name, values in shop.numbers.items()}
    columns: Columns = {f"user_{name}": np.asarray(value) for name, value in person.numbers.items()}
    columns |= {f"item_{name}": values for name, values in item.items()}
    columns |= _trends(item)
    columns |= _pair(person, shop, item)
    columns |= _against_user(person, item)
    for name in shop.texts:
        columns |= categories.columns(person, shop, name)
    for position, source in enumerate(shop.sources):
        columns[f"score_{source}"] = person.scores[:, position]
        ranks = person.ranks[:, position].astype(np.float32)
        columns[f"rank_{source}"] = np.where(ranks > 0, ranks, _ABSENT)
    for position, scorer in enumerate(shop.scorers, start=len(shop.sources)):
        columns[f"score_{scorer}"] = person.scores[:, position]
    proposed = person.ranks > 0
    columns["n_sources"] = proposed.sum(axis=1)
    columns["best_rank"] = np.where(proposed, person.ranks, 32767).min(axis=1)
    return columns


def _trends(item: Columns) -> Columns:
    wide = {name: values.astype(np.float64) for name, values in item.items()}
    return {
        "trend_week": (4 * wide["buyers_7"] + 3) / (wide["buyers_28"] + 3),
        "trend_month": (3 * wide["buyers_28"] + 3) / (wide["buyers_84"] + 3),
        "trend_year": (wide["buyers_last_year"] + 3) / (wide["buyers_28"] + 3),
        "first_buyer_share": (wide["first_buyers_28"] + 1) / (wide["buyers_28"] + 2),
    }


_OF_HISTORY: Final = {
    "pair_decayed_14": "decayed_14",
    "pair_decayed_30": "decayed_30",
    "pair_decayed_60": "decayed_60",
    "pair_decayed_180": "decayed_180",
    "pair_decayed_baskets": "decayed_baskets",
    "pair_weight": "weights",
}


def _pair(person: Person, shop: Shop, item: Columns) -> Columns:
    """What the user did with each candidate; of those never bought 0 where it is a count or sum, else NaN."""
    at = [person.bought.get(candidate, -1) for candidate in person.items.tolist()]
    values = {name: column.tolist() for name, column in person.pairs.items()}
    n_baskets = float(person.numbers["n_baskets"])

    def column(absent: float, of: Callable[[int], float]) -> Float32:
        return np.array([of(p) if p >= 0 else absent for p in at], dtype=np.float64).astype(np.float32)

    def gap(first: str, last: str) -> Callable[[int], float]:
        return lambda p: (
            (values[last][p] - values[first][p]) / (values["baskets"][p] - 1) if values["baskets"][p] > 1 else _ABSENT
        )

    recency = column(_ABSENT, lambda p: shop.today - values["last_days"][p])
    since = column(_ABSENT, lambda p: n_baskets - values["last_baskets"][p])
    gap_baskets = column(_ABSENT, gap("first_baskets", "last_baskets"))
    gap_days = column(_ABSENT, gap("first_days", "last_days"))
    made: Columns = {name: column(0.0, values[of].__getitem__) for name, of in _OF_HISTORY.items()}
    made |= {
        "pair_baskets": column(0.0, values["baskets"].__getitem__),
        "pair_recency_days": recency,
        "pair_age_days": column(_ABSENT, lambda p: shop.today - values["first_days"][p]),
        "pair_recency_baskets": since,
        "pair_basket_rate": _over(
            column(0.0, values["baskets"].__getitem__),
            column(1.0, lambda p: n_baskets - values["first_baskets"][p] + 1),
            least=-np.inf,
        ),
        "pair_gap_baskets": gap_baskets,
        "pair_overdue_baskets": _over(since, gap_baskets, least=0.0),
        "pair_gap_days": gap_days,
        "pair_overdue_days": _over(recency, gap_days, least=1.0),
        "pair_item_overdue_days": _over(recency, item["repeat_gap_days"], least=1.0),
        "pair_quantity": column(_ABSENT, lambda p: values["quantities"][p] / max(values["baskets"][p], 1)),
    }
    return made


def _against_user(person: Person, item: Columns) -> Columns:
    """The item's price and units and the day, each beside what is usual for the user."""
    least, numbers = np.float32(1e-3), person.numbers
    return {
        "price_ratio": np.log(np.maximum(item["price"], least) / np.maximum(numbers["mean_price"], least)),
        "quantity_ratio": np.log(
            np.maximum(item["line_quantity"], least) / np.maximum(numbers["line_quantity"], least)
        ),
        "user_overdue": _over(np.asarray(numbers["recency_days"]), np.asarray(numbers["basket_gap_days"]), least=1.0),
    }


def _over(values: AnyArray, gaps: AnyArray, *, least: float) -> AnyArray:
    """Values over gaps of at least so much."""
    with np.errstate(divide="ignore", invalid="ignore"):
        made: AnyArray = values.astype(np.float64) / np.maximum(gaps.astype(np.float64), least)
    return made
