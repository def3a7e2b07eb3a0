"""The staged snapshot in the store, if the gates blessed its very bytes."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

import msgspec

from contracts.errors import InputMissing, PublishRefused
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export import costs
from export.cost_shapes import shape_of
from export.format.manifest import Manifest
from export.stores.base import Published
from export.stores.mapped import MappedReader
from export.stores.opening import store_of
from jobs.erasing.register import register_of
from jobs.paths import layout_of
from jobs.publishing.stage_snapshot import staged


def run(settings: Settings, *, as_of: dt.date) -> JobReport:
    """The snapshot of a date, copied, read back and counted; nobody is served from it before the flip.

    Raises:
        InputMissing: nothing is staged for that date.
        PublishRefused: no blessing names the staged manifest, or an erased user is in it.
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
    _check_none_erased(layout, directory, as_of)
    store = store_of(settings.store, layout)
    published = store.publish(directory, blessing=layout.blessings / f"{as_of.isoformat()}.json")
    manifest, paid = published.manifest, _costs(settings, directory, published)
    return JobReport(
        job="publish_snapshot",
        as_of=as_of,
        rows={"users": manifest.n_users, **{f"{p}_lists": entry.lists for p, entry in manifest.placements.items()}},
        numbers={**published.numbers, **_dollars(paid)},
        details={
            "snapshot": published.snapshot, "is_new": published.is_new, "manifest_sha256": manifest.sha256,
            "costs": paid,
        },
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _check_none_erased(layout: Layout, directory: Path, as_of: dt.date) -> None:
    """Passes where nobody in the staged snapshot was erased: about 4 us a user, nothing where nobody ever was.

    Who is erased after this look is taken out of the staged snapshot and out of the store, or the publish is refused
    there. So no complete snapshot has a user whose erasure has ended.
    """
    register = register_of(layout)
    if not register.entries():
        return
    n = register.count(MappedReader(directory).user_ids())
    if n:
        raise PublishRefused(
            f"{n} erased users are in the staged snapshot: it was built from what was read before their erasure",
            where=str(directory),
            todo=f"Run `larder erase` for them again, then the night again: `larder night --as-of {as_of}`.",
        )


def _costs(settings: Settings, directory: Path, published: Published) -> dict[str, Any]:
    """What this publish cost, as `published`, beside what each other way of publishing the same would."""
    manifest: Manifest = published.manifest
    lines = costs.lines(shape_of(directory, manifest), settings.costs, kept=settings.store.keep + 1)
    own = lines[costs.OWN[settings.store.kind]]
    paid = costs.published(own, dict(published.numbers), manifest.n_users, settings.costs)
    table: dict[str, Any] = msgspec.to_builtins({"published": paid, **lines})
    return table


def _dollars(table: dict[str, Any]) -> dict[str, float]:
    paid = table["published"]
    return {"dollars": paid["dollars"], "dollars_month_1000_users": paid["dollars_month_1000_users"]}
