"""Which of a shop's columns is which of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyarrow as pa

from contracts.errors import InputInvalid
from jobs.shops import source_files, values

_TEXT, _NUMBER = pa.string(), pa.float64()
EVENT_COLUMNS: Final[dict[str, pa.DataType]] = {
    "event_id": _TEXT, "user_id": _TEXT, "item_id": _TEXT, "event_type": _TEXT, "timestamp": values.TIMESTAMP,
    "price": _NUMBER, "quantity": _NUMBER, "order_id": _TEXT,
}  # fmt: skip
CATALOGUE_TEXTS: Final = ("item_id", "user_id", "title", "category", "department", "brand", "image_url", "segment")
CATALOGUE_NUMBERS: Final = ("price", "margin")
_OURS: Final = frozenset({*EVENT_COLUMNS, *CATALOGUE_TEXTS, *CATALOGUE_NUMBERS, "is_available", "first_seen"})
_REQUIRED: Final = {
    "events": ("user_id", "item_id", "event_type", "timestamp"), "items": ("item_id",), "users": ("user_id",),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mapping:
    """How to read a shop's columns.

    Attributes:
        columns: our column name -> the shop's.
        default_event_type: type of every event where the shop has no such column.
        timestamp_pattern: strptime pattern of timestamps that are text but not ISO 8601.
    """

    columns: dict[str, str] = field(default_factory=dict)
    default_event_type: str | None = None
    timestamp_pattern: str | None = None

    def theirs(self, ours: str, there: list[str]) -> str | None:
        """The column among `there` that is `ours`: the mapped one, else the one of the same name, else None."""
        return next((name for name in (self.columns.get(ours), ours) if name in there), None)

    def landing_names(self, theirs: list[str]) -> list[str]:
        """Our name for each of a catalogue's columns, in order, unique without regard to case.

        A mapped column takes our name; another one that has that name, or `date` (which the folders use), is kept as
        `shop_` and its name.
        """
        mapped = {shop: ours for ours, shop in self.columns.items() if shop in theirs}
        taken = {"date", *(ours.lower() for ours in mapped.values())}
        names = []
        for shop in theirs:
            name = mapped.get(shop, shop)
            while shop not in mapped and name.lower() in taken:
                name = f"shop_{name}"
            taken.add(name.lower())
            names.append(name)
        return names

    def check(self, sources: dict[str, Path]) -> None:
        """Refuses files that lack a column, before any is read.

        Raises:
            InputMissing: a file is not there.
            InputInvalid: a required column is missing, or the mapping names a column that is nobody's.
        """
        unknown = sorted(set(self.columns) - _OURS)
        if unknown:
            raise InputInvalid(
                f"The mapping names {', '.join(unknown)}, which is no column of ours.",
                where="--map",
                todo=f"Write ours=theirs; ours are {', '.join(sorted(_OURS))}.",
            )
        everywhere: set[str] = set()
        for feed, source in sources.items():
            for file in source_files.files_of(source):
                there = source_files.column_names(file)
                everywhere.update(there)
                self._check_file(feed, file, there)
        absent = sorted(set(self.columns.values()) - everywhere)
        if absent:
            raise InputInvalid(
                f"The mapping names {', '.join(absent)}, which is in none of the files.",
                where="--map",
                todo=f"Correct it; the files have {', '.join(sorted(everywhere))}.",
            )

    def _check_file(self, feed: str, file: Path, there: list[str]) -> None:
        for ours in _REQUIRED[feed]:
            if self.theirs(ours, there) is not None or (ours == "event_type" and self.default_event_type):
                continue
            also = "; or name the type of all events: `--event-type purchase`" if ours == "event_type" else ""
            raise InputInvalid(
                f"Column {self.columns.get(ours, ours)} is missing; there are {', '.join(there) or 'none'}.",
                where=str(file),
                todo=f"Say which one it is: `larder import --map {ours}=...`{also}.",
            )
