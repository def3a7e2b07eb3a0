"""What is there: dates of every table and artifact, the snapshot served, its age, the last moves. No Java process."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from export.reading.answers import age_hours
from export.stores.opening import store_of
from jobs import lake
from jobs.evaluation import choosing
from jobs.ingest.landed import landed_days
from jobs.paths import layout_of
from jobs.reports import night_report

_HISTORY_LINES = 5


class Holding(msgspec.Struct, frozen=True, kw_only=True):
    """One table, kind of artifact or landing feed.

    Attributes:
        first: its oldest date, None where it is empty or not dated.
        last: its newest date.
    """

    name: str
    kind: str
    is_there: bool
    first: dt.date | None = None
    last: dt.date | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one root folder.

    Attributes:
        snapshot: the one served, None before the first night.
        age_hours: since the end of the day the served lists are as of.
        is_stale: whether that is more than `store.stale_after_hours`.
        held: why the next flip is held, empty if it is not.
        is_erasing: whether an erasure of the store began and did not end, so that nothing is published or flipped.
        unearned: why a placement serves a source's lists instead of the two-stage ones, one sentence each.
        history: the last moves of the pointer, oldest first.
        report: file of the newest night's report, None before the first.
    """

    root: str
    snapshot: str | None
    as_of: dt.date | None
    age_hours: float | None
    is_stale: bool
    held: str
    unearned: list[str]
    snapshots: list[str]
    holdings: list[Holding]
    history: list[dict[str, Any]]
    report: str | None = None
    is_erasing: bool = False


def status(settings: Settings, *, now: dt.datetime) -> Status:
    """The state of the settings' root at `now` (UTC).

    Raises:
        SnapshotCorrupt: the pointer cannot be read.
    """
    layout = layout_of(settings)
    store = store_of(settings.store, layout)
    pointer = store.pointer()
    as_of = dt.date.fromisoformat(pointer.snapshot[:10]) if pointer else None
    age = age_hours(as_of, now) if as_of else None
    choices = choosing.read(layout, as_of) if as_of else None
    page = night_report.newest(layout)
    return Status(
        root=str(layout.root),
        snapshot=pointer.snapshot if pointer else None,
        as_of=as_of,
        age_hours=round(age, 1) if age is not None else None,
        is_stale=age is not None and age > settings.store.stale_after_hours,
        held=pointer.held if pointer else "",
        unearned=[f"{choice.placement}: {choice.note}" for choice in choices.unearned] if choices else [],
        snapshots=store.snapshots(),
        holdings=holdings(layout),
        history=[msgspec.to_builtins(event) for event in store.history(_HISTORY_LINES)],
        report=str(page) if page is not None else None,
        is_erasing=pointer is not None and pointer.is_erasing,
    )


def holdings(layout: Layout) -> list[Holding]:
    """Every landing feed, table and kind of artifact with its dates, in the order data travels."""
    feeds = [_dated(feed, "landing", landed_days(layout.landing(feed))) for feed in ("events", "items", "users")]
    held = []
    for table in tables.ALL:
        first, last = lake.span(layout, table) or (None, None)
        there = lake.exists(layout, table)
        held.append(Holding(name=table.name, kind="table", is_there=there, first=first, last=last))
    kinds: dict[str, list[dt.date]] = {"item_arrays": [], "als": [], "neighbours": [], "ranker": []}
    for path in sorted((layout.root / "artifacts").glob("*-????-??-??")):
        kinds.setdefault(path.name[:-11], []).append(dt.date.fromisoformat(path.name[-10:]))
    return [*feeds, *held, *(_dated(name, "artifact", days) for name, days in kinds.items())]


def _dated(name: str, kind: str, days: list[dt.date]) -> Holding:
    first, last = (min(days), max(days)) if days else (None, None)
    return Holding(name=name, kind=kind, is_there=bool(days), first=first, last=last)
