"""What every slot of a snapshot shows, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.ingest import items, landing
from dagster_project.assets.ranking import fallback_lists, staged_snapshot, top_n_lists
from dagster_project.nightly import as_of, first_day
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import step, step_of_many, table_spec
from jobs.outcomes import ingest_outcomes as outcomes_job
from jobs.outcomes import log_slots, report_outcomes

GROUP: Final = "outcomes"

landing_outcomes: Final = landing(
    "outcomes", "What users did with shown lists, as the shop lands it; no day is no error."
)
outcomes: Final = table_spec(tables.OUTCOMES, group=GROUP)
outcome_quarantine: Final = table_spec(tables.OUTCOME_QUARANTINE, group=GROUP)


@step(deps=[staged_snapshot, top_n_lists, items], group=GROUP, kinds={"python", "delta"}, table=tables.SLOTS)
def slots(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """The log of the staged snapshot: item, source and exact propensity of every slot."""
    report = log_slots.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="lists_logged"))


@step_of_many(specs=[outcomes, outcome_quarantine], deps=[landing_outcomes, slots])
def ingest_outcomes(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Landed outcomes split into accepted, quarantined and duplicate rows, joined with the slot log."""
    report = outcomes_job.run(spark.session(), settings.load(), as_of=as_of(context), first=first_day(context))
    yield from metadata.results(report, {"outcomes": "accepted", "outcome_quarantine": "quarantined"})


@step(deps=[outcomes, slots, fallback_lists, items], group=GROUP, kinds={"python", "delta"}, table=tables.OUTCOME_RATES)
def outcome_rates(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """Clicks, purchases and dwell of four weeks with intervals, other policies' worth, the preferred team."""
    report = report_outcomes.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="rates"))


ASSETS: Final = (landing_outcomes, slots, ingest_outcomes, outcome_rates)
