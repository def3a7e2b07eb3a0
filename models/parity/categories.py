"""A user in a candidate's category, department or brand: the second path beside `models.category_features`."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.parity.inputs import Person, Shop
from models.ragged import AnyArray

_ABSENT: Final = float("nan")
_OF_HISTORY: Final = ("baskets", "last_days", "decayed_60", "decayed_180")
_KINDS: Final = ("affinity", "fit", "share", "variety", "recency_days", "relative_price")


@dataclass
class _Habit:
    """What the user did in one text."""

    decayed_60: float = 0.0
    decayed_180: float = 0.0
    spent: float = 0.0
    n_items: int = 0
    n_baskets: int = 0
    last_day: int = 0


def columns(person: Person, shop: Shop, name: str) -> dict[str, AnyArray]:
    """The features of one attribute's texts, by name, each of shape (candidates,); more than the ranker asks for."""
    if not any(shop.texts[name]):
        return {f"{kind}_{name}": np.full(len(person.items), _ABSENT, dtype=np.float32) for kind in _KINDS}
    habits, total = _habits(person, shop, name)
    rows = [_of_item(item, shop, name, habits, total) for item in person.items.tolist()]
    matrix = np.array(rows, dtype=np.float64).reshape(-1, len(_KINDS)).astype(np.float32)
    return {f"{kind}_{name}": matrix[:, position] for position, kind in enumerate(_KINDS)}


def _habits(person: Person, shop: Shop, name: str) -> tuple[dict[str, _Habit], float]:
    """What the user did by text, and the sum of the baskets, halved every 60 days, in all of them."""
    made: dict[str, _Habit] = {}
    total, pairs = 0.0, {key: person.pairs[key].tolist() for key in _OF_HISTORY}
    for item, at in person.bought.items():
        text = shop.texts[name][item]
        if text is None:
            continue
        habit = made.setdefault(text, _Habit())
        total += pairs["decayed_60"][at]
        habit.decayed_60 += pairs["decayed_60"][at]
        habit.n_items += 1
        habit.n_baskets += pairs["baskets"][at]
        habit.last_day = max(habit.last_day, pairs["last_days"][at])
        price = float(shop.numbers["price"][item])
        if not math.isnan(price):
            habit.decayed_180 += pairs["decayed_180"][at]
            habit.spent += pairs["decayed_180"][at] * price
    return made, total


def _of_item(item: int, shop: Shop, name: str, habits: dict[str, _Habit], total: float) -> list[float]:
    text = shop.texts[name][item]
    if text is None:
        return [_ABSENT] * len(_KINDS)
    share = float(shop.numbers["buyers_84"][item]) / max(shop.buyers_of[name][text], 1.0)
    habit = habits.get(text)
    if habit is None:
        return [0.0, 0.0, share, _ABSENT, _ABSENT, _ABSENT]
    affinity = habit.decayed_60 / max(total, 1e-9)
    mean_price = habit.spent / habit.decayed_180 if habit.decayed_180 else _ABSENT
    ratio = _ABSENT if math.isnan(mean_price) else float(shop.numbers["price"][item]) / max(mean_price, 1e-3)
    days = float(shop.today - habit.last_day)
    return [affinity, affinity * share, share, habit.n_items / habit.n_baskets, days, ratio]
