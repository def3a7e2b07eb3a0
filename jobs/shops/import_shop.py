"""A shop's own files in the landing layout: a folder a day for events, one catalogue each for items and users."""

from __future__ import annotations

import time
from pathlib import Path

from contracts.report import JobReport
from jobs.shops.catalogue_files import land_catalogue
from jobs.shops.columns import Mapping
from jobs.shops.day_files import PART, date_of
from jobs.shops.event_files import land_events
from jobs.shops.first_settings import Sights, write_first_settings
from jobs.shops.staging import staged_landing


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
    sights = Sights()
    columns_of: dict[str, list[str]] = {"users": []}
    with staged_landing(into) as staged:
        mapping.check(sources)
        rows, days = land_events(sources["events"], staged.landing("events"), mapping, sights)
        for feed in sorted(sources.keys() - {"events"}):
            file = staged.landing_day(feed, date_of(days[0])) / PART
            rows[feed], columns_of[feed] = land_catalogue(sources[feed], file, mapping)
    wrote = write_first_settings(
        into, name=name or into.absolute().name, columns=mapping.columns, sights=sights,
        item_columns=columns_of["items"], user_columns=columns_of["users"],
    )  # fmt: skip
    return JobReport(
        job="import_shop",
        as_of=date_of(days[-1]),
        rows=rows,
        numbers={"repeat_share": sights.repeat_share},
        details={
            "first_day": date_of(days[0]).isoformat(),
            "last_day": date_of(days[-1]).isoformat(),
            "event_types": dict(sights.event_types.most_common()),
            "settings_file": str(into / "larder.toml"),
            "settings_file_written": wrote,
        },
        seconds=time.perf_counter() - started,
    )
