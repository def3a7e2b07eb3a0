"""The users and items of a synthetic shop, and what is planted in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.synthetic.plan import BLOCK_USERS, PERIODS_DAYS, POPULATION, STAPLES, ShopPlan

_Ints = npt.NDArray[np.int32]
_Floats = npt.NDArray[np.float64]
_SILENT_SHARE: Final = 0.05
_JOINING_SHARE: Final = 0.2
_ARRIVING_SHARE: Final = 0.2
_PERIODIC_SHARE: Final = 0.4
_SLOT_SHARE: Final = 0.6
_SLOTS: Final = 3
_ZIPF: Final = 0.8
_ARRIVAL_STEP_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Population:
    """Arrays by user and by item index; nothing is by pair.

    Attributes:
        plan: what it was made from.
        user_group: taste group.
        visit_rate: chance of a visit on a plain day; 0 for silent users and bots.
        join_day: first day with any event.
        bots: user indices, ascending.
        item_group: taste group.
        popularity: relative weight, skewed.
        arrival_day: first day the item exists, 0 for those there from the start.
        period_days: days between two purchases of a user who keeps buying it, 0 for none.
        price: of one unit, two decimals.
    """

    plan: ShopPlan
    user_group: _Ints
    visit_rate: _Floats
    join_day: _Ints
    bots: _Ints
    item_group: _Ints
    popularity: _Floats
    arrival_day: _Ints
    period_days: _Ints
    price: _Floats

    @property
    def n_blocks(self) -> int:
        """Blocks of `BLOCK_USERS` users."""
        return -(-self.plan.users // BLOCK_USERS)

    def block(self, number: int) -> _Ints:
        """The user indices of a block."""
        return np.arange(number * BLOCK_USERS, min((number + 1) * BLOCK_USERS, self.plan.users), dtype=np.int32)


@dataclass(frozen=True, slots=True)
class Staples:
    """Items that users buy again and again: on every day where `(day - phase) % period == 0`, from `join_day` on.

    Attributes:
        user: user indices, ascending; shape (n,).
        item: item indices.
        period_days: the item's period.
        phase_day: less than the period.
    """

    user: _Ints
    item: _Ints
    period_days: _Ints
    phase_day: _Ints


def plant(plan: ShopPlan) -> Population:
    """The population of a plan. Memory is a few dozen bytes a user and an item."""
    random = plan.random(POPULATION)
    rate = np.minimum(random.exponential(plan.visits_per_day, plan.users), 1.0)
    joins_late = random.random(plan.users) < _JOINING_SHARE
    join_day = np.where(joins_late, random.integers(0, plan.days, plan.users), 0)
    rate[random.random(plan.users) < _SILENT_SHARE] = 0.0
    bots = np.sort(random.choice(plan.users, min(plan.bots, plan.users), replace=False))
    rate[bots] = 0.0
    rank = random.permutation(plan.items)
    last_step = max((plan.days - 1) // _ARRIVAL_STEP_DAYS, 0)
    arrives = (random.random(plan.items) < _ARRIVING_SHARE) & (last_step > 0)
    arrival = np.where(arrives, random.integers(1, max(last_step, 1) + 1, plan.items) * _ARRIVAL_STEP_DAYS, 0)
    period = random.choice(PERIODS_DAYS, plan.items)
    period[(random.random(plan.items) >= _PERIODIC_SHARE) | (arrival > 0)] = 0
    return Population(
        plan=plan,
        user_group=random.integers(0, plan.groups, plan.users).astype(np.int32),
        visit_rate=rate,
        join_day=join_day.astype(np.int32),
        bots=bots.astype(np.int32),
        item_group=(random.permutation(plan.items) % plan.groups).astype(np.int32),
        popularity=((1.0 + rank) ** -_ZIPF).astype(np.float64),
        arrival_day=arrival.astype(np.int32),
        period_days=period.astype(np.int32) if plan.has_repeats else np.zeros(plan.items, np.int32),
        price=np.round(np.exp(random.normal(2.0, 0.8, plan.items)) + 0.1, 2),
    )


def staples_of(population: Population, number: int) -> Staples:
    """The staples of a block of users: up to three each, from the user's group, none of an item without period."""
    users = population.block(number)
    users = users[population.visit_rate[users] > 0]
    random = population.plan.random(STAPLES, number)
    shape = (len(users), _SLOTS)
    taken, at, phase = random.random(shape) < _SLOT_SHARE, random.random(shape), random.random(shape)
    periodic = np.flatnonzero(population.period_days > 0)
    periodic = periodic[np.argsort(population.item_group[periodic], kind="stable")]
    n_of_group = np.bincount(population.item_group[periodic], minlength=population.plan.groups)
    group = population.user_group[users][:, None]
    taken &= n_of_group[group] > 0
    place = (np.cumsum(n_of_group) - n_of_group)[group] + (at * n_of_group[group]).astype(np.int64)
    item = np.append(periodic, 0).astype(np.int32)[np.where(taken, place, -1)]
    for slot in range(1, _SLOTS):
        taken[:, slot] &= (~taken[:, :slot] | (item[:, :slot] != item[:, slot : slot + 1])).all(axis=1)
    row, slot_of = np.nonzero(taken)
    chosen = item[row, slot_of]
    period = population.period_days[chosen]
    return Staples(users[row], chosen, period, (phase[row, slot_of] * period).astype(np.int32))
