"""All personal lists of the current snapshot as one Parquet file, one row an item."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from export.durable import replacing
from export.format.records import MAX_LENGTH
from export.lookup import TopN
from export.recipients import all_lists, pinned_lists, user_ids
from export.stores.base import Reader, Store

SCHEMA: Final = pa.schema(
    [
        pa.field("user_id", pa.string(), nullable=False),
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("item_id", pa.string(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
    ]
)
ROW_GROUP_USERS: Final = 4096


def write_lists(store: Store | Reader | Path, out: Path, *, placement: str) -> int:
    """Rows written to `out`: every user with a list of their own, whole lists, by user id and rank from 1.

    Args:
        store: a store, its folder, an open snapshot, or a snapshot directory.
        out: the Parquet file; complete, or as it was before. The same snapshot gives the same bytes.
        placement: one that the snapshot has.

    Raises:
        SnapshotMissing: no snapshot was published yet.
        SnapshotCorrupt: a record is damaged, so that its user would be lost.
        InputInvalid: there is no such placement.
    """
    lists = pinned_lists(store)
    lists.check(1, placement)
    users = user_ids(lists.current())
    n_rows = 0
    with replacing(out) as temporary, pq.ParquetWriter(temporary, SCHEMA, compression="zstd") as writer:
        for start in range(0, len(users), ROW_GROUP_USERS):
            made = all_lists(lists, users[start : start + ROW_GROUP_USERS], MAX_LENGTH, placement)
            table = _table([one for one in made if one.source == "personal"])
            if table.num_rows:
                writer.write_table(table)
            n_rows += table.num_rows
    return n_rows


def _table(made: Sequence[TopN]) -> pa.Table:
    columns = (
        [one.user_id for one in made for _ in one.items],
        [rank for one in made for rank in range(1, len(one.items) + 1)],
        [item for one in made for item in one.items],
        [score for one in made for score in one.scores],
        [source for one in made for source in one.sources],
        [reason for one in made for reason in one.reasons],
    )
    arrays = [pa.array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)
