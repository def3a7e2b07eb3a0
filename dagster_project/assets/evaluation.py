"""What tonight's lists change, and whether they may be published."""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.candidates import candidates
from dagster_project.assets.features import item_arrays, user_features
from dagster_project.assets.holdout import choice, fairness, metrics, thresholds
from dagster_project.assets.ingest import histories, interactions, items, users
from dagster_project.assets.ranker import ranker
from dagster_project.assets.ranking import fallback_lists, ranked, rule_effects, staged_snapshot, top_n_lists
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import step
from jobs.evaluation import backtest_published, check_gates
from jobs.publishing import measure_changes

GROUP: Final = "evaluation"


@step(deps=[staged_snapshot], group=GROUP, kinds={"python", "delta"}, table=tables.CHANGES)
def changes(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """What tonight's lists would change for the users of those served now, and how a shadow differs from them."""
    report = measure_changes.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="changes_written"))


@step(
    deps=[
        metrics, thresholds, fairness, choice, changes, rule_effects, staged_snapshot, top_n_lists, fallback_lists,
        interactions,
        items, users, histories, user_features, item_arrays, ranker,
    ],
    group=GROUP,
    kinds={"spark", "json"},
)  # fmt: skip
def blessing(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """The gates' verdict: the one manifest that may be published. Yellow warns, red holds the night."""
    report = check_gates.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


@step(
    deps=[histories, interactions, items, users, candidates, ranked],
    group=GROUP,
    kinds={"spark", "delta"},
    table=tables.BACKTESTS,
)
def backtests(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """The lists published four weeks ago, read back from their snapshot, against what followed them."""
    report = backtest_published.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="metrics_written"))


ASSETS: Final = (backtests, changes, blessing)
