"""Blocking checks: what was staged must keep its contract before anything is built on it."""

from typing import Any, Final

import dagster as dg

from contracts import tables
from contracts.tables import Table
from dagster_project import metadata
from dagster_project.nightly import as_of, days_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import failures_named
from jobs.paths import layout_of
from jobs.root_locks import working

VALIDATED: Final = (tables.EVENTS, tables.ITEMS, tables.TOP_N_LISTS)


def _keeps_its_contract(table: Table) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table.name,
        name="contract",
        description=f"Types, nulls, ranges, keys and written rules of {table.name}, by Great Expectations. Blocking.",
        blocking=True,
    )
    def check(
        context: dg.AssetCheckExecutionContext, spark: SparkResource, settings: SettingsResource
    ) -> dg.AssetCheckResult:
        from jobs.ingest import validate_table

        first = days_of(dict(context.run.tags)).first if table.is_ranged else None
        try:
            given = settings.load()
            with failures_named(), working(layout_of(given)):
                report = validate_table.run(spark.session(), given, table, as_of=as_of(context), first=first)
        except dg.Failure as failure:
            return _red(failure)
        return dg.AssetCheckResult(passed=True, metadata=metadata.of_report(report))

    return check


def _red(failure: dg.Failure) -> dg.AssetCheckResult:
    told: dict[str, Any] = dict(failure.metadata)
    return dg.AssetCheckResult(
        passed=False, severity=dg.AssetCheckSeverity.ERROR, description=failure.description, metadata=told
    )


all_checks: Final = [_keeps_its_contract(table) for table in VALIDATED]
