"""Rows of users taken out of the lake: a Delta delete by delta-rs, then the old files vacuumed away.

The delete is a MERGE whose ids are data: Delta writes the predicate of a DELETE, values and all, into its log, and that
of a MERGE names columns alone. The vacuum keeps nothing: time travel to before the erasure is over.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Final

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.layout import Layout
from contracts.tables import Table
from jobs import lake

RAW: Final = "raw_row"
REJECTED: Final = (tables.QUARANTINE, tables.OUTCOME_QUARANTINE)


def take_out(layout: Layout, users: Collection[str]) -> dict[str, int]:
    """Rows taken out of each table that has users, by its name; again, none are left.

    The vocabulary is last: until then it tells the users' indices, also to the run after one that was killed.
    """
    indices = _indices(layout, users)
    found = {}
    for table in sorted(tables.ALL, key=lambda table: table is tables.USER_VOCABULARY):
        if lake.exists(layout, table) and (is_of_users(table) or table in REJECTED):
            found[table.name] = _take(layout, table, users, indices)
    return found


def is_of_users(table: Table) -> bool:
    """Whether a row belongs to one user."""
    return bool({"user_id", "user_idx"} & {*table.column_names})


def _indices(layout: Layout, users: Collection[str]) -> list[int]:
    if not lake.exists(layout, tables.USER_VOCABULARY):
        return []
    rows = _open(layout, tables.USER_VOCABULARY).to_pyarrow_table(columns=["user_idx", "user_id"])
    return list(rows.filter(pc.is_in(rows["user_id"], pa.array(sorted(users), pa.string())))["user_idx"].to_pylist())


def _take(layout: Layout, table: Table, users: Collection[str], indices: Collection[int]) -> int:
    if table in REJECTED:
        column, values = RAW, pa.array(_quarantined(layout, table, users), pa.string())
    elif "user_id" in table.column_names:
        column, values = "user_id", pa.array(sorted(users), pa.string())
    else:
        column, values = "user_idx", pa.array(sorted(indices), pa.int32())
    n = 0
    if len(values):
        merge = _open(layout, table).merge(
            pa.table({column: values}), f"t.{column} = s.{column}", source_alias="s", target_alias="t"
        )
        n = int(merge.when_matched_delete().execute()["num_target_rows_deleted"])
    _open(layout, table).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    return n


def _quarantined(layout: Layout, table: Table, users: Collection[str]) -> list[str]:
    """Rejected rows as they came that name one of the users: as a field where they can be read, anywhere else."""
    rows = _open(layout, table).to_pyarrow_table(columns=[RAW])
    spelt = {*users, *(json.dumps(user, ensure_ascii=False)[1:-1] for user in users)}
    texts = {text for text in rows[RAW].to_pylist() if text is not None and any(one in text for one in spelt)}
    return sorted(text for text in texts if _names(text, users))


def _names(text: str, users: Collection[str]) -> bool:
    try:
        row = json.loads(text)
    except ValueError:
        return True
    return not isinstance(row, dict) or str(row.get("user_id")) in users


def _open(layout: Layout, table: Table) -> deltalake.DeltaTable:
    return deltalake.DeltaTable(str(layout.table(table)))
