"""The slot log of a staged snapshot: what stands in every slot of it, and with which probability."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import pyarrow as pa

from contracts import tables
from contracts.errors import AccountingError, InputMissing
from contracts.exploration_section import EXPLORED
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.stores.mapped import MappedReader
from jobs import lake
from jobs.paths import layout_of
from jobs.publishing.stage_snapshot import staged
from models.ragged import lists, to_lists

COLUMNS: Final = ("placement", "user_id", "item_idx", "usual_idx", "reasons", "propensities")
SCHEMA: Final = pa.schema(
    {
        "as_of": pa.date32(), "snapshot": pa.string(), "placement": pa.string(), "user_id": pa.string(),
        "item_ids": pa.list_(pa.string()), "usual_item_ids": pa.list_(pa.string()), "sources": pa.list_(pa.string()),
        "propensities": pa.list_(pa.float32()),
    }
)  # fmt: skip
COMPARED_EVERY: Final = 97
"""One list of so many is compared with the staged bytes."""


def run(settings: Settings, *, as_of: dt.date) -> JobReport:
    """The rows of the table `slots` for the snapshot staged for a date, without a Java process.

    Raises:
        InputMissing: nothing is staged for that date, or its lists are missing.
        AccountingError: the lists in the table are not those of the staged snapshot.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    directory = staged(layout, as_of)
    if not directory.is_dir():
        raise InputMissing(
            f"No snapshot is staged for {as_of}.", where=str(directory), todo=f"Run the night of {as_of} to that step."
        )
    snapshot, names = MappedReader(directory), _item_ids(layout, as_of)
    counts = _checked(layout, snapshot, as_of, names, settings.reasons)
    batches = _rows(layout, snapshot.id, as_of, names, settings.reasons)
    lake.replace(layout, tables.SLOTS, batches, {"as_of": as_of.isoformat(), "snapshot": snapshot.id})
    slots = max(counts["slots"], 1)
    return JobReport(
        job="log_slots",
        as_of=as_of,
        rows={"lists_logged": sum(counts[f"list {p}"] for p in snapshot.placements), "slots_logged": counts["slots"],
              "slots_explored": counts["explored"]},
        numbers={"explored_share": counts["explored"] / slots},
        details={"snapshot": snapshot.id},
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _checked(
    layout: Layout, snapshot: MappedReader, as_of: dt.date, names: pa.Array, reasons: tuple[str, ...]
) -> Counter[str]:
    """Lists by placement, slots and explored slots; the lists are as many as those staged, and a sample the same."""
    counts: Counter[str] = Counter()
    for batch in lake.batches(layout, tables.TOP_N_LISTS, as_of, COLUMNS):
        seen = sum(n for name, n in counts.items() if name.startswith("list "))
        for at in range(-seen % COMPARED_EVERY, batch.num_rows, COMPARED_EVERY):
            _compare(_texts_of(batch.slice(at, 1), names, reasons), snapshot)
        counts.update(f"list {name}" for name in batch.column("placement").to_pylist())
        reason = lists(batch.column("reasons"))[1]
        counts["slots"] += len(reason)
        counts["explored"] += int((reason == reasons.index(EXPLORED)).sum())
    for placement, entry in snapshot.manifest.placements.items():
        if counts[f"list {placement}"] != entry.lists:
            told = f"{counts[f'list {placement}']} {placement} lists are in it, {entry.lists} were staged"
            raise _differs(told, str(layout.table(tables.TOP_N_LISTS)))
    return counts


def _compare(row: pa.RecordBatch, snapshot: MappedReader) -> None:
    """Passes where the list of one row is the staged one."""
    (told,) = row.to_pylist()
    user = snapshot.find(told["user_id"])
    found = None if user is None else user.rows(told["placement"], len(told["item_ids"]))
    if found is None or found.items != told["item_ids"] or found.sources != told["sources"]:
        raise _differs(f"the {told['placement']} list of user {told['user_id']!r} is another", snapshot.where)


def _rows(
    layout: Layout, snapshot: str, as_of: dt.date, names: pa.Array, reasons: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    for batch in lake.batches(layout, tables.TOP_N_LISTS, as_of, COLUMNS):
        texts = _texts_of(batch, names, reasons)
        constant = [
            pa.array([value] * batch.num_rows, SCHEMA.field(i).type) for i, value in enumerate((as_of, snapshot))
        ]
        offsets, chances = lists(batch.column("propensities"))
        columns = [*constant, *texts.columns, to_lists(offsets, chances, pa.float32())]
        yield pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _texts_of(batch: pa.RecordBatch, names: pa.Array, reasons: tuple[str, ...]) -> pa.RecordBatch:
    """The columns placement, user_id, item_ids, usual_item_ids and sources."""
    made = {name: batch.column(name).cast(pa.string()) for name in ("placement", "user_id")}
    known = {"item_ids": (names, "item_idx"), "usual_item_ids": (names, "usual_idx"),
             "sources": (pa.array(reasons, pa.string()), "reasons")}  # fmt: skip
    for column, (texts, index) in known.items():
        offsets, places = lists(batch.column(index))
        made[column] = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), texts.take(pa.array(places)))
    return pa.RecordBatch.from_pydict(made)


def _item_ids(layout: Layout, as_of: dt.date) -> pa.Array:
    """Item ids by index; null where there is none."""
    known = pa.Table.from_batches(list(lake.batches(layout, tables.ITEMS, as_of, ("item_idx", "item_id"))))
    places = known["item_idx"].to_numpy()
    at = np.full(int(places.max(initial=-1)) + 1, -1, dtype=np.int64)
    at[places] = np.arange(len(places))
    return known["item_id"].combine_chunks().cast(pa.string()).take(pa.array(at, mask=at < 0))


def _differs(what: str, where: str) -> AccountingError:
    return AccountingError(
        f"The table top_n_lists is not what was staged: {what}.",
        where=where,
        todo="Stage the snapshot of that date again, then log its slots.",
    )
