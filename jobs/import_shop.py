"""A shop's own files in the landing layout: a folder a day for events, one catalogue each for items and users."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from jobs.shops.catalogue_files import land_catalogue
from jobs.shops.columns import Mapping
from jobs.shops.day_files import PART, date_of
from jobs.shops.event_files import land_events
from jobs.shops.first_settings import Sights, write_first_settings

_MARK: Final = "import.json"


def import_shop(
    *,
    events: Path,
    items: Path,
    users: Path | None,
    into: Path,
    columns: dict[str, str],
    default_event_type: str | None = None,
    timestamp_pattern: str | None = None,
    name: str | None = None,
) -> JobReport:
    """The shop below `into` as landing files with our column names, and a first `larder.toml` if there is none.

    The same files give the same bytes; an import replaces the one before it as a whole, or nothing when it fails.

    Args:
        events: Parquet, CSV or JSON lines (`.gz` for the latter two), a file or a folder of files.
        items: the item catalogue, likewise; lands on the first event day.
        users: the user catalogue, or None.
        into: root folder of the shop.
        columns: our column name -> the shop's, for all three alike.
        default_event_type: type of every event of a shop without such a column.
        timestamp_pattern: strptime pattern of timestamps that are text but not ISO 8601.
        name: the shop's name in the settings file; the folder's by default.

    Raises:
        InputMissing: a file is not there.
        InputInvalid: a missing column, a corrupt file, no readable timestamp, or landing files that no import wrote.
        AccountingError: rows read and rows written differ.
    """
    sources = {"events": events, "items": items} | ({"users": users} if users else {})
    return land_shop(sources, into, Mapping(columns, default_event_type, timestamp_pattern), name=name)


def land_shop(sources: dict[str, Path], into: Path, mapping: Mapping, *, name: str | None) -> JobReport:
    """What `import_shop` does, for sources by feed (`events`, `items` and maybe `users`)."""
    started = time.perf_counter()
    staged = Layout(into / ".import")
    _refuse_foreign_files(into / "landing")
    shutil.rmtree(staged.root, ignore_errors=True)
    sights = Sights()
    columns_of: dict[str, list[str]] = {"users": []}
    try:
        mapping.check(sources)
        rows, days = land_events(sources["events"], staged.landing("events"), mapping, sights)
        for feed in sorted(sources.keys() - {"events"}):
            file = staged.landing_day(feed, date_of(days[0])) / PART
            rows[feed], columns_of[feed] = land_catalogue(sources[feed], file, mapping)
        _replace(staged.root / "landing", into / "landing")
    finally:
        shutil.rmtree(staged.root, ignore_errors=True)
    details = {
        "first_day": date_of(days[0]).isoformat(),
        "last_day": date_of(days[-1]).isoformat(),
        "event_types": dict(sights.event_types.most_common()),
        "settings_file": str(into / "larder.toml"),
        "settings_file_written": write_first_settings(
            into, name=name or into.absolute().name, columns=mapping.columns, sights=sights,
            item_columns=columns_of["items"], user_columns=columns_of["users"],
        ),
    }  # fmt: skip
    return JobReport(
        job="import_shop", as_of=date_of(days[-1]), rows=rows, details=details,
        numbers={"repeat_share": sights.repeat_share}, seconds=time.perf_counter() - started,
    )  # fmt: skip


def _refuse_foreign_files(landing: Path) -> None:
    mark = landing / _MARK
    known = set(msgspec.json.decode(mark.read_bytes(), type=list[str])) if mark.is_file() else set()
    foreign = [file for file in _files_below(landing) if file not in known]
    if foreign:
        raise InputInvalid(
            f"{len(foreign)} landing files were not written by an import, {foreign[0]} among them.",
            where=str(landing),
            todo="Import into another folder, or move these away: an import replaces the landing folder.",
        )


def _files_below(landing: Path) -> list[str]:
    return sorted(str(f.relative_to(landing)) for f in landing.rglob("*") if f.is_file() and f != landing / _MARK)


def _replace(staged: Path, landing: Path) -> None:
    (staged / _MARK).write_bytes(msgspec.json.encode(_files_below(staged)))
    if landing.exists():
        landing.rename(staged.parent / "replaced")
    staged.rename(landing)
