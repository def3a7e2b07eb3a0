"""Every user's proposed items."""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.features import item_arrays, user_features
from dagster_project.assets.ingest import histories
from dagster_project.assets.models import als, neighbours
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import step
from jobs.ranking import generate_candidates


@step(
    deps=[als, neighbours, item_arrays, user_features, histories],
    group="candidates",
    kinds={"spark", "numpy", "delta"},
    table=tables.CANDIDATES,
)
def candidates(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """Items that the sources propose for each user, with every source's score and rank."""
    report = generate_candidates.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="users"))


ASSETS: Final = (candidates,)
