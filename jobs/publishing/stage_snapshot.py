"""Tonight's lists as a snapshot directory, not yet in the store."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from pathlib import Path

import pyarrow as pa

from contracts import tables
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.snapshot import Manifest, write_snapshot
from jobs import lake
from jobs.evaluation import choosing
from jobs.paths import layout_of

LIST_COLUMNS = ("user_id", "placement", "segment", "item_idx", "scores", "reasons", "anchors")
FALLBACK_COLUMNS = ("placement", "segment", "item_idx", "scores")
ITEM_COLUMNS = ("item_idx", "item_id", "title", "category", "price", "image_url")


def run(settings: Settings, *, as_of: dt.date) -> JobReport:
    """The staged snapshot of a date, made without a Java process; the same lists give the same bytes.

    Raises:
        InputMissing: lists, fallback lists, items or users of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    directory = staged(layout, as_of)
    shutil.rmtree(directory, ignore_errors=True)
    n_users = sum(batch.num_rows for batch in lake.batches(layout, tables.USERS, as_of, ("user_idx",)))
    items = _table(layout, tables.ITEMS, as_of, ITEM_COLUMNS)
    manifest = write(settings, layout, directory, as_of=as_of, items=items, n_eligible_users=n_users)
    n_bytes = sum(entry.bytes for entry in manifest.files.values())
    return JobReport(
        job="stage_snapshot",
        as_of=as_of,
        rows={"users": manifest.n_users, **{f"{p}_lists": entry.lists for p, entry in manifest.placements.items()}},
        numbers={"snapshot_bytes": float(n_bytes), "bytes_per_user": n_bytes / max(manifest.n_users, 1)},
        details={
            "snapshot": manifest.snapshot_id,
            "manifest_sha256": manifest.sha256,
            "directory": str(directory),
            "systems": {name: entry.system for name, entry in manifest.placements.items()},
        },
        seconds=time.perf_counter() - started,
    )


def write(
    settings: Settings, layout: Layout, directory: Path, *, as_of: dt.date, items: pa.Table, n_eligible_users: int
) -> Manifest:
    """The snapshot of the lists of a date in `directory`.

    Args:
        settings: shards and reasons.
        layout: of the root.
        directory: made by this call.
        as_of: of the lists, which are in the tables.
        items: the columns ITEM_COLUMNS.
        n_eligible_users: users that should be answered.
    """
    choices = choosing.read(layout, as_of)
    return write_snapshot(
        directory,
        lists=lake.batches(layout, tables.TOP_N_LISTS, as_of, LIST_COLUMNS),
        fallbacks=_table(layout, tables.FALLBACK_LISTS, as_of, FALLBACK_COLUMNS),
        items=items,
        as_of=as_of,
        shards=settings.store.shards,
        reasons=settings.reasons,
        n_eligible_users=n_eligible_users,
        systems=choices.systems if choices else {},
    )


def staged(layout: Layout, as_of: dt.date) -> Path:
    """Where the snapshot of a date is staged."""
    return layout.root / "staging" / as_of.isoformat()


def _table(layout: Layout, table: tables.Table, as_of: dt.date, columns: tuple[str, ...]) -> pa.Table:
    return pa.Table.from_batches(list(lake.batches(layout, table, as_of, columns)))
