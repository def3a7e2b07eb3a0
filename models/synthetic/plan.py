"""What a synthetic shop should be like."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Final

import numpy as np

EVENT_TYPES: Final = ("view", "click", "cart", "purchase", "cancellation")
WEEKDAY_FACTORS: Final = (0.9, 0.8, 0.9, 1.0, 1.2, 1.4, 0.8)
PERIODS_DAYS: Final = (7, 14, 21, 28)
BLOCK_USERS: Final = 32_768

POPULATION, STAPLES, DAY, BOT_DAY, DIRT = range(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopPlan:
    """Sizes and habits of a synthetic shop. Equal plans give equal shops.

    Attributes:
        users: users in the catalogue; some never do anything.
        items: items that ever exist; a fifth arrives after the first day.
        days: landing days.
        seed: of everything random.
        first_day: the first landing day.
        groups: taste groups of users, each with its group of items.
        affinity: share of a user's choices that fall into the own group.
        visits_per_day: mean visits of a user a day, before the weekday's factor.
        views_per_visit: mean items looked at in a visit.
        bots: users that click through the catalogue by the thousand.
        bot_events: events of a bot on a day it is at work, one day in ten.
        dirty_share: rows of each kind of dirt, and duplicates, relative to the day's first block.
        has_repeats: users have items that they buy again at a planted period.
        has_prices: events and items have prices.
        has_categories: items have categories and departments.
    """

    users: int
    items: int
    days: int
    seed: int
    first_day: dt.date = dt.date(2024, 1, 1)
    groups: int = 8
    affinity: float = 0.8
    visits_per_day: float = 0.3
    views_per_visit: float = 3.0
    bots: int = 2
    bot_events: int = 2_000
    dirty_share: float = 0.002
    has_repeats: bool = True
    has_prices: bool = True
    has_categories: bool = True

    def date(self, day: int) -> dt.date:
        """The date of a day counted from the first."""
        return self.first_day + dt.timedelta(days=day)

    def random(self, stream: int, *where: int) -> np.random.Generator:
        """The random numbers of one stream at one place, independent of every other stream and place."""
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=(stream, *where))))
