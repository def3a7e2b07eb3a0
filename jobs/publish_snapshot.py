"""The staged snapshot in the store, if the gates blessed its very bytes."""

from __future__ import annotations

import datetime as dt
import time

from contracts.errors import InputMissing
from contracts.report import JobReport
from contracts.settings import Settings
from export.stores.opening import store_of
from jobs.paths import layout_of
from jobs.stage_snapshot import staged


def run(settings: Settings, *, as_of: dt.date) -> JobReport:
    """The snapshot of a date, copied, read back and counted; nobody is served from it before the flip.

    Raises:
        InputMissing: nothing is staged for that date.
        PublishRefused: no blessing names the staged manifest.
        SnapshotCorrupt: what was read back differs.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    directory = staged(layout, as_of)
    if not directory.is_dir():
        raise InputMissing(
            f"No snapshot is staged for {as_of}.",
            where=str(directory),
            todo=f"Run `larder stage --as-of {as_of}`, then the gates.",
        )
    store = store_of(settings.store, layout)
    published = store.publish(directory, blessing=layout.blessings / f"{as_of.isoformat()}.json")
    manifest = published.manifest
    return JobReport(
        job="publish_snapshot",
        as_of=as_of,
        rows={"users": manifest.n_users, **{f"{p}_lists": entry.lists for p, entry in manifest.placements.items()}},
        numbers=dict(published.numbers),
        details={"snapshot": published.snapshot, "is_new": published.is_new, "manifest_sha256": manifest.sha256},
        seconds=time.perf_counter() - started,
    )
