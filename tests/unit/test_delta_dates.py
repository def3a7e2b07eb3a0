from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from contracts import tables

DAY = [dt.date(2024, 3, n) for n in range(10)[1:]]


def commit(folder: Path, version: int, *actions: dict[str, Any]) -> None:
    """One commit of a Delta log."""
    log = folder / "_delta_log"
    log.mkdir(parents=True, exist_ok=True)
    (log / f"{version:020}.json").write_text("".join(json.dumps(action) + "\n" for action in actions))


def add(path: str, date: dt.date) -> dict[str, Any]:
    """A file of one partition."""
    return {"add": {"path": path, "partitionValues": {"as_of": date.isoformat()}, "stats": None}}


def test_partitions_are_those_of_live_files(tmp_path: Path) -> None:
    """A removed file's date is gone, and a date that two files share counts once."""
    commit(tmp_path, 0, {"metaData": {}}, add("a", DAY[0]), add("b", DAY[1]))
    commit(tmp_path, 1, {"remove": {"path": "a"}}, add("c", DAY[1]), add("d", DAY[2]))
    assert delta_dates.dates(tmp_path, tables.RANKED) == [DAY[1], DAY[2]]
    assert delta_dates.span(tmp_path, tables.RANKED) == (DAY[1], DAY[2])


def test_a_checkpoint_stands_for_what_came_before(tmp_path: Path) -> None:
    """Commits up to the checkpoint may be gone; those after it count."""
    commit(tmp_path, 11, {"remove": {"path": "a"}}, add("c", DAY[4]))
    files = [{"path": "a", "partitionValues": [("as_of", str(DAY[0]))], "stats": None},
             {"path": "b", "partitionValues": [("as_of", str(DAY[1]))], "stats": None}, None]  # fmt: skip
    kind = pa.struct(
        [("path", pa.string()), ("partitionValues", pa.map_(pa.string(), pa.string())), ("stats", pa.string())]
    )
    pq.write_table(pa.table({"add": pa.array(files, kind)}), tmp_path / "_delta_log" / f"{10:020}.checkpoint.parquet")
    assert delta_dates.dates(tmp_path, tables.RANKED) == [DAY[1], DAY[4]]


def test_ranged_tables_tell_their_span_by_statistics(tmp_path: Path) -> None:
    """Without partition folders the span is that of the files' least and greatest values."""
    stats = [
        {"minValues": {"landing_date": str(DAY[a])}, "maxValues": {"landing_date": str(DAY[b])}}
        for a, b in ((0, 3), (2, 6))
    ]
    files = [{"add": {"path": str(n), "partitionValues": {}, "stats": json.dumps(s)}} for n, s in enumerate(stats)]
    commit(tmp_path, 0, *files)
    assert delta_dates.span(tmp_path, tables.EVENTS) == (DAY[0], DAY[6])


def test_no_table_has_no_dates(tmp_path: Path) -> None:
    """An absent table, and one without a file, have no span."""
    assert delta_dates.span(tmp_path, tables.EVENTS) is None
    assert not delta_dates.exists(tmp_path)
    commit(tmp_path, 0, {"metaData": {}})
    assert delta_dates.exists(tmp_path)
    assert delta_dates.span(tmp_path, tables.EVENTS) is None
