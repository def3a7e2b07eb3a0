"""How good tonight's recipe would have been, and which lists it therefore publishes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.candidates import candidates
from dagster_project.assets.ingest import histories, interactions, items, users
from dagster_project.assets.ranker import examples, ranker, reliability
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import files_spec, step_of_many, table_spec
from jobs.evaluation import evaluate_holdout as holdout_job

GROUP: Final = "evaluation"

metrics: Final = table_spec(tables.METRICS, group=GROUP)
thresholds: Final = table_spec(tables.THRESHOLDS, group=GROUP)
fairness: Final = table_spec(tables.FAIRNESS, group=GROUP)
recall_ledger: Final = table_spec(tables.RECALL_LEDGER, group=GROUP)
extreme_users: Final = table_spec(tables.EXTREME_USERS, group=GROUP)
choice: Final = files_spec(
    "choice", "Whose lists each placement publishes: the two-stage ones, or a source's that they do not beat.",
    group=GROUP, kinds={"json"},
)  # fmt: skip


@step_of_many(
    specs=[metrics, thresholds, fairness, recall_ledger, extreme_users, choice],
    deps=[candidates, examples, ranker, reliability, interactions, histories, items, users],
)
def evaluate_holdout(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Every metric under every protocol on the newest past window, by a ranker that never saw it."""
    report = holdout_job.run(spark.session(), settings.load(), as_of=as_of(context))
    counts = {
        name: f"{name}_written" for name in ("metrics", "thresholds", "fairness", "recall_ledger", "extreme_users")
    }
    yield from metadata.results(report, {**counts, "choice": None})


ASSETS: Final = (evaluate_holdout,)
