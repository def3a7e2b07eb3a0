"""How the users of a synthetic shop answer a list: a planted position-based click model, with what follows a click.

A slot is examined with a probability of its position alone, and an examined item is clicked with a probability of the
item and the user alone (the examination hypothesis; Craswell et al., "An experimental comparison of click
position-bias models", 2008). The expected clicks of any list are thus known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Float64 = npt.NDArray[np.float64]

EXAMINED_FALL: Final = 0.6
"""The share of users who look at position p falls as p to this power."""
MOST_ATTRACTIVE: Final = 0.5
ATTRACTION_POWER: Final = 0.3
OTHER_TASTE: Final = 0.35
CART_SHARE: Final = 0.3
PURCHASE_SHARE: Final = 0.5
AGAIN_SHARE: Final = 0.2
DWELL_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class ClickModel:
    """The planted probabilities.

    Attributes:
        user_group: taste group by user.
        item_group: taste group by item.
        attraction: probability by item that a user of its taste clicks it when looking at it.
    """

    user_group: Ints
    item_group: Ints
    attraction: Float64

    def click(self, users: Ints, items: Ints, positions: Ints) -> Float64:
        """The probability that a user clicks an item shown at a position, from 1."""
        liked = np.where(self.user_group[users] == self.item_group[items], 1.0, OTHER_TASTE)
        return examined(positions) * self.attraction[items] * liked


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of shown slots; parallel arrays.

    Attributes:
        is_clicked: the item's page was opened.
        is_in_cart: then put into the cart.
        n_purchases: then bought so often.
        dwell_seconds: time on the item's page, 0 without a click.
    """

    is_clicked: npt.NDArray[np.bool_]
    is_in_cart: npt.NDArray[np.bool_]
    n_purchases: Ints
    dwell_seconds: Float64


def examined(positions: Ints) -> Float64:
    """The probability that a position is looked at."""
    return np.asarray(positions, dtype=np.float64) ** -EXAMINED_FALL


def model_of(user_group: Ints, item_group: Ints, popularity: Float64) -> ClickModel:
    """The click model of a shop whose truth is known; popular items attract more, by far less than they sell."""
    attraction = MOST_ATTRACTIVE * (popularity / popularity.max(initial=1e-12)) ** ATTRACTION_POWER
    return ClickModel(user_group, item_group, attraction)


def answer(model: ClickModel, users: Ints, items: Ints, positions: Ints, random: np.random.Generator) -> Answers:
    """One visit's answers to shown slots."""
    n = len(users)
    is_clicked = random.random(n) < model.click(users, items, positions)
    is_in_cart = is_clicked & (random.random(n) < CART_SHARE)
    is_bought = is_in_cart & (random.random(n) < PURCHASE_SHARE)
    again = random.random(n) < AGAIN_SHARE
    seconds = np.round(random.exponential(DWELL_SECONDS, n), 1) + 0.1
    return Answers(is_clicked, is_in_cart, is_bought.astype(np.int64) * (1 + again), np.where(is_clicked, seconds, 0.0))
