"""Shown slots: what one user was shown of one item in one snapshot, and all that came of it."""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.layout import Layout
from export.reading.channels import place
from jobs import lake

ABOUT: Final = ("snapshot", "placement", "user_id", "item_id", "channel", "team")
OF_SLOT: Final = ("slot", "source", "propensity", "usual_item_id")
TOLD: Final = (*ABOUT, *OF_SLOT, "position", "kind", "dwell_seconds")
SALT: Final = "outcomes"


def read(layout: Layout, *, first: dt.date, last: dt.date, max_users: int) -> pa.Table:
    """One row a shown slot of the landing days, in the order of ABOUT.

    Columns ABOUT and OF_SLOT, `position` (the first place it was shown at), the counts `n_impressions`, `n_clicks`,
    `n_carts` and `n_purchases`, and `dwell_seconds` (their sum, null without any). What was never told as an impression
    has 0 of them. Of more than `max_users` users those with the lowest hash count.
    """
    users = _users(layout, first, last, max_users)
    parts = [_counted(batch, users) for batch in lake.batches_between(layout, tables.OUTCOMES, first, last, TOLD)]
    if not parts:
        return _grouped(_counted(_nothing(), users))
    return _grouped(pa.concat_tables(parts))


def _users(layout: Layout, first: dt.date, last: dt.date, max_users: int) -> pa.Array | None:
    """The users who count, None for all of them."""
    found: set[str] = set()
    for batch in lake.batches_between(layout, tables.OUTCOMES, first, last, ("user_id",)):
        found.update(pc.unique(batch.column("user_id")).to_pylist())
    if len(found) <= max_users:
        return None
    return pa.array(sorted(found, key=lambda user: (place(user, SALT), user))[:max_users], pa.string())


def _counted(batch: pa.RecordBatch, users: pa.Array | None) -> pa.Table:
    rows = pa.Table.from_batches([batch])
    if users is not None:
        rows = rows.filter(pc.is_in(rows["user_id"], users))
    kinds = rows["kind"]
    for name, kind in (("n_impressions", "impression"), ("n_clicks", "click"), ("n_carts", "cart"),
                       ("n_purchases", "purchase")):  # fmt: skip
        rows = rows.append_column(name, pc.equal(kinds, kind).cast(pa.int64()))
    shown_at = pc.if_else(pc.equal(kinds, "impression"), rows["position"], pa.scalar(None, pa.int32()))
    return rows.set_column(rows.schema.get_field_index("position"), "position", shown_at).drop_columns(["kind"])


def _grouped(rows: pa.Table) -> pa.Table:
    first = [(name, "min") for name in (*OF_SLOT, "position")]
    sums = [(name, "sum") for name in ("n_impressions", "n_clicks", "n_carts", "n_purchases", "dwell_seconds")]
    made = rows.group_by(list(ABOUT), use_threads=False).aggregate([*first, *sums])
    names = [name.removesuffix("_min").removesuffix("_sum") for name in made.column_names]
    return made.rename_columns(names).sort_by([(name, "ascending") for name in ABOUT])


def _nothing() -> pa.RecordBatch:
    kinds = {"slot": pa.int32(), "position": pa.int32(), "propensity": pa.float32(), "dwell_seconds": pa.float64()}
    return pa.RecordBatch.from_pydict({name: pa.array([], kinds.get(name, pa.string())) for name in TOLD})


def codes(column: pa.ChunkedArray) -> tuple[np.ndarray, list[str | None]]:
    """The code of each value, 0 and up in the order of their coming, and the values."""
    coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()
