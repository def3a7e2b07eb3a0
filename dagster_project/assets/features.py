"""Features of users and items as of a date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.ingest import (
    flagged_users,
    histories,
    interactions,
    item_vocabulary,
    items,
    user_vocabulary,
    users,
)
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import files_spec, step_of_many, table_spec
from jobs.training import build_features as features_job

GROUP: Final = "features"

user_features: Final = table_spec(tables.USER_FEATURES, group=GROUP)
item_features: Final = table_spec(tables.ITEM_FEATURES, group=GROUP)
item_arrays: Final = files_spec(
    "item_arrays", "Item features as dense arrays that every worker maps.", group=GROUP, kinds={"numpy"}
)


@step_of_many(
    specs=[user_features, item_features, item_arrays],
    deps=[flagged_users, histories, interactions, items, users, user_vocabulary, item_vocabulary],
)
def build_features(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """What is known of every user and item by the end of the date, and nothing later."""
    report = features_job.run(spark.session(), settings.load(), as_of=as_of(context))
    counts = {"user_features": "user_features_written", "item_features": "item_features_written", "item_arrays": None}
    yield from metadata.results(report, counts)


ASSETS: Final = (build_features,)
