"""What the Delta tables hold, asked of their logs by delta-rs, and small writes: in milliseconds, without Java."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import deltalake
import pyarrow as pa
import pyarrow.dataset as pads
from deltalake.exceptions import DeltaError, TableNotFoundError

from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from contracts.tables import Column, Table
from jobs.parquet_rows import dataset


@dataclass(frozen=True, slots=True)
class LiveFile:
    """One Parquet file of a table; `low` and `high` bound its partition column, or all dates where that is unknown."""

    path: str
    low: dt.date
    high: dt.date


def exists(layout: Layout, table: Table) -> bool:
    """Whether the table was ever written."""
    return _log(layout, table) is not None


def create(layout: Layout, table: Table) -> None:
    """Creates the empty table with its declared columns, documentation and partitioning where it is absent.

    A table that is there gets the nullable columns that it lacks; its rows have nulls in them. Statistics are kept of
    the partition column alone: nothing reads the others.

    Raises:
        InputInvalid: it lacks a column that may not be null.
    """
    log = _log(layout, table)
    if log is not None:
        _add_columns(log, layout, table)
        return
    folders = [] if table.is_ranged else list(table.partition)
    configuration = {"delta.enableDeletionVectors": "false", "delta.dataSkippingNumIndexedCols": "0"}
    if table.is_ranged:
        configuration["delta.dataSkippingStatsColumns"] = ",".join(table.partition)
    deltalake.DeltaTable.create(
        str(layout.table(table)),
        deltalake.Schema.from_json(json.dumps(_schema(table.columns))),
        mode="ignore",
        partition_by=folders or None,
        description=table.doc,
        configuration=configuration,
        raise_if_key_not_exists=False,
    )


def files(layout: Layout, table: Table, *, first: dt.date | None = None, last: dt.date | None = None) -> list[LiveFile]:
    """Live files that may hold rows of the dates, in a fixed order; none where the table was never written."""
    log = _log(layout, table)
    if log is None:
        return []
    low_name, high_name = _bound_names(table)
    rows: list[dict[str, Any]] = pa.table(log.get_add_actions(flatten=True)).to_pylist()
    root = layout.table(table)
    found = [
        LiveFile(str(root / row["path"]), row.get(low_name) or dt.date.min, row.get(high_name) or dt.date.max)
        for row in sorted(rows, key=lambda row: str(row["path"]))
        if row["num_records"] != 0
    ]
    return [file for file in found if file.high >= (first or dt.date.min) and file.low <= (last or dt.date.max)]


def dates(layout: Layout, table: Table) -> list[dt.date]:
    """Dates that hold rows, ascending, of a table kept in one folder a date."""
    return sorted({file.low for file in files(layout, table)})


def span(layout: Layout, table: Table) -> tuple[dt.date, dt.date] | None:
    """First and last date of the partition column; None where there is no row or no such column."""
    if not table.partition:
        return None
    found = files(layout, table)
    return (min(file.low for file in found), max(file.high for file in found)) if found else None


def version(layout: Layout, table: Table) -> int:
    """The number of the table's last commit; -1 where it was never written."""
    log = _log(layout, table)
    return -1 if log is None else int(log.version())


def rows_written(layout: Layout, table: Table, *, after: int) -> int:
    """New rows of the last commit, by the writer's own count; 0 where none followed the version `after`.

    Replacing no rows by no rows makes no commit: the last one is then of another write. Rows of other dates that were
    copied because they share a file with replaced ones do not count.
    """
    log = _log(layout, table)
    if log is None or int(log.version()) == after:
        return 0
    metrics = log.history(1)[0].get("operationMetrics", {})
    return int(metrics.get("numOutputRows", 0)) - int(metrics.get("numCopiedRows", 0))


def missing(layout: Layout, table: Table, as_of: dt.date | None = None) -> InputMissing:
    """The error for a table, or a date of it, that is not there."""
    what = f"has no rows as of {as_of}" if as_of else "does not exist yet"
    how = f" with --as-of {as_of}" if as_of else ""
    return InputMissing(
        f"The table {table.name} {what}.",
        where=str(layout.table(table)),
        todo=f"Run the step that makes {table.name}{how}; `larder status` shows what is there.",
    )


def where(
    layout: Layout, table: Table, column: str, values: Sequence[Any], *, as_of: dt.date | None = None
) -> pa.Table:
    """The rows whose `column` is one of `values`, of one date or of the whole table; none where it was never written.

    All columns that the files have, `as_of` not among them. A row group without such a value is not read.
    """
    found = files(layout, table, first=as_of, last=as_of)
    if not found:
        return pa.table({})
    rows = dataset([file.path for file in found])
    return rows.to_table(filter=pads.field(column).isin(list(values))).combine_chunks()


def batches(layout: Layout, table: Table, as_of: dt.date, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of one date, in blocks.

    Raises:
        InputMissing: there are none.
    """
    found = files(layout, table, first=as_of, last=as_of)
    if not found:
        raise missing(layout, table, as_of)
    yield from dataset([file.path for file in found]).to_batches(columns=list(columns))


def n_rows(layout: Layout, table: Table, as_of: dt.date) -> int:
    """Rows of one date, as the files' footers count them."""
    return sum(dataset([file.path]).count_rows() for file in files(layout, table, first=as_of, last=as_of))


def columns_of(layout: Layout, table: Table, as_of: dt.date, wanted: Sequence[str]) -> tuple[str, ...]:
    """Those of the columns that the files of one date have: files older than a nullable column lack it."""
    found = files(layout, table, first=as_of, last=as_of)
    names = dataset([file.path for file in found]).schema.names if found else []
    return tuple(name for name in wanted if name in names)


def rows(layout: Layout, table: Table, as_of: dt.date) -> list[dict[str, Any]]:
    """The few rows of one date of a table that no Spark job makes, in the order of its key, without `as_of`.

    Raises:
        InputMissing: there are none.
    """
    columns = [column for column in table.column_names if column not in table.partition]
    data = pa.Table.from_batches(list(batches(layout, table, as_of, columns)))
    keys = [(name, "ascending") for name in table.key if name in columns]
    found: list[dict[str, Any]] = data.sort_by(keys).to_pylist()
    return found


def batches_between(
    layout: Layout, table: Table, first: dt.date, last: dt.date, columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of some dates, in blocks; none where there are none."""
    found, day = files(layout, table, first=first, last=last), pads.field(table.partition[0])
    inside = (day >= pa.scalar(first)) & (day <= pa.scalar(last)) if table.is_ranged else None
    if found:
        rows = dataset([file.path for file in found])
        yield from rows.to_batches(columns=list(columns), filter=inside)


def replace_as_of(layout: Layout, table: Table, rows: Sequence[dict[str, Any]], as_of: dt.date) -> int:
    """Replaces the partition of one date by a few rows, which come without `as_of`. Returns rows written.

    For what no Spark job makes; rows of users and items are written by `jobs.storage`.
    """
    create(layout, table)
    data = pa.Table.from_pylist([{**row, "as_of": as_of} for row in rows], schema=_arrow_schema(table))
    of_date = f"{table.partition[0]} = '{as_of.isoformat()}'"
    deltalake.write_deltalake(str(layout.table(table)), data, mode="overwrite", predicate=of_date)
    return len(rows)


_ARROW_TYPES: Final = {
    "string": pa.string(),
    "double": pa.float64(),
    "date": pa.date32(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "boolean": pa.bool_(),
    "array<int>": pa.list_(pa.int32()),
    "array<string>": pa.list_(pa.string()),
}


def _arrow_schema(table: Table) -> pa.Schema:
    return pa.schema([pa.field(c.name, _ARROW_TYPES[c.type], nullable=c.nullable) for c in table.columns])


def _add_columns(log: deltalake.DeltaTable, layout: Layout, table: Table) -> None:
    known = {field.name for field in log.schema().fields}
    lacking = [column for column in table.columns if column.name not in known]
    if required := [column.name for column in lacking if not column.nullable]:
        raise InputInvalid(
            f"The table {table.name} lacks the columns {', '.join(required)}.",
            where=str(layout.table(table)),
            todo="Delete the folder of the table and make its dates again.",
        )
    if lacking:
        log.alter.add_columns(deltalake.Schema.from_json(json.dumps(_schema(lacking))).fields)


def replace(layout: Layout, table: Table, batches: Iterator[pa.RecordBatch], partition: Mapping[str, str]) -> None:
    """Replaces one partition by `batches`, streamed, without a Java process; a repeat leaves the same rows.

    Args:
        layout: of the root.
        table: kept in folders, one a value of its partition columns.
        batches: all columns of the table in order, all rows of that partition; at least one batch.
        partition: value by partition column, dates as ISO text.
    """
    create(layout, table)
    first = next(batches)
    reader = pa.RecordBatchReader.from_batches(first.schema, itertools.chain([first], batches))
    where = " AND ".join(f"{name} = '{value}'" for name, value in partition.items())
    deltalake.write_deltalake(str(layout.table(table)), reader, mode="overwrite", predicate=where)


def partition(
    layout: Layout, table: Table, values: Mapping[str, str], columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of one partition, in blocks; none where there is no such partition.

    Args:
        layout: of the root.
        table: kept in folders, one a value of its partition columns.
        values: value by partition column, dates as ISO text; a column that is left out may have any.
        columns: none of them a partition column.
    """
    log = _log(layout, table)
    if log is None:
        return
    paths = log.file_uris([(name, "=", value) for name, value in values.items()])
    if paths:
        yield from dataset(sorted(paths)).to_batches(columns=list(columns))


def _schema(columns: Sequence[Column]) -> dict[str, Any]:
    """The columns in the words of Delta's log."""
    fields = [
        {"name": c.name, "type": _log_type(c.type), "nullable": c.nullable, "metadata": {"comment": c.doc}}
        for c in columns
    ]
    return {"type": "struct", "fields": fields}


def _log_type(ddl: str) -> object:
    inner = ddl.partition("<")[2].removesuffix(">")
    if ddl.startswith("array<"):
        return {"type": "array", "elementType": _log_type(inner), "containsNull": True}
    if ddl.startswith("map<"):
        key, _, value = inner.partition(",")
        return {"type": "map", "keyType": _log_type(key), "valueType": _log_type(value), "valueContainsNull": True}
    return {"int": "integer", "bigint": "long", "smallint": "short", "tinyint": "byte"}.get(ddl, ddl)


def _bound_names(table: Table) -> tuple[str, str]:
    if not table.partition:
        return "", ""
    column = table.partition[0]
    return (f"min.{column}", f"max.{column}") if table.is_ranged else (f"partition.{column}", f"partition.{column}")


def _log(layout: Layout, table: Table) -> deltalake.DeltaTable | None:
    path = layout.table(table)
    try:
        return deltalake.DeltaTable(str(path))
    except TableNotFoundError:
        return None
    except DeltaError as error:
        raise InputInvalid(
            f"The transaction log of {table.name} cannot be read: {error}",
            where=str(path),
            todo="Restore the folder from a copy; the landing files can be ingested again.",
        ) from error
