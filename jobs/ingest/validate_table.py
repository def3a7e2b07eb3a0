"""A staged table against its expectations, by Great Expectations."""

from __future__ import annotations

import datetime as dt
import logging
import os
import time
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame, SparkSession

from contracts import expectations
from contracts.errors import TableInvalid
from contracts.report import JobReport
from contracts.settings import Settings
from contracts.tables import Table
from jobs import storage
from jobs.paths import layout_of

if TYPE_CHECKING:
    from great_expectations.core import ExpectationSuiteValidationResult


def run(
    spark: SparkSession, settings: Settings, table: Table, *, as_of: dt.date, first: dt.date | None = None
) -> JobReport:
    """The facts that hold of the staged rows of `first` to `as_of` (one date by default).

    Raises:
        InputMissing: the table does not exist.
        TableInvalid: naming every fact that does not hold.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    dates = {"first": first or as_of, "last": as_of} if table.partition else {}
    rows = storage.read(spark, layout, table, **dates)
    results = validate(rows, table, settings)
    broken = [result for result in results if not result.success]
    if broken:
        raise TableInvalid(
            f"{len(broken)} of {len(results)} facts do not hold of {table.name} as of {as_of}: "
            + "; ".join(_told(result) for result in broken),
            where=str(layout.table(table)),
            todo="Nothing was published. Mend the input or the step that makes the table, then run it again.",
        )
    return JobReport(
        job="validate_table",
        as_of=as_of,
        rows={"expectations_met": len(results)},
        details={"table": table.name, "facts": [_fact(result) for result in results]},
        seconds=time.perf_counter() - started,
    )


def validate(rows: DataFrame, table: Table, settings: Settings) -> list[Any]:
    """One Great Expectations result a fact, in the suite's order; what failed to run counts as not holding."""
    return list(_validate(rows.selectExpr(*expectations.narrow_columns(table, settings)), table, settings).results)


def _validate(frame: DataFrame, table: Table, settings: Settings) -> ExpectationSuiteValidationResult:
    # Set before the import: the library reads it there, and a night reports to no one.
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_spark("staged", persist=False)
    batch = source.add_dataframe_asset(name=table.name).add_batch_definition_whole_dataframe("all").get_batch(
        batch_parameters={"dataframe": frame}
    )  # fmt: skip
    suite = expectations.suite_of(table, settings)
    return batch.validate(suite, result_format="BOOLEAN_ONLY")


def _fact(result: Any) -> str:
    return str(result.expectation_config.meta[expectations.FACT])


def _told(result: Any) -> str:
    failure = next((info.get("exception_message") for info in _exceptions(result.exception_info)), None)
    return f"{_fact(result)} (could not be computed: {failure})" if failure else _fact(result)


def _exceptions(info: dict[str, Any] | None) -> list[dict[str, Any]]:
    candidates = [info, *info.values()] if info else []
    return [entry for entry in candidates if isinstance(entry, dict) and entry.get("exception_message")]
