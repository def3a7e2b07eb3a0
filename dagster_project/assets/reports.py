"""The pages for people, from what the night left: written at its end; when a step fails, by a hook of the job."""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from dagster_project import metadata
from dagster_project.assets.evaluation import backtests, blessing, changes
from dagster_project.assets.holdout import choice, extreme_users, fairness, metrics, recall_ledger, thresholds
from dagster_project.assets.ingest import flagged_users, items
from dagster_project.assets.outcomes import outcome_rates
from dagster_project.assets.publishing import digest, pointer
from dagster_project.assets.ranker import ranker, reliability
from dagster_project.assets.ranking import rule_effects, staged_snapshot
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource
from dagster_project.steps import step
from jobs.reports import night_report as report_job

GROUP: Final = "reports"


@step(
    deps=[
        metrics, thresholds, fairness, recall_ledger, extreme_users, choice, reliability, ranker, flagged_users, items,
        rule_effects, staged_snapshot, changes, blessing, backtests, pointer, digest, outcome_rates,
    ],
    group=GROUP,
    kinds={"python", "html"},
)  # fmt: skip
def night_report(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """One page of the night for everyone, and the fairness page of its month."""
    report = report_job.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


ASSETS: Final = (night_report,)
