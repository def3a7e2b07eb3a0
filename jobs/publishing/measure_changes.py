"""What the night would change for the users, in numbers that gates look at; found without a Java process."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from contracts import tables
from contracts.errors import InputMissing, LarderError
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.comparing.result import Diff, PlacementDiff
from export.comparing.snapshots import Extent, compare
from export.durable import replace_json
from export.stores.base import Reader, Store
from export.stores.mapped import MappedReader
from export.stores.opening import store_of
from jobs import lake
from jobs.paths import layout_of
from jobs.publishing.stage_snapshot import staged

STABLE: Final = "stable"
SHADOW: Final = "shadow"
N_TOLD: Final = 5
"""Most changed users in the report."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sides:
    """Two snapshots of one channel, and what changes from one to the other.

    Attributes:
        before: empty where nothing was served.
        systems_before: whose lists they were, by placement.
        found: None where there is no placement in common.
    """

    channel: str
    before: str
    after: Reader
    systems_before: dict[str, str]
    found: Diff | None


def run(settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `changes` as of a date: the staged snapshot beside the one that is served, in numbers.

    Where the staged one is served already, as after a night that is run again, it is compared with the one served
    before it. A shadow is compared with the served one; it is never served, so whatever is wrong with it is told and
    holds nothing. `reports/changes-<date>.json` has the whole of the diff.

    Raises:
        InputMissing: nothing is staged for that date.
        SnapshotCorrupt: the staged or the served snapshot is damaged.
        StoreUnreachable: the store did not answer in time.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    tonight = _staged(layout, as_of)
    store = store_of(settings.store, layout)
    extent = Extent(k=settings.evaluation.k, exact_users=settings.gates.changes.users, n_users=N_TOLD)
    served = _served(store, tonight)
    night = _sides(STABLE, served, tonight, extent)
    shadow, failure = _shadow(store, extent)
    both = [night, *([shadow] if shadow is not None else [])]
    rows = [row for sides in both for row in _rows(sides)]
    n_rows = lake.replace_as_of(layout, tables.CHANGES, rows, as_of)
    return JobReport(
        job="measure_changes",
        as_of=as_of,
        rows={"users_compared": night.found.n_looked_at if night.found else 0, "changes_written": n_rows},
        numbers={_name(row): row["value"] for row in rows if row["value"] is not None},
        details={
            "before": night.before or "nothing: the first night",
            "after": tonight.id,
            "shadow": failure or (shadow.after.id if shadow is not None else "none"),
            "diff": _report(layout, as_of, both),
        },
        seconds=time.perf_counter() - started,
    )


def _staged(layout: Layout, as_of: dt.date) -> MappedReader:
    directory = staged(layout, as_of)
    if not directory.is_dir():
        raise InputMissing(
            f"No snapshot is staged for {as_of}.", where=str(directory), todo=f"Run `larder stage --as-of {as_of}`."
        )
    return MappedReader(directory)


def _served(store: Store, tonight: Reader) -> Reader | None:
    """What is served, or was before tonight's own lists; None where there is no such snapshot."""
    pointer = store.pointer()
    if pointer is None:
        return None
    if pointer.snapshot != tonight.id:
        return store.open(pointer.snapshot)
    earlier = pointer.good_previous(store.snapshots())
    return store.open(earlier[0]) if earlier else None


def _shadow(store: Store, extent: Extent) -> tuple[Sides | None, str]:
    """The shadow beside the served snapshot, None without one; and why it could not be compared, else empty."""
    pointer = store.pointer()
    if pointer is None or not pointer.channels.shadow:
        return None, ""
    try:
        return _sides(SHADOW, store.open(pointer.snapshot), store.open(pointer.channels.shadow), extent), ""
    except LarderError as error:
        return None, f"{pointer.channels.shadow} could not be compared: {type(error).__name__}: {error.what}"


def _sides(channel: str, before: Reader | None, after: Reader, extent: Extent) -> Sides:
    shared = before is not None and {*before.placements} & {*after.placements}
    return Sides(
        channel=channel,
        before=before.id if before is not None else "",
        after=after,
        systems_before=_systems(before) if before is not None else {},
        found=compare(before, after, extent) if before is not None and shared else None,
    )


def _systems(snapshot: Reader) -> dict[str, str]:
    return {name: entry.system for name, entry in snapshot.manifest.placements.items()}


def _rows(sides: Sides) -> Iterator[Row]:
    """Rows of the table without `as_of`; a placement that is new has one row, without a value."""
    about: Row = {"channel": sides.channel, "before": sides.before, "after": sides.after.id}
    gone, systems = {*sides.systems_before} - {*sides.after.placements}, _systems(sides.after)
    yield {**about, "placement": "", "metric": "placements_gone", "value": float(len(gone))}
    known = sides.found.placements if sides.found is not None else {}
    for placement in sorted(sides.after.placements):
        one = known.get(placement)
        numbers: dict[str, float | None] = {"users_both": None}
        if one is not None:
            is_other = sides.systems_before[placement] != systems[placement]
            numbers = {**numbers_of(one), "system_changed": float(is_other)}
        yield from ({**about, "placement": placement, "metric": name, "value": x} for name, x in numbers.items())


def numbers_of(one: PlacementDiff) -> dict[str, float | None]:
    """The numbers of one placement by their names in the table `changes`."""
    fallbacks, n_before = (one.fallback_before, one.fallback_after), one.n_both + one.n_only_before
    grown = None if fallbacks[0] is None or fallbacks[1] is None else fallbacks[1] - fallbacks[0]
    return {
        "users_both": float(one.n_both),
        "top5_changed": one.top5_changed,
        "top5_reordered": one.top5_reordered,
        "overlap_mean": one.overlap_mean,
        "overlap_median": one.overlap_median,
        "overlap_p10": one.overlap_p10,
        "users_gone": one.n_only_before / n_before if n_before else None,
        "fallback_before": one.fallback_before,
        "fallback_after": one.fallback_after,
        "fallback_growth": grown,
        "items_moved": one.items_moved,
        "categories_moved": one.categories_moved,
        "price_change": one.price.change,
    }


def _name(row: Row) -> str:
    words = ("" if row["channel"] == STABLE else row["channel"], row["placement"], row["metric"])
    return "_".join(word for word in words if word)


def _report(layout: Layout, as_of: dt.date, both: list[Sides]) -> str:
    """The file with the whole diffs by channel, null where there was nothing to compare; returns its path."""
    path: Path = layout.report(f"changes-{as_of.isoformat()}.json")
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_json(path, {sides.channel: sides.found for sides in both})
    return str(path)
