"""Models that propose candidates: ALS and item neighbours."""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from dagster_project import metadata
from dagster_project.assets.features import item_arrays
from dagster_project.assets.ingest import flagged_users, histories, interactions, items, users
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import step
from jobs.training import train_als, train_neighbours

GROUP: Final = "models"


@step(deps=[histories, item_arrays, flagged_users], group=GROUP, kinds={"numpy", "python"})
def als(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """Factors of users and items by implicit ALS, going on from the last night's."""
    report = train_als.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


@step(deps=[interactions, histories, items, users, item_arrays, flagged_users], group=GROUP, kinds={"numpy", "spark"})
def neighbours(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """Items bought together, alike by content or of one category, and what each segment buys."""
    report = train_neighbours.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


ASSETS: Final = (als, neighbours)
