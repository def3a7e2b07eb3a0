"""A night beside those before it: the numbers of the last four weeks."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.dataset as pads

from contracts import tables
from contracts.errors import SnapshotCorrupt
from contracts.layout import Layout
from contracts.settings import Settings
from export.format.manifest import Manifest, read_manifest
from jobs.publishing.stage_snapshot import staged
from jobs.reports.facts import rows_of
from models.measures import FULL, OURS, UNION

DAYS: Final = 28


@dataclass(frozen=True, slots=True)
class Series:
    """One number over the nights.

    Attributes:
        name: what it is, with its protocol.
        form: how it is written, for `format`.
        values: by night, in order; a night without the number is left out.
        about: interval and n of the last night, in words; empty where it has none.
    """

    name: str
    form: str
    values: dict[dt.date, float]
    about: str = ""


def nights(as_of: dt.date) -> list[dt.date]:
    """The DAYS days that end with the night."""
    return [as_of - dt.timedelta(days=back) for back in reversed(range(DAYS))]


def series_of(settings: Settings, layout: Layout, as_of: dt.date) -> list[Series]:
    """What is plotted of the last nights; a series that no night has is left out."""
    days, k = nights(as_of), settings.evaluation.k
    wanted = (f"ndcg_{k}", f"coverage_{k}")
    of_ours = (pads.field("system") == OURS) & (pads.field("protocol") == FULL) & pads.field("metric").isin(wanted)
    measured = {day: _by_name(rows_of(layout, tables.METRICS, day, only=of_ours)) for day in days}
    manifests = {day: made for day in days if (made := _manifest(layout, day, is_tonight=day == as_of)) is not None}
    told: list[Series] = []
    for placement in settings.placements:
        for metric, name in ((wanted[0], f"nDCG@{k}"), (wanted[1], f"coverage@{k}")):
            rows = {day: found[placement, metric] for day, found in measured.items() if (placement, metric) in found}
            last = rows.get(as_of)
            values = {day: float(row["value"]) for day, row in rows.items()}
            told.append(Series(f"{placement}: {name}, full catalogue", ".3f", values, _about(last)))
        shares = {day: share for day, found in manifests.items() if (share := fallback(found, placement)) is not None}
        about = f"{manifests[as_of].n_eligible_users:,} eligible users" if as_of in shares else ""
        told.append(Series(f"{placement}: users on fallback lists", ".1%", shares, about))
    sizes = {day: found.n_bytes / 1e6 for day, found in manifests.items()}
    told += [Series("snapshot, MB written", ",.1f", sizes), _processor(layout, days)]
    return [series for series in told if series.values]


def fallback(manifest: Manifest, placement: str) -> float | None:
    """The share of the eligible users who have no list of their own; None where nobody is eligible."""
    entry, n = manifest.placements.get(placement), manifest.n_eligible_users
    return None if entry is None or not n else 1 - min(entry.lists, n) / n


def _processor(layout: Layout, days: list[dt.date]) -> Series:
    only = (pads.field("system") == UNION) & pads.field("segment").is_null() & (pads.field("targets") == "all")
    found = {day: rows_of(layout, tables.RECALL_LEDGER, day, only=only) for day in days}
    spent = {day: rows[0] for day, rows in found.items() if rows and rows[0]["cpu_seconds"] is not None}
    about = f"{spent[days[-1]]['n_users']:,} users of the holdout" if days[-1] in spent else ""
    return Series(
        "candidates of the holdout, processor seconds",
        ",.1f",
        {day: float(row["cpu_seconds"]) for day, row in spent.items()},
        about,
    )


def _by_name(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["placement"], row["metric"]): row for row in rows if row["segment"] is None}


def _about(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    ends = "" if row["low"] is None else f"95 % {row['low']:.3f} to {row['high']:.3f}, "
    return f"{ends}{row['n_users']:,} users"


def _manifest(layout: Layout, day: dt.date, *, is_tonight: bool) -> Manifest | None:
    """The staged manifest of a day; an earlier one that is damaged or of another format is a gap in the line."""
    directory = staged(layout, day)
    if not directory.is_dir():
        return None
    try:
        return read_manifest(directory)
    except SnapshotCorrupt:
        if is_tonight:
            raise
        return None
