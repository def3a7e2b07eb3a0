"""What the ranker scores, and the lists that come of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.candidates import candidates
from dagster_project.assets.features import item_arrays, item_features, user_features
from dagster_project.assets.holdout import choice
from dagster_project.assets.ingest import histories, items, users
from dagster_project.assets.models import als, neighbours
from dagster_project.assets.ranker import ranker
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import step, step_of_many, table_spec
from jobs.publishing import stage_snapshot
from jobs.ranking import measure_rules, rank_candidates, rerank_lists

GROUP: Final = "ranking"

top_n_lists: Final = table_spec(tables.TOP_N_LISTS, group=GROUP)
fallback_lists: Final = table_spec(tables.FALLBACK_LISTS, group=GROUP)


@step(
    deps=[candidates, user_features, item_features, item_arrays, ranker],
    group=GROUP,
    kinds={"spark", "lightgbm", "delta"},
    table=tables.RANKED,
)
def ranked(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """Tonight's candidates with their ranker score."""
    report = rank_candidates.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="lists_ranked"))


@step_of_many(
    specs=[top_n_lists, fallback_lists],
    deps=[ranked, candidates, choice, als, neighbours, item_arrays, histories, items, users],
)
def rerank(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """The lists as they will be served, after objectives, caps and the already-bought rule; and the fallbacks."""
    report = rerank_lists.run(spark.session(), settings.load(), as_of=as_of(context))
    counts = {"top_n_lists": "lists_written", "fallback_lists": "fallback_lists_written"}
    yield from metadata.results(report, counts)


@step(
    deps=[top_n_lists, ranked, candidates, choice, als, item_arrays, histories],
    group=GROUP,
    kinds={"spark", "delta"},
    table=tables.RULE_EFFECTS,
)
def rule_effects(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """What each of the shop's rules moved in tonight's lists, and which names in them no item has."""
    report = measure_rules.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="rules"))


@step(deps=[top_n_lists, fallback_lists, items, users], group=GROUP, kinds={"python", "file"})
def staged_snapshot(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """The very bytes that the gates judge: lists, fallbacks and items in one directory, not yet in the store."""
    report = stage_snapshot.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


ASSETS: Final = (ranked, rerank, rule_effects, staged_snapshot)
