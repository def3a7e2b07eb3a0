"""The pointer moved to a date's snapshot."""

from __future__ import annotations

import datetime as dt
import time

from contracts.errors import SnapshotMissing
from contracts.report import JobReport
from contracts.settings import Settings
from export.format.manifest import read_manifest
from export.stores.opening import store_of
from jobs.paths import layout_of
from jobs.publishing.stage_snapshot import staged


def run(settings: Settings, *, as_of: dt.date, at: dt.datetime, by: str) -> JobReport:
    """The snapshot of a date served from now on, by one compare-and-swap; older ones beyond `store.keep` removed.

    Args:
        settings: root and how many snapshots to keep.
        as_of: whose staged snapshot was published.
        at: when, for the history.
        by: id of this run, for the history.

    Raises:
        SnapshotMissing: the snapshot of that date was not published.
        PublishRefused: a rollback holds the pointer, or it moved meanwhile.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    store = store_of(settings.store, layout)
    snapshot = read_manifest(staged(layout, as_of)).snapshot_id if staged(layout, as_of).is_dir() else f"{as_of}-?"
    if snapshot not in store.snapshots():
        raise SnapshotMissing(
            f"The snapshot {snapshot} is not in the store.",
            where=store.where,
            todo=f"Run `larder publish --as-of {as_of}` first.",
        )
    before = store.pointer()
    stamp = at.astimezone(dt.UTC).isoformat(timespec="seconds")
    store.flip(snapshot, expected=before, by=by, reason=f"night of {as_of.isoformat()}", at=stamp)
    grace_seconds = settings.store.grace_minutes * 60
    removed = store.retain(keep=settings.store.keep, grace_seconds=grace_seconds, by=by, at=stamp)
    return JobReport(
        job="flip_pointer",
        as_of=as_of,
        rows={"snapshots_kept": len(store.snapshots()), "snapshots_removed": len(removed)},
        details={"snapshot": snapshot, "before": before.snapshot if before else "none", "removed": removed},
        seconds=time.perf_counter() - started,
    )
