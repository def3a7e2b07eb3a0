"""Rows that a shop should not have sent, each breaking exactly one rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa

_DAY_US: Final = 86_400_000_000
_LONG_ID: Final = "ü" * 129


def _with(rows: pa.Table, name: str, values: list[object] | pa.Array) -> pa.Table:
    field = rows.schema.field(name)
    column = values if isinstance(values, pa.Array) else pa.array(values, field.type)
    return rows.set_column(rows.schema.get_field_index(name), field, column)


def _alternating(rows: pa.Table, name: str, *choices: object) -> pa.Table:
    return _with(rows, name, [choices[row % len(choices)] for row in range(rows.num_rows)])


def _in_future(rows: pa.Table, random: np.random.Generator, day_start_us: int) -> pa.Table:
    ahead = day_start_us + random.integers(1, 30, rows.num_rows) * _DAY_US + random.integers(0, _DAY_US, rows.num_rows)
    return _with(rows, "timestamp", pa.array(ahead, pa.int64()).cast(rows.schema.field("timestamp").type))


_SPOILERS: Final[dict[str, Callable[[pa.Table, np.random.Generator, int], pa.Table]]] = {
    "user_id_missing": lambda rows, _random, _day: _alternating(rows, "user_id", None, ""),
    "item_id_missing": lambda rows, _random, _day: _alternating(rows, "item_id", None, ""),
    "id_too_long": lambda rows, _random, _day: _alternating(rows, "item_id", _LONG_ID, "x" * 10_000),
    "timestamp_missing": lambda rows, _random, _day: _alternating(rows, "timestamp", None),
    "timestamp_in_future": _in_future,
    "event_type_unknown": lambda rows, _random, _day: _alternating(rows, "event_type", "teleport", None, "PURCHASE"),
    "price_negative": lambda rows, _random, _day: _alternating(rows, "price", -0.01, -1e300),
}
REASONS: Final = tuple(_SPOILERS)


def spoiled(clean: pa.Table, reason: str, n: int, random: np.random.Generator, *, day_start_us: int) -> pa.Table:
    """`n` copies of rows of `clean`, each broken so that ingest quarantines it for `reason` and for no other.

    Args:
        clean: landing rows that ingest accepts.
        reason: one of `REASONS`; `price_negative` needs a price column.
        n: rows, at most `clean.num_rows`.
        random: picks the rows.
        day_start_us: start of the landing day, microseconds since 1970.
    """
    return _SPOILERS[reason](copies(clean, n, random), random, day_start_us)


def copies(clean: pa.Table, n: int, random: np.random.Generator) -> pa.Table:
    """`n` different rows of `clean`, as they are."""
    return clean.take(pa.array(random.choice(clean.num_rows, n, replace=False), pa.int64()))
