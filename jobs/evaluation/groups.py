"""The groups of users and of items that metrics are told of."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.settings import Segments
from features.catalogue import ALL_USERS
from jobs import lake
from models.ragged import AnyArray, Bool
from models.sources.registry import Catalogue

SEGMENT: Final = "segment"
ACTIVITY: Final = "users"
UNKNOWN: Final = "unknown"


def largest(codes: AnyArray, weights: AnyArray, n: int) -> list[int]:
    """The `n` codes with the greatest summed weight above zero, greatest first, ties by lower code."""
    known = codes >= 0
    sums = np.bincount(codes[known], weights=weights[known])
    order = np.lexsort((np.arange(len(sums)), -sums))
    return [int(code) for code in order[:n] if sums[code] > 0]


def named_codes(
    layout: Layout, catalogue: Catalogue, column: str, *, as_of: dt.date, n: int
) -> tuple[tuple[str, int], ...]:
    """The name and code of the `n` values of an item attribute that most users bought of late.

    Args:
        layout: of the root.
        catalogue: the artifacts of the date.
        column: category, department or brand.
        as_of: the date.
        n: how many at most.
    """
    codes = np.asarray(catalogue.items.codes[column])
    chosen = largest(codes, np.where(catalogue.allowed, catalogue.number("buyers_28"), 0), n)
    if not chosen:
        return ()
    samples = {int(np.flatnonzero(codes == code)[0]): code for code in chosen}
    rows = _catalogue_rows(layout, tables.ITEMS, as_of, "item_idx", column, sorted(samples))
    names = {samples[item]: name for item, name in rows.items()}
    return tuple((f"{column}:{names[code]}", code) for code in chosen)


def user_groups(users: pa.Table, wanted: Segments) -> dict[str, dict[str, Bool]]:
    """Masks by kind, then by group: `users` by activity, `segment`, and each of the columns; none of too few users.

    Args:
        users: `n_baskets`, `segment`, and the columns as text, null where unknown.
        wanted: limits and columns.
    """
    return {
        kind: {name: mask for name, mask in masks if mask.sum() >= wanted.min_users}
        for kind, masks in _all_groups(users, wanted)
    }


def with_columns(layout: Layout, users: pa.Table, columns: tuple[str, ...], as_of: dt.date) -> pa.Table:
    """The users with a text column for each of the shop's `columns`, as the catalogue of the date has them.

    Raises:
        InputInvalid: the users that the shop lists have no such column.
    """
    if not columns:
        return users
    wanted = users["user_idx"].to_pylist()
    of_user = _catalogue_rows(layout, tables.USERS, as_of, "user_idx", "attributes", wanted)
    attributes = [dict(of_user.get(user) or ()) for user in wanted]
    there = set().union(*attributes)
    if there and (absent := [name for name in columns if name not in there]):
        raise InputInvalid(
            f"The shop's users have no column {', '.join(absent)}; they have {', '.join(sorted(there))}.",
            where=str(layout.table(tables.USERS)),
            todo="Correct segments.columns in the settings, or land the column.",
        )
    for name in columns:
        users = users.append_column(name, pa.array([known.get(name) for known in attributes], pa.string()))
    return users


def _catalogue_rows(
    layout: Layout, table: tables.Table, as_of: dt.date, key: str, column: str, wanted: list[int]
) -> dict[int, Any]:
    """Values of a column by index, of the newest catalogue no later than the date, or else the oldest."""
    days = lake.dates(layout, table)
    day = max((day for day in days if day <= as_of), default=min(days, default=as_of))
    keys = pa.array(wanted, pa.int32())
    found: dict[int, Any] = {}
    for batch in lake.batches(layout, table, day, (key, column)):
        rows = batch.filter(pc.is_in(batch.column(key), keys))
        found |= dict(zip(rows.column(key).to_pylist(), rows.column(column).to_pylist(), strict=True))
    return found


def _all_groups(users: pa.Table, wanted: Segments) -> Iterator[tuple[str, list[tuple[str, Bool]]]]:
    baskets = users["n_baskets"].to_numpy()
    yield (
        ACTIVITY,
        [
            (f"{ACTIVITY}:new", baskets <= wanted.new_baskets),
            (f"{ACTIVITY}:light", (baskets > wanted.new_baskets) & (baskets <= wanted.light_baskets)),
            (f"{ACTIVITY}:heavy", baskets > wanted.light_baskets),
        ],
    )
    for column in (SEGMENT, *wanted.columns):
        values = np.array([value or UNKNOWN for value in users[column].to_pylist()], dtype=object)
        names = sorted(set(values.tolist()))
        if names != [ALL_USERS]:
            yield column, [(f"{column}:{name}", values == name) for name in names]
