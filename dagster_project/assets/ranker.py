"""The ranker and the examples that it learned from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.candidates import candidates
from dagster_project.assets.ingest import flagged_users, histories, interactions, items, users
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import files_spec, step_of_many, table_spec
from jobs.training import train_ranker as ranker_job

GROUP: Final = "ranking"

examples: Final = table_spec(tables.EXAMPLES, group=GROUP)
ranker: Final = files_spec("ranker", "LightGBM lambdarank, two boosters a placement.", group=GROUP, kinds={"lightgbm"})
reliability: Final = table_spec(tables.RELIABILITY, group=GROUP)


@step_of_many(
    specs=[examples, ranker, reliability], deps=[candidates, interactions, histories, items, users, flagged_users]
)
def train_ranker(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Past candidates with what followed, and the ranker that learned from them.

    Impressions are those that earlier nights ingested: of tonight's nothing is known yet, so no arrow leads here.
    """
    report = ranker_job.run(spark.session(), settings.load(), as_of=as_of(context))
    yield from metadata.results(report, {"examples": "examples", "ranker": None, "reliability": "reliability_bins"})


ASSETS: Final = (train_ranker,)
