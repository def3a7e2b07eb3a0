"""Lists of a date as they were published: read back from a snapshot's bytes, ids mapped to indices again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from contracts.tables import Table
from export.format.manifest import read_manifest
from export.format.records import MAX_LENGTH
from export.stores.base import Reader
from export.stores.mapped import MappedReader
from export.stores.opening import store_of
from export.stores.prefetching import find_all
from jobs import lake
from jobs.parquet_rows import dataset
from jobs.publishing.stage_snapshot import staged
from models.ragged import Int32

USERS_AT_ONCE: Final = 2048
SCHEMA: Final = pa.schema([("placement", pa.string()), ("user_idx", pa.int32()), ("item_idx", pa.list_(pa.int32()))])


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot whose lists are measured.

    Attributes:
        reader: of its bytes.
        place: where they lie, in words.
    """

    reader: Reader
    place: str

    def __str__(self) -> str:
        return f"read back from {self.place}, snapshot {self.reader.id}"


def published(settings: Settings, layout: Layout, as_of: dt.date) -> Published | None:
    """The snapshot of a date that was served last, else the last one published; None where there is none.

    One that the store does not keep any more is read from its staged bytes, which are those that were served.
    """
    store, day = store_of(settings.store, layout), as_of.isoformat()
    served = [event.snapshot for event in store.history() if event.kind == "flip" and event.snapshot.startswith(day)]
    there = [snapshot for snapshot in store.snapshots() if snapshot.startswith(day)]
    for snapshot in [*reversed(served), *reversed(there)]:
        if snapshot in there:
            return Published(store.open(snapshot), "the store")
        directory = staged(layout, as_of)
        if directory.is_dir() and read_manifest(directory).snapshot_id == snapshot:
            return Published(MappedReader(directory), "the staged bytes of what was served")
    return None


def lists_of(
    layout: Layout, reader: Reader, users: Int32, placements: Sequence[str], *, length: int = MAX_LENGTH
) -> pa.Table:
    """`placement`, `user_idx`, `item_idx` (best first) as the users were answered, by placement and user.

    Users without a list of their own have the fallback list that they would be shown.

    Args:
        layout: of the root, for the vocabularies.
        reader: of the snapshot.
        users: indices, in any order.
        placements: names; one that the snapshot lacks has no rows.
        length: at most so many items of each list.

    Raises:
        SnapshotCorrupt: a record is damaged.
    """
    ids = _ids(layout, tables.USER_VOCABULARY, "user", users)
    items = {item_id: idx for idx, item_id in _ids(layout, tables.ITEM_VOCABULARY, "item", None).items()}
    made: list[pa.RecordBatch] = []
    ordered = sorted(ids)
    for start in range(0, len(ordered), USERS_AT_ONCE):
        part = ordered[start : start + USERS_AT_ONCE]
        known = np.array(part, dtype=np.int32)
        made += _batches(reader, known, [ids[user] for user in part], items, placements, length)
    return pa.Table.from_batches(made, SCHEMA).sort_by([("placement", "ascending"), ("user_idx", "ascending")])


def _batches(
    reader: Reader, users: Int32, ids: list[str], items: dict[str, int], placements: Sequence[str], length: int
) -> Iterator[pa.RecordBatch]:
    found = find_all(reader, ids)
    for placement in placements:
        if placement not in reader.placements:
            continue
        lists = []
        for user in found:
            rows = user.rows(placement, length) if user is not None else None
            if rows is None:
                rows = reader.fallback(placement, user.segment if user is not None else None, length)[1]
            lists.append([items[item] for item in rows.items])
        names = pa.array([placement] * len(users))
        yield pa.RecordBatch.from_arrays([names, pa.array(users), pa.array(lists, SCHEMA.field(2).type)], schema=SCHEMA)


def _ids(layout: Layout, table: Table, kind: str, wanted: Int32 | None) -> dict[int, str]:
    """Ids by index, of all or of the wanted ones."""
    chosen = None if wanted is None else pc.field(f"{kind}_idx").isin(pa.array(wanted, pa.int32()))
    rows = dataset([file.path for file in lake.files(layout, table)]).to_table(
        columns=[f"{kind}_idx", f"{kind}_id"], filter=chosen
    )
    return dict(zip(rows[f"{kind}_idx"].to_pylist(), rows[f"{kind}_id"].to_pylist(), strict=True))
