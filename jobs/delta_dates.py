"""Which dates a Delta table holds, read from its log without a Java process."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from contracts.tables import Table

_LOG: Final = "_delta_log"
_DIGITS: Final = 20


def span(folder: Path, table: Table) -> tuple[dt.date, dt.date] | None:
    """First and last date of the table's partition column; None where the table is absent or holds no dated file."""
    if not table.partition:
        return None
    found = [day for day in _bounds(folder, table.partition[0]) if day is not None]
    return (min(found), max(found)) if found else None


def dates(folder: Path, table: Table) -> list[dt.date]:
    """Dates of the partitions of a table that has a folder a date, ascending."""
    return sorted({day for day in _bounds(folder, table.partition[0]) if day is not None}) if table.partition else []


def exists(folder: Path) -> bool:
    """Whether a Delta table lies in the folder."""
    return (folder / _LOG).is_dir()


def _bounds(folder: Path, column: str) -> Iterator[dt.date | None]:
    for add in _live_files(folder).values():
        values = add.get("partitionValues") or {}
        if column in values:
            yield _date(values[column])
            continue
        stats = json.loads(add.get("stats") or "{}")
        yield _date(stats.get("minValues", {}).get(column))
        yield _date(stats.get("maxValues", {}).get(column))


def _live_files(folder: Path) -> dict[str, dict[str, Any]]:
    log = folder / _LOG
    version, live = _checkpoint(log)
    for commit in sorted(log.glob("*.json")):
        if len(commit.stem) != _DIGITS or not commit.stem.isdigit() or int(commit.stem) <= version:
            continue
        for line in commit.read_text(encoding="utf-8").splitlines():
            action = json.loads(line)
            if "add" in action:
                live[action["add"]["path"]] = action["add"]
            elif "remove" in action:
                live.pop(action["remove"]["path"], None)
    return live


def _checkpoint(log: Path) -> tuple[int, dict[str, dict[str, Any]]]:
    """The version of the latest checkpoint and its files; -1 and none where there is no checkpoint."""
    found = sorted(log.glob("*.checkpoint.parquet"))
    if not found:
        return -1, {}
    import pyarrow.parquet as pq

    adds = pq.read_table(found[-1], columns=["add"])["add"].to_pylist()
    live = {add["path"]: {**add, "partitionValues": dict(add["partitionValues"] or ())} for add in adds if add}
    return int(found[-1].name[:_DIGITS]), live


def _date(text: str | None) -> dt.date | None:
    return dt.date.fromisoformat(text[:10]) if text else None
