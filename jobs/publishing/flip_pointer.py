"""The pointer moved to a date's snapshot."""

from __future__ import annotations

import datetime as dt
import time

from contracts.errors import SnapshotMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.format.manifest import Manifest, read_manifest
from export.stores.base import Store
from export.stores.opening import store_of
from jobs.paths import layout_of
from jobs.publishing import verdicts
from jobs.publishing.stage_snapshot import staged


def run(settings: Settings, *, as_of: dt.date, at: dt.datetime, by: str, override: str | None = None) -> JobReport:
    """The snapshot of a date served from now on, by one compare-and-swap; older ones beyond `store.keep` removed.

    Args:
        settings: root and how many snapshots to keep.
        as_of: whose staged snapshot was published.
        at: when, for the history.
        by: id of this run, for the history.
        override: why it is served without a blessing or a verdict of the parity check, for the history; None asks both.

    Raises:
        SnapshotMissing: the snapshot of that date was not published.
        PublishRefused: no blessing names it, its lists were not made again, a rollback holds the pointer, users are
            being erased, or the pointer moved meanwhile.
        HeldByGate: the parity check is red.
        InputInvalid: the override gives no reason.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    store = store_of(settings.store, layout)
    manifest = _published(layout, store, as_of)
    snapshot = manifest.snapshot_id
    reason = f"night of {as_of.isoformat()}{verdicts.asked(layout, manifest, override)}"
    before = store.pointer()
    stamp = at.astimezone(dt.UTC).isoformat(timespec="seconds")
    store.flip(snapshot, expected=before, by=by, reason=reason, at=stamp)
    grace_seconds = settings.store.grace_minutes * 60
    removed = store.retain(keep=settings.store.keep, grace_seconds=grace_seconds, by=by, at=stamp)
    return JobReport(
        job="flip_pointer",
        as_of=as_of,
        rows={"snapshots_kept": len(store.snapshots()), "snapshots_removed": len(removed)},
        details={
            "snapshot": snapshot, "before": before.snapshot if before else "none", "removed": removed, "reason": reason,
        },
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _published(layout: Layout, store: Store, as_of: dt.date) -> Manifest:
    """The manifest of the staged snapshot of a date, which lies in the store."""
    manifest = read_manifest(staged(layout, as_of)) if staged(layout, as_of).is_dir() else None
    if manifest is None or manifest.snapshot_id not in store.snapshots():
        raise SnapshotMissing(
            f"The snapshot {manifest.snapshot_id if manifest else f'{as_of}-?'} is not in the store.",
            where=store.where,
            todo=f"Run `larder publish --as-of {as_of}` first.",
        )
    return manifest
