"""The events of one day of a synthetic shop, in blocks; any day and block can be made alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
import numpy.typing as npt

from models.synthetic.plan import BOT_DAY, DAY, WEEKDAY_FACTORS
from models.synthetic.population import Population, Staples, staples_of

VIEW, CLICK, CART, PURCHASE, CANCELLATION = range(5)
_DAY_SECONDS: Final = 86_400
_LAST_START: Final = 78_000
_MAX_VIEWS: Final = 100
_NEW_DAYS: Final = 14
_NEW_BOOST: Final = 3.0
_BOT_SHARE_OF_DAYS: Final = 0.1
_BOT_PURCHASE_SHARE: Final = 0.1
_CANCELLED_SHARE: Final = 0.02
_LATE_SHARE: Final = 0.01
_LATE_DAYS: Final = 3
_ORDERS_A_DAY: Final = 10**8


@dataclass(frozen=True, slots=True)
class EventRows:
    """Events as columns, shape (n,) each.

    Attributes:
        user: user index.
        item: item index.
        kind: index into `EVENT_TYPES`.
        second: seconds since the start of the landing day; negative for late events.
        order: order number, -1 for none.
        quantity: units, 0 for none.
        is_late: happened before the landing day.
    """

    user: npt.NDArray[np.int32]
    item: npt.NDArray[np.int32]
    kind: npt.NDArray[np.int32]
    second: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    quantity: npt.NDArray[np.int64]
    is_late: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.user)

    def take(self, rows: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> EventRows:
        """The rows at the given places."""
        return EventRows(*(getattr(self, column.name)[rows] for column in fields(self)))


class Shelf:
    """What is there to choose from on a day: items by weight, overall and within a taste group."""

    def __init__(self, population: Population, day: int) -> None:
        age = day - population.arrival_day
        boost = np.where((population.arrival_day > 0) & (age < _NEW_DAYS), _NEW_BOOST, 1.0)
        self._order = np.argsort(population.item_group, kind="stable").astype(np.int32)
        self._sums = np.cumsum((population.popularity * boost * (age >= 0))[self._order])
        ends = np.searchsorted(population.item_group[self._order], np.arange(population.plan.groups), side="right")
        self._high = np.where(ends > 0, self._sums[np.maximum(ends, 1) - 1], 0.0)
        self._low = np.concatenate([[0.0], self._high[:-1]])

    def choose(
        self, group: npt.NDArray[np.int32], own: npt.NDArray[np.bool_], at: npt.NDArray[np.float64]
    ) -> npt.NDArray[np.int32]:
        """An item for each user: from the user's group where `own`, else from all; `at` in [0, 1) decides which."""
        own = own & (self._high[group] > self._low[group])
        low = np.where(own, self._low[group], 0.0)
        high = np.where(own, self._high[group], self._sums[-1])
        point = np.minimum(low + at * (high - low), np.nextafter(high, 0.0))
        chosen: npt.NDArray[np.int32] = self._order[np.searchsorted(self._sums, point, side="right")]
        return chosen


def day_blocks(population: Population, day: int) -> Iterator[EventRows]:
    """The clean events that land on a day, a block of users at a time, then each bot's.

    Rows are in order of user, then time. No two rows of a shop are equal in every column once `micros` dates them.
    """
    shelf = Shelf(population, day)
    for number in range(population.n_blocks):
        yield _block(population, shelf, day, number)
    for number in range(len(population.bots)):
        yield _bot(population, shelf, day, number)


def micros(rows: EventRows, day: int, day_start_us: int) -> npt.NDArray[np.int64]:
    """Microseconds since 1970 of each row.

    Below the second stand the row's place in the block and the landing day modulo four, so that neither two rows of a
    block nor an event that lands late and one that landed in time can be equal.
    """
    place = np.arange(len(rows), dtype=np.int64) * (_LATE_DAYS + 1) + day % (_LATE_DAYS + 1)
    return day_start_us + rows.second * 1_000_000 + place % 1_000_000


def _block(population: Population, shelf: Shelf, day: int, number: int) -> EventRows:
    plan, random = population.plan, population.plan.random(DAY, day, number)
    users = population.block(number)
    chance = population.visit_rate[users] * WEEKDAY_FACTORS[plan.date(day).weekday()]
    visiting = users[(random.random(len(users)) < chance) & (population.join_day[users] <= day)]
    n_views = np.minimum(1 + random.poisson(max(plan.views_per_visit - 1, 0), len(visiting)), _MAX_VIEWS)
    user = np.repeat(visiting, n_views)
    nth = np.arange(len(user)) - np.repeat(np.cumsum(n_views) - n_views, n_views)
    start = np.repeat(random.integers(0, _LAST_START, len(visiting)), n_views) + 60 * nth
    item = shelf.choose(population.user_group[user], random.random(len(user)) < plan.affinity, random.random(len(user)))
    depth = random.random(len(user))
    # Of a hundred views 50 become clicks, 20 carts, 10 purchases.
    kinds = [(VIEW, 1.0, 0), (CLICK, 0.5, 5), (CART, 0.2, 20), (PURCHASE, 0.1, 40)]
    parts = [
        (user[depth < share], item[depth < share], kind, (start + wait)[depth < share]) for kind, share, wait in kinds
    ]
    due = _due(population, staples_of(population, number), day)
    parts.append((due.user, due.item, PURCHASE, random.integers(0, _LAST_START, len(due.user))))
    rows = _rows(parts, day)
    bought = (rows.kind == PURCHASE).nonzero()[0]
    quantity = rows.quantity.copy()
    quantity[bought] = 1 + random.poisson(0.3, len(bought))
    cancelled = bought[random.random(len(bought)) < _CANCELLED_SHARE]
    late = (random.random(len(rows)) < _LATE_SHARE) & (rows.kind <= CLICK)
    second = rows.second - np.where(late, random.integers(1, _LATE_DAYS + 1, len(rows)) * _DAY_SECONDS, 0)
    every = np.concatenate([np.arange(len(rows)), cancelled])
    rows = EventRows(rows.user, rows.item, rows.kind, second, rows.order, quantity, late).take(every)
    rows.kind[len(late) :] = CANCELLATION
    rows.second[len(late) :] += 300
    return rows.take(np.lexsort((rows.second, rows.user)))


def _due(population: Population, staples: Staples, day: int) -> Staples:
    due = ((day - staples.phase_day) % staples.period_days == 0) & (population.join_day[staples.user] <= day)
    return Staples(staples.user[due], staples.item[due], staples.period_days[due], staples.phase_day[due])


def _rows(
    parts: list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], int, npt.NDArray[np.int64]]], day: int
) -> EventRows:
    user = np.concatenate([part[0] for part in parts])
    kind = np.concatenate([np.full(len(part[0]), part[2], np.int32) for part in parts])
    is_order = kind == PURCHASE
    return EventRows(
        user=user,
        item=np.concatenate([part[1] for part in parts]),
        kind=kind,
        second=np.concatenate([part[3] for part in parts]).astype(np.int64),
        order=np.where(is_order, day * _ORDERS_A_DAY + user.astype(np.int64), -1),
        quantity=is_order.astype(np.int64),
        is_late=np.zeros(len(user), np.bool_),
    )


def _bot(population: Population, shelf: Shelf, day: int, number: int) -> EventRows:
    random = population.plan.random(BOT_DAY, day, number)
    n = population.plan.bot_events if random.random() < _BOT_SHARE_OF_DAYS else 0
    user = np.full(n, population.bots[number], np.int32)
    item = shelf.choose(population.user_group[user], np.zeros(n, np.bool_), random.random(n))
    buys = random.random(n) < _BOT_PURCHASE_SHARE
    second = np.sort(random.integers(0, _DAY_SECONDS, n))
    rows = _rows([(user[m], item[m], kind, second[m]) for kind, m in ((VIEW, ~buys), (PURCHASE, buys))], day)
    return rows.take(np.argsort(rows.second, kind="stable"))
