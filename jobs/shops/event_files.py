"""A shop's events in landing files, a folder a day."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Final

import pyarrow as pa

from contracts.errors import AccountingError, InputInvalid
from jobs.shops import source_files, values
from jobs.shops.columns import EVENT_COLUMNS, Mapping
from jobs.shops.day_files import UNDATED, DayFiles
from jobs.shops.first_settings import Sights

_LOSSES: Final = {
    "timestamp": "unreadable_timestamps", "price": "unreadable_numbers", "quantity": "unreadable_numbers",
}  # fmt: skip


def land_events(source: Path, folder: Path, mapping: Mapping, sights: Sights) -> tuple[dict[str, int], list[int]]:
    """Counts of what became of the rows, and the event days since 1970, ascending.

    Args:
        source: a file or a folder of files.
        folder: where the day folders go; rows whose time cannot be read go to the first day's, their time null.
        mapping: the shop's columns.
        sights: is shown every block.

    Raises:
        InputInvalid: a corrupt file, a column of lists, or no event with a readable time.
        AccountingError: rows read and rows written differ.
    """
    chosen = {}
    for file in source_files.files_of(source):
        there = source_files.column_names(file)
        found = {ours: mapping.theirs(ours, there) for ours in EVENT_COLUMNS}
        chosen[file] = {ours: theirs for ours, theirs in found.items() if theirs is not None}
    present = {"event_type"}.union(*chosen.values())
    schema = pa.schema([(ours, kind) for ours, kind in EVENT_COLUMNS.items() if ours in present])
    counts = Counter(read=0, written=0, days=0, unreadable_timestamps=0, unreadable_numbers=0)
    with DayFiles(folder, schema) as day_files:
        for file, names in chosen.items():
            for block in source_files.blocks(file, list(dict.fromkeys(names.values()))):
                landed = _landed(block, names, schema, mapping, file=file, counts=counts)
                days = values.days_of(landed["timestamp"], missing=UNDATED)
                sights.add(landed, pa.array(days), file)
                day_files.add(landed, days)
        _refuse_undated(counts, source)
        by_day = day_files.finish()
    counts.update(written=sum(by_day.values()), days=len(by_day.keys() - {UNDATED}))
    _account(counts, source)
    return dict(counts), sorted(by_day.keys() - {UNDATED})


def _landed(
    block: pa.RecordBatch,
    names: dict[str, str],
    schema: pa.Schema,
    mapping: Mapping,
    *,
    file: Path,
    counts: Counter[str],
) -> pa.RecordBatch:
    arrays = []
    for ours, kind in zip(schema.names, schema.types, strict=True):
        if ours not in names:
            filler = mapping.default_event_type if ours == "event_type" else None
            arrays.append(pa.repeat(pa.scalar(filler, kind), block.num_rows))
            continue
        raw = block[names[ours]]
        try:
            typed = _typed(ours, raw, mapping)
        except pa.ArrowException as error:
            raise InputInvalid(
                f"Column {names[ours]} has values of type {raw.type}.", where=str(file), todo="Export single values."
            ) from error
        if ours in _LOSSES:
            missing = 0 if ours == "timestamp" else values.n_missing(raw)
            counts[_LOSSES[ours]] += typed.null_count - missing
        arrays.append(typed)
    counts["read"] += block.num_rows
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _typed(ours: str, raw: pa.Array, mapping: Mapping) -> pa.Array:
    if ours == "timestamp":
        return values.as_timestamp(raw, mapping.timestamp_pattern)
    return values.as_number(raw) if EVENT_COLUMNS[ours] == pa.float64() else values.as_text(raw)


def _refuse_undated(counts: Counter[str], source: Path) -> None:
    if counts["unreadable_timestamps"] < counts["read"]:
        return
    raise InputInvalid(
        f"None of the {counts['read']} timestamps can be read." if counts["read"] else "There is no event.",
        where=str(source),
        todo="Use ISO 8601 or seconds since 1970, or give a pattern: `--timestamp-pattern '%d/%m/%Y %H:%M'`.",
    )


def _account(counts: Counter[str], source: Path) -> None:
    if counts["written"] != counts["read"]:
        raise AccountingError(
            f"{counts['read']} events were read but {counts['written']} written.",
            where=str(source),
            todo="Import again; if it repeats, the files changed while they were read.",
        )
