"""A synthetic shop's events, catalogues and truth as Arrow tables of the landing layout."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.shops.columns import EVENT_COLUMNS
from models.synthetic import names
from models.synthetic.days import EventRows, micros
from models.synthetic.plan import EVENT_TYPES
from models.synthetic.population import Population, staples_of

_EPOCH: Final = dt.date(1970, 1, 1)
_DAY_US: Final = 86_400_000_000
_SEGMENTS: Final = ("new", "regular", "loyal", "wholesale")
_AGES: Final = ("18-24", "25-44", "45-64", "65+")
_SUBCATEGORIES: Final = 4
_SOLD_OUT_EVERY: Final = 97


class Tables:
    """The tables of a population; ids are made once, everything else when asked for."""

    user_schema: Final = pa.schema({"user_id": pa.string(), "segment": pa.string(), "age": pa.string()})

    def __init__(self, population: Population) -> None:
        self.population = population
        self.plan = population.plan
        self.user_ids = names.ids("u", self.plan.users)
        self.item_ids = names.ids("i", self.plan.items)
        left_out = {"event_id"} | (set() if self.plan.has_prices else {"price"})
        self.event_schema = pa.schema([(name, kind) for name, kind in EVENT_COLUMNS.items() if name not in left_out])

    def day_start_us(self, day: int) -> int:
        """Start of a day, microseconds since 1970."""
        return (self.plan.date(day) - _EPOCH).days * _DAY_US

    def events(self, rows: EventRows, day: int) -> pa.Table:
        """Landing rows of events, in the order given."""
        columns = {
            "user_id": self.user_ids.take(pa.array(rows.user)),
            "item_id": self.item_ids.take(pa.array(rows.item)),
            "event_type": pa.array(EVENT_TYPES, pa.string()).take(pa.array(rows.kind)),
            "timestamp": pa.array(micros(rows, day, self.day_start_us(day))).cast(EVENT_COLUMNS["timestamp"]),
            "price": pa.array(self.population.price[rows.item]),
            "quantity": pa.array(rows.quantity.astype(np.float64), mask=rows.quantity == 0),
            "order_id": pa.array(rows.order, mask=rows.order < 0).cast(pa.string()),
        }
        return pa.table([columns[name] for name in self.event_schema.names], schema=self.event_schema)

    def items(self, day: int) -> pa.Table:
        """The catalogue of a day: every item that has arrived by then."""
        there = np.flatnonzero(self.population.arrival_day <= day)
        group = self.population.item_group[there]
        columns = {
            "item_id": self.item_ids.take(pa.array(there)),
            "title": pa.array([names.title(i, g) for i, g in zip(there.tolist(), group.tolist(), strict=True)]),
            "brand": pa.array([f"brand {index % 17}" for index in there.tolist()]),
            "first_seen": self._dates(self.population.arrival_day[there]),
            "is_available": pa.array(there % _SOLD_OUT_EVERY != _SOLD_OUT_EVERY - 1),
        }
        if self.plan.has_categories:
            pairs = zip(group.tolist(), (there % _SUBCATEGORIES).tolist(), strict=True)
            columns["category"] = pa.array([f"category {g}-{sub}" for g, sub in pairs])
            columns["department"] = pa.array([f"department {g}" for g in group.tolist()])
        if self.plan.has_prices:
            columns["price"] = pa.array(self.population.price[there])
        return pa.table(columns)

    def users(self) -> Iterator[pa.Table]:
        """The user catalogue in blocks; the segment goes with the taste group."""
        for number in range(self.population.n_blocks):
            users = self.population.block(number)
            segment = pa.array(_SEGMENTS, pa.string()).take(pa.array(self._segment(users)))
            age = pa.array(_AGES, pa.string()).take(pa.array(users % len(_AGES)))
            yield pa.table([self.user_ids.take(pa.array(users)), segment, age], schema=self.user_schema)

    def truth(self) -> dict[str, Iterator[pa.Table]]:
        """What was planted, by file name: `users`, `items` and `staples`, in blocks, at least one each."""
        return {"users": self._true_users(), "items": self._true_items(), "staples": self._true_staples()}

    def _true_users(self) -> Iterator[pa.Table]:
        for number in range(self.population.n_blocks):
            users = self.population.block(number)
            is_bot = np.isin(users, self.population.bots)
            yield pa.table(
                {
                    "user_id": self.user_ids.take(pa.array(users)),
                    "taste_group": self.population.user_group[users],
                    "join_date": self._dates(self.population.join_day[users]),
                    "is_bot": is_bot,
                    "is_silent": (self.population.visit_rate[users] == 0) & ~is_bot,
                }
            )

    def _true_items(self) -> Iterator[pa.Table]:
        yield pa.table(
            {
                "item_id": self.item_ids,
                "taste_group": self.population.item_group,
                "popularity": self.population.popularity,
                "arrival_date": self._dates(self.population.arrival_day),
                "period_days": self.population.period_days,
            }
        )

    def _true_staples(self) -> Iterator[pa.Table]:
        for number in range(self.population.n_blocks):
            staples = staples_of(self.population, number)
            yield pa.table(
                {
                    "user_id": self.user_ids.take(pa.array(staples.user)),
                    "item_id": self.item_ids.take(pa.array(staples.item)),
                    "period_days": staples.period_days,
                    "phase_date": self._dates(staples.phase_day),
                }
            )

    def _segment(self, users: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        return self.population.user_group[users] % len(_SEGMENTS)

    def _dates(self, days: npt.NDArray[np.int32]) -> pa.Array:
        start = np.int32((self.plan.first_day - _EPOCH).days)
        return pa.array(days + start, pa.int32()).cast(pa.date32())
