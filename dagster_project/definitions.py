"""Everything Dagster loads: assets, checks, the nightly job, its schedule and its resources."""

from __future__ import annotations

import warnings

from dagster_shared.utils.warnings import BetaWarning

warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=BetaWarning)

import dagster as dg  # noqa: E402  the warning is silenced before anything can raise it

from dagster_project.assets import (  # noqa: E402
    candidates,
    evaluation,
    features,
    holdout,
    ingest,
    models,
    outcomes,
    publishing,
    ranker,
    ranking,
    reports,
)
from dagster_project.checks import all_checks  # noqa: E402
from dagster_project.nightly import nightly_job, nightly_schedule  # noqa: E402
from dagster_project.resources import SettingsResource, SparkResource  # noqa: E402

MODULES = (ingest, features, models, candidates, ranker, holdout, ranking, evaluation, publishing, outcomes, reports)


def build(settings: SettingsResource, *, is_quiet: bool = False) -> dg.Definitions:
    """The definitions, working with `settings`; quiet ones send Spark's own log to a file."""
    return dg.Definitions(
        assets=[asset for module in MODULES for asset in module.ASSETS],
        asset_checks=all_checks,
        jobs=[nightly_job],
        schedules=[nightly_schedule],
        resources={"settings": settings, "spark": SparkResource(settings=settings, is_quiet=is_quiet)},
        executor=dg.in_process_executor,
    )


defs = build(SettingsResource())
