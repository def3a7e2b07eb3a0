"""Contracts and job reports as Dagster metadata: column schema, column lineage, row counts, plots."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

import dagster as dg

from contracts import errors
from contracts.errors import LarderError
from contracts.report import JobReport
from contracts.tables import Column, Table

REPORT: Final = "report"
_ERROR: Final = "larder_error"


def of_table(table: Table) -> dict[str, Any]:
    """Column schema and column lineage of a table, under the names that Dagster draws."""
    lineage = {
        column.name: [_column_dep(source) for source in column.derived_from]
        for column in table.columns
        if column.derived_from
    }
    schema = dg.TableSchema(
        columns=[_column(column, table) for column in table.columns],
        constraints=dg.TableConstraints(other=[f"unique: {', '.join(table.key)}"] if table.key else []),
    )
    made: dict[str, Any] = {"dagster/column_schema": schema, "partition_expr": ", ".join(table.partition)}
    if lineage:
        made["dagster/column_lineage"] = dg.TableColumnLineage(deps_by_column=lineage)
    return {name: value for name, value in made.items() if value != ""}


def of_report(report: JobReport, *, rows: str | None = None) -> dict[str, Any]:
    """A report's facts: counts, numbers and seconds plottable, details as text, the whole as JSON.

    Args:
        rows: which of the report's counts is the asset's own row count.
    """
    made: dict[str, Any] = {name: dg.MetadataValue.int(n) for name, n in report.rows.items()}
    made |= {name: dg.MetadataValue.float(x) for name, x in report.numbers.items() if math.isfinite(x)}
    made |= {name: _shown(name, value) for name, value in report.details.items()}
    if rows is not None and rows in report.rows:
        made["dagster/row_count"] = report.rows[rows]
    made["as_of"] = report.as_of.isoformat()
    made["seconds"] = dg.MetadataValue.float(report.seconds)
    made[REPORT] = dg.MetadataValue.json(json.loads(json.dumps(report.as_dict(), default=str)))
    return made


def results(report: JobReport, rows: Mapping[str, str | None]) -> Iterator[dg.MaterializeResult[Any]]:
    """One result for each asset that a job made.

    Args:
        rows: asset name -> which of the report's counts is its own row count.
    """
    for name, count in rows.items():
        yield dg.MaterializeResult(asset_key=name, metadata=of_report(report, rows=count))


def of_error(error: LarderError) -> dict[str, Any]:
    """What, where and what to do, as the failed step shows it; `error_of` reads it back."""
    return {
        "where": error.where,
        "to do": error.todo,
        _ERROR: dg.MetadataValue.json(error.as_dict()),
    }


def error_of(metadata: Mapping[str, Any]) -> LarderError | None:
    """The error that `of_error` wrote, None where there is none."""
    value = metadata.get(_ERROR)
    if value is None:
        return None
    told = value.data if hasattr(value, "data") else value
    kind = getattr(errors, told["error"], LarderError)
    return kind(told["what"], where=told["where"], todo=told["todo"])


def _column(column: Column, table: Table) -> dg.TableColumn:
    is_unique = table.key == (column.name,)
    constraints = dg.TableColumnConstraints(nullable=column.nullable, unique=is_unique)
    return dg.TableColumn(name=column.name, type=column.type, description=column.doc, constraints=constraints)


def _column_dep(source: str) -> dg.TableColumnDep:
    table, column = source.split(".", 1)
    return dg.TableColumnDep(asset_key=table, column_name=column)


def _shown(name: str, value: object) -> Any:
    if isinstance(value, str):
        return dg.MetadataValue.md(f"```\n{value}\n```") if name == "table" else value
    if isinstance(value, bool | int | float):
        return value
    return dg.MetadataValue.json(json.loads(json.dumps(value, default=str)))
