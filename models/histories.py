"""The compacted base: every user's pairs folded forward by days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
import pyarrow as pa

from models.ragged import AnyArray, Float32, Int32, Int64, lists, offsets_of, rows_of, to_lists

HALF_LIVES_DAYS: Final = {"decayed_14": 14.0, "decayed_30": 30.0, "decayed_60": 60.0, "decayed_180": 180.0}
WEIGHT_HALF_LIFE_DAYS: Final = 60.0
BASKET_DECAY: Final = 0.8
NEVER: Final = -1


@dataclass(frozen=True, slots=True)
class Pairs:
    """Pairs of a block of users, ordered by (row, item). All arrays have one entry a pair.

    Field names after `rows` are the columns of the table `histories`; `rows` is the user's row in the block.
    """

    rows: Int64
    item_idx: Int32
    baskets: Int32
    first_days: Int32
    last_days: Int32
    first_baskets: Int32
    last_baskets: Int32
    quantities: Float32
    amounts: Float32
    decayed_14: Float32
    decayed_30: Float32
    decayed_60: Float32
    decayed_180: Float32
    decayed_baskets: Float32
    weights: Float32

    @property
    def is_bought(self) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """True for pairs with a purchase that was not cancelled as a whole."""
        return (self.baskets > 0) & (self.quantities > 0)

    def take(self, keep: np.ndarray) -> Pairs:
        """The pairs selected by a mask or by positions."""
        return Pairs(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


@dataclass(frozen=True, slots=True)
class Users:
    """Per-user state of a block, one entry a row."""

    n_baskets: Int32
    first_day: Int32
    last_day: Int32


@dataclass(frozen=True, slots=True)
class DayRows:
    """Interactions of a block of users in any order; `days` are days since 1970-01-01."""

    rows: Int64
    days: Int32
    item_idx: Int32
    is_purchase: np.ndarray
    weights: np.ndarray
    quantities: np.ndarray
    amounts: np.ndarray

    def take(self, keep: np.ndarray) -> DayRows:
        """The rows selected by a mask or by positions."""
        return DayRows(**{f.name: getattr(self, f.name)[keep] for f in fields(self)})


def empty_pairs() -> Pairs:
    """No pairs."""
    return Pairs(**{f.name: np.zeros(0, dtype=_dtype(f.name)) for f in fields(Pairs)})


def fold(users: Users, pairs: Pairs, news: DayRows, *, base_day: int, as_of_day: int) -> tuple[Users, Pairs]:
    """The state as of `as_of_day`: the base as of `base_day` with the interactions of the days between.

    Folding days one by one or all at once gives the same state up to float32 rounding. Decayed sums decay lazily: a
    pair without news is multiplied once.

    Args:
        users: base state, one entry a row of the block; zeros and -1 for users without one.
        pairs: base pairs.
        news: interactions with base_day < day <= as_of_day.
    """
    ordinals, grown = _number_baskets(users, news)
    merged = _merge(_aged(pairs, users, grown, as_of_day - base_day), _from_news(news, ordinals, grown, as_of_day))
    return grown, merged


def by_then(rows: DayRows, as_of_day: int) -> tuple[Int64, Users, Pairs]:
    """The state as of `as_of_day` of users of whom nothing was known: that of their rows by then, and of no later one.

    Args:
        rows: interactions in any order; those after `as_of_day` are ignored.
        as_of_day: days since 1970-01-01.

    Returns:
        The `rows.rows` of the users with an interaction by then, ascending, and their state, row i that of the i-th.
    """
    known = rows.take(rows.days <= as_of_day)
    present, positions = np.unique(known.rows, return_inverse=True)
    nobody = Users(*(np.full(len(present), value, dtype=np.int32) for value in (0, NEVER, NEVER)))
    own = replace(known, rows=positions.astype(np.int64))
    return present, *fold(nobody, empty_pairs(), own, base_day=0, as_of_day=as_of_day)


def _number_baskets(users: Users, news: DayRows) -> tuple[Int64, Users]:
    """The ordinal of each interaction's basket, and the users with the new baskets counted."""
    n = len(users.n_baskets)
    span = np.int64(1) << 32
    keys = news.rows * span + news.days
    bought = np.unique(keys[news.is_purchase])
    rows = bought // span
    first_of_row = np.searchsorted(rows, rows, side="left")
    ordinals = users.n_baskets[rows] + (np.arange(len(bought)) - first_of_row) + 1
    position = np.minimum(np.searchsorted(bought, keys), max(len(bought) - 1, 0))
    found = (bought[position] == keys) if len(bought) else np.zeros(len(keys), dtype=bool)
    of_row = np.where(found, ordinals[position] if len(bought) else 0, 0).astype(np.int64)
    days = (bought - rows * span).astype(np.int32)
    first = users.first_day.copy()
    last = users.last_day.copy()
    offsets = offsets_of(rows, n)
    touched = np.flatnonzero(np.diff(offsets))
    first[touched] = np.where(first[touched] == NEVER, days[offsets[touched]], first[touched])
    last[touched] = days[offsets[touched + 1] - 1]
    counts = users.n_baskets + np.diff(offsets).astype(np.int32)
    return of_row, Users(n_baskets=counts.astype(np.int32), first_day=first, last_day=last)


def _aged(pairs: Pairs, before: Users, after: Users, n_days: int) -> Pairs:
    values = {f.name: getattr(pairs, f.name) for f in fields(Pairs)}
    for name, half_life in HALF_LIVES_DAYS.items():
        values[name] = values[name] * np.float32(0.5 ** (n_days / half_life))
    values["weights"] = pairs.weights * np.float32(0.5 ** (n_days / WEIGHT_HALF_LIFE_DAYS))
    new_baskets = (after.n_baskets - before.n_baskets)[pairs.rows]
    values["decayed_baskets"] = pairs.decayed_baskets * np.power(BASKET_DECAY, new_baskets, dtype=np.float64)
    return Pairs(**values)


def _from_news(news: DayRows, ordinals: Int64, users: Users, as_of_day: int) -> Pairs:
    bought = news.is_purchase
    age = (as_of_day - news.days).astype(np.float64)
    values: dict[str, AnyArray] = {
        "rows": news.rows,
        "item_idx": news.item_idx,
        "baskets": bought.astype(np.int32),
        "first_days": np.where(bought, news.days, NEVER),
        "last_days": np.where(bought, news.days, NEVER),
        "first_baskets": np.where(bought, ordinals, 0),
        "last_baskets": np.where(bought, ordinals, 0),
        "quantities": news.quantities,
        "amounts": news.amounts,
        "weights": news.weights * 0.5 ** (age / WEIGHT_HALF_LIFE_DAYS),
        "decayed_baskets": np.where(bought, BASKET_DECAY ** (users.n_baskets[news.rows] - ordinals), 0.0),
    }
    for name, half_life in HALF_LIVES_DAYS.items():
        values[name] = np.where(bought, 0.5 ** (age / half_life), 0.0)
    return Pairs(**values)


_SUMS: Final = ("baskets", "quantities", "amounts", *HALF_LIVES_DAYS, "decayed_baskets", "weights")
_LASTS: Final = ("last_days", "last_baskets")
_FIRSTS: Final = {"first_days": NEVER, "first_baskets": 0}


def _merge(base: Pairs, news: Pairs) -> Pairs:
    joined = {f.name: np.concatenate([getattr(base, f.name), getattr(news, f.name)]) for f in fields(Pairs)}
    order = np.lexsort((joined["item_idx"], joined["rows"]))
    joined = {name: values[order] for name, values in joined.items()}
    rows, items = joined["rows"], joined["item_idx"]
    if not len(rows):
        return empty_pairs()
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]) | (items[1:] != items[:-1])])
    out = {"rows": rows[starts], "item_idx": items[starts]}
    for name in _SUMS:
        out[name] = np.add.reduceat(joined[name].astype(np.float64), starts)
    for name in _LASTS:
        out[name] = np.maximum.reduceat(joined[name], starts)
    highest = np.iinfo(np.int64).max
    for name, absent in _FIRSTS.items():
        present = np.where(joined[name] == absent, highest, joined[name].astype(np.int64))
        first = np.minimum.reduceat(present, starts)
        out[name] = np.where(first == highest, absent, first)
    return Pairs(**{name: values.astype(_dtype(name)) for name, values in out.items()})


def _dtype(name: str) -> type[np.generic]:
    if name == "rows":
        return np.int64
    floats = {"quantities", "amounts", "decayed_baskets", "weights", *HALF_LIVES_DAYS}
    return np.float32 if name in floats else np.int32


_DAY_COLUMNS: Final = tuple(f.name for f in fields(DayRows) if f.name != "rows")
PAIR_COLUMNS: Final = tuple(f.name for f in fields(Pairs) if f.name != "rows")


def pairs_of(batch: pa.RecordBatch, only: Sequence[str] = PAIR_COLUMNS) -> Pairs:
    """The pairs of a batch of `histories` rows; null lists are users without a base.

    Args:
        batch: with the columns `only`, `item_idx` one of them.
        only: the fields that are read; others hold zeros.
    """
    offsets, _ = lists(batch.column("item_idx"))
    rows = rows_of(offsets)
    columns = {
        name: lists(batch.column(name))[1].astype(_dtype(name), copy=False)
        if name in only
        else np.zeros(len(rows), dtype=_dtype(name))
        for name in PAIR_COLUMNS
    }
    return Pairs(rows=rows, **columns)


def users_of(batch: pa.RecordBatch) -> Users:
    """The per-user state of a batch of `histories` rows; nulls are users without a base."""
    return Users(
        n_baskets=_filled(batch, "n_baskets", 0),
        first_day=_filled(batch, "first_day", NEVER),
        last_day=_filled(batch, "last_day", NEVER),
    )


def day_rows_of(batch: pa.RecordBatch) -> DayRows:
    """The interactions of a batch of users, from the parallel list columns `news_*`."""
    offsets, days = lists(batch.column("news_days"))
    return DayRows(
        rows=rows_of(offsets),
        days=days,
        item_idx=lists(batch.column("news_item_idx"))[1],
        is_purchase=lists(batch.column("news_is_purchase"))[1].astype(bool),
        weights=lists(batch.column("news_weights"))[1],
        quantities=lists(batch.column("news_quantities"))[1],
        amounts=lists(batch.column("news_amounts"))[1],
    )


def in_order(batch: pa.RecordBatch) -> tuple[Int32, DayRows]:
    """The users of a batch of one row an interaction, ascending, and its rows in the order of user, day and item.

    `rows` of the latter are positions in the former. Sums over a user then do not depend on how the rows came.
    """
    columns = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in ("user_idx", *_DAY_COLUMNS)}
    users, positions = np.unique(columns.pop("user_idx"), return_inverse=True)
    rows = DayRows(rows=positions.astype(np.int64), **columns)
    return users, rows.take(np.lexsort((rows.item_idx, rows.days, rows.rows)))


def to_columns(users: Users, pairs: Pairs) -> dict[str, pa.Array]:
    """The columns of `histories` beside `as_of` and `user_idx`."""
    offsets = offsets_of(pairs.rows, len(users.n_baskets))
    columns: dict[str, pa.Array] = {f.name: pa.array(getattr(users, f.name), pa.int32()) for f in fields(Users)}
    for name in PAIR_COLUMNS:
        kind = pa.float32() if _dtype(name) is np.float32 else pa.int32()
        columns[name] = to_lists(offsets, getattr(pairs, name), kind)
    return columns


def _filled(batch: pa.RecordBatch, name: str, value: int) -> Int32:
    filled: Int32 = batch.column(name).fill_null(value).to_numpy(zero_copy_only=False).astype(np.int32)
    return filled
