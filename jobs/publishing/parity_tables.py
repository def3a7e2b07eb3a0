"""What the parity check reads: a shop's items and some users' rows, by delta-rs, in blocks."""

from __future__ import annotations

import datetime as dt
import heapq
from collections.abc import Collection, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.settings import Settings
from contracts.tables import Table
from export.reading.channels import place
from jobs import lake
from jobs.parquet_rows import batches_of
from models.parity.inputs import Person, Shop

BLOCK_ROWS: Final = 1024
NUMBERS: Final = (
    "buyers", "buyers_7", "buyers_14", "buyers_28", "buyers_84", "first_buyers_7", "first_buyers_28",
    "buyers_last_year", "repeat_rate", "repeat_gap_days", "age_days", "price", "price_change", "line_quantity",
)  # fmt: skip
TEXTS: Final = ("category", "department", "brand")
USER_NUMBERS: Final = (
    "n_items", "recency_days", "tenure_days", "basket_gap_days", "basket_size", "exploration_rate", "mean_price",
    "recent_activity", "line_quantity",
)  # fmt: skip
PAIRS: Final = (
    "item_idx", "baskets", "first_days", "last_days", "first_baskets", "last_baskets", "quantities", "decayed_14",
    "decayed_30", "decayed_60", "decayed_180", "decayed_baskets", "weights",
)  # fmt: skip
Rows = dict[int, dict[str, Any]]


def shop_of(settings: Settings, layout: Layout, as_of: dt.date) -> Shop:
    """The items of a date: ids of the vocabulary, features of `item_features`, texts of the newest catalogue.

    Raises:
        InputMissing: one of these tables has no rows of that date.
    """
    features = _table(layout, tables.ITEM_FEATURES, as_of, ("item_idx", *NUMBERS, "is_recommendable"))
    catalogue = _table(layout, tables.ITEMS, _catalogue_day(layout, as_of), ("item_idx", *TEXTS))
    vocabulary = _table(layout, tables.ITEM_VOCABULARY, None, ("item_idx", "item_id"))
    n_items = features.num_rows
    return Shop(
        item_ids=_by_index(vocabulary, "item_id", n_items),
        numbers={name: features[name].cast(pa.float32()).to_numpy() for name in NUMBERS},
        texts={name: _by_index(catalogue, name, n_items) for name in TEXTS},
        is_recommendable=features["is_recommendable"].to_numpy(),
        sources=settings.candidates.sources,
        scorers=settings.candidates.scorers,
        reasons=settings.reasons,
        min_item_buyers=settings.candidates.min_item_buyers,
        arrival_days=settings.candidates.arrival_days,
        today=day_number(as_of),
    )


def drawn(layout: Layout, as_of: dt.date, *, n: int, seed: int) -> dict[int, str]:
    """The ids of `n` users of the vocabulary as of a date by their index, drawn by a hash of seed, date and id."""
    salt = f"parity {seed} {as_of.isoformat()}"
    chosen = heapq.nsmallest(n, _places(layout, as_of, salt))
    return {user_idx: user_id for _, user_id, user_idx in chosen}


def _places(layout: Layout, as_of: dt.date, salt: str) -> Iterator[tuple[float, str, int]]:
    columns = ("user_idx", "user_id", "first_day")
    for batch in _batches(layout, tables.USER_VOCABULARY, None, columns):
        for user_idx, user_id, first in zip(*(batch.column(name).to_pylist() for name in columns), strict=True):
            if first <= as_of:
                yield place(user_id, salt), user_id, user_idx


def people(layout: Layout, as_of: dt.date, users: dict[int, str], shop: Shop) -> Iterator[Person]:
    """The users who have a history and candidates, by ascending index. Memory holds the rows of `users` alone."""
    histories = _of_users(layout, tables.HISTORIES, as_of, ("n_baskets", *PAIRS), users)
    features = _of_users(layout, tables.USER_FEATURES, as_of, (*USER_NUMBERS, "segment"), users)
    columns, n_sources = ("item_idx", "source_scores", "source_ranks"), len(shop.sources)
    candidates = _of_users(layout, tables.CANDIDATES, as_of, columns, users)
    for user_idx in sorted(candidates.keys() & histories.keys()):
        proposed, history = candidates[user_idx], histories[user_idx]
        known = np.asarray(history["item_idx"]) < shop.n_items
        pairs = {name: np.asarray(history[name])[known] for name in PAIRS}
        known_of = features.get(user_idx, {})
        row = {"n_baskets": history["n_baskets"], **{name: known_of.get(name) for name in USER_NUMBERS}}
        yield Person(
            user_id=users[user_idx],
            user_idx=user_idx,
            numbers={name: np.float32("nan" if value is None else value) for name, value in row.items()},
            pairs=pairs,
            items=np.asarray(proposed["item_idx"]),
            scores=np.frombuffer(proposed["source_scores"], dtype="<f4").reshape(-1, n_sources + len(shop.scorers)),
            ranks=np.frombuffer(proposed["source_ranks"], dtype="<i2").reshape(-1, n_sources),
            segment=known_of.get("segment", "all"),
        )


def segments(layout: Layout, as_of: dt.date, users: Collection[int]) -> dict[int, str]:
    """The segment of each user that the newest catalogue knows."""
    found = _of_users(layout, tables.USERS, _catalogue_day(layout, as_of), ("segment",), users)
    return {user_idx: row["segment"] for user_idx, row in found.items()}


def usual(layout: Layout, as_of: dt.date, users: Collection[int]) -> dict[tuple[int, str], list[int]]:
    """The items of each user's lists before exploration, by user and placement."""
    wanted = pa.array(sorted(users), pa.int32())
    found = {}
    for batch in _batches(layout, tables.TOP_N_LISTS, as_of, ("user_idx", "placement", "usual_idx")):
        mine = batch.filter(pc.is_in(batch.column("user_idx"), value_set=wanted))
        for user_idx, placement, items in zip(*(column.to_pylist() for column in mine.columns), strict=True):
            found[user_idx, placement] = items
    return found


def fallbacks(layout: Layout, as_of: dt.date) -> dict[tuple[str, str], list[int]]:
    """The items of each fallback list by placement and segment."""
    rows = _rows(layout, tables.FALLBACK_LISTS, as_of)
    return {(row["placement"], row["segment"]): row["item_idx"] for row in rows}


def _catalogue_day(layout: Layout, as_of: dt.date) -> dt.date:
    days = lake.dates(layout, tables.ITEMS)
    return max((day for day in days if day <= as_of), default=min(days, default=as_of))


def _of_users(layout: Layout, table: Table, as_of: dt.date, columns: Sequence[str], users: Collection[int]) -> Rows:
    """The users' rows by index, each list a numpy array."""
    wanted = pa.array(sorted(users), pa.int32())
    found: Rows = {}
    for batch in _batches(layout, table, as_of, ("user_idx", *columns)):
        mine = batch.filter(pc.is_in(batch.column("user_idx"), value_set=wanted))
        for at, user_idx in enumerate(mine.column("user_idx").to_pylist()):
            found[user_idx] = {name: _value(mine.column(name)[at]) for name in columns}
    return found


def _value(scalar: pa.Scalar) -> Any:
    return scalar.values.to_numpy(zero_copy_only=False) if isinstance(scalar, pa.ListScalar) else scalar.as_py()


def _table(layout: Layout, table: Table, as_of: dt.date | None, columns: Sequence[str]) -> pa.Table:
    """All rows, in the order of the first column."""
    return pa.Table.from_batches(list(_batches(layout, table, as_of, columns))).sort_by(columns[0])


def _by_index(rows: pa.Table, column: str, n_items: int) -> list[str | None]:
    """A text by item index, None where there is none."""
    made: list[str | None] = [None] * n_items
    for item, text in zip(rows["item_idx"].to_pylist(), rows[column].to_pylist(), strict=True):
        if item < n_items:
            made[item] = text
    return made


def _rows(
    layout: Layout, table: Table, as_of: dt.date | None, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    names = columns or [name for name in table.column_names if name != "as_of"]
    for batch in _batches(layout, table, as_of, names):
        yield from batch.to_pylist()


def _batches(layout: Layout, table: Table, as_of: dt.date | None, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    files = lake.files(layout, table, first=as_of, last=as_of)
    if not files:
        raise lake.missing(layout, table, as_of)
    for file in files:
        yield from batches_of(file.path, n_rows=BLOCK_ROWS, columns=columns)
