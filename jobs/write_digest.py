"""Every recipient's list as files for the email team."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Final

from contracts.errors import SnapshotMissing
from contracts.report import JobReport
from contracts.settings import Settings
from export.digest import write_digest
from export.stores.base import Reader, Store
from export.stores.opening import store_of
from jobs.paths import layout_of

K: Final = 10


def run(settings: Settings, *, as_of: dt.date, out: Path | None = None) -> JobReport:
    """One digest folder a placement, below `out` or `digests/<as_of>` of the root, from the snapshot of that date.

    Raises:
        SnapshotMissing: the store holds no snapshot of that date.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    snapshot = _snapshot_of(store_of(settings.store, layout), as_of)
    folder = out or layout.root / "digests" / as_of.isoformat()
    rows: dict[str, int] = {}
    files: dict[str, str] = {}
    for placement in settings.placements:
        manifest = write_digest(snapshot, folder / placement, placement=placement, k=K)
        rows |= {f"{placement}_recipients": manifest.n_recipients, f"{placement}_rows": manifest.n_rows}
        files[placement] = str(folder / placement)
    return JobReport(
        job="write_digest",
        as_of=as_of,
        rows=rows,
        details={"snapshot": snapshot.id, "folders": files},
        seconds=time.perf_counter() - started,
    )


def _snapshot_of(store: Store, as_of: dt.date) -> Reader:
    """The served snapshot where it is of that date, else the newest of that date in the store."""
    pointer = store.pointer()
    names = ([pointer.snapshot] if pointer else []) + store.snapshots()[::-1]
    for name in names:
        if name.startswith(as_of.isoformat()):
            return store.open(name)
    raise SnapshotMissing(
        f"The store holds no snapshot of {as_of}.",
        where=store.where,
        todo=f"Run `larder night --as-of {as_of}` first.",
    )
