"""Landing folders, and what comes of them: events, the catalogue, day aggregates and histories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.nightly import as_of, first_day
from dagster_project.resources import SettingsResource, SparkResource
from dagster_project.steps import OWNERS, step, step_of_many, table_spec
from jobs.ingest import flag_users as flag_job
from jobs.ingest import ingest_catalogue as catalogue_job
from jobs.ingest import ingest_events as events_job
from jobs.ingest import update_interactions as interactions_job

GROUP: Final = "ingest"


def landing(feed: str, description: str) -> dg.AssetSpec:
    """The spec of a feed's landing folders."""
    return dg.AssetSpec(
        f"landing_{feed}", description=description, group_name="landing", kinds={"file"}, owners=list(OWNERS)
    )


landing_events: Final = landing("events", "Raw events as the shop lands them, a folder a day.")
landing_items: Final = landing("items", "The item catalogue as the shop lands it.")
landing_users: Final = landing("users", "The users and their attributes as the shop lands them.")

events: Final = table_spec(tables.EVENTS, group=GROUP)
quarantine: Final = table_spec(tables.QUARANTINE, group=GROUP)
user_vocabulary: Final = table_spec(tables.USER_VOCABULARY, group=GROUP)
item_vocabulary: Final = table_spec(tables.ITEM_VOCABULARY, group=GROUP)
items: Final = table_spec(tables.ITEMS, group=GROUP)
users: Final = table_spec(tables.USERS, group=GROUP)
interactions: Final = table_spec(tables.INTERACTIONS, group=GROUP)
histories: Final = table_spec(tables.HISTORIES, group=GROUP)


@step_of_many(specs=[events, quarantine, user_vocabulary, item_vocabulary], deps=[landing_events])
def ingest_events(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """Landing events split into accepted, quarantined and duplicate rows; ids never seen before get an index."""
    report = events_job.run(spark.session(), settings.load(), as_of=as_of(context), first=first_day(context))
    made = {"events": "accepted", "quarantine": "quarantined", "user_vocabulary": None, "item_vocabulary": None}
    yield from metadata.results(report, made)


@step_of_many(specs=[items, users], deps=[landing_items, landing_users, user_vocabulary, item_vocabulary])
def ingest_catalogue(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """The newest catalogue of items and users, indexed."""
    report = catalogue_job.run(spark.session(), settings.load(), as_of=as_of(context))
    yield from metadata.results(report, {"items": "items_written", "users": "users_written"})


@step_of_many(specs=[interactions, histories], deps=[events, user_vocabulary, item_vocabulary])
def update_interactions(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> Iterator[dg.MaterializeResult[Any]]:
    """The landed days' pairs of a user and an item, and every user's past as of the run's last day."""
    report = interactions_job.run(spark.session(), settings.load(), as_of=as_of(context), first=first_day(context))
    yield from metadata.results(report, {"interactions": "interactions_written", "histories": "histories_written"})


@step(
    deps=[interactions, histories, user_vocabulary, item_vocabulary],
    group=GROUP,
    kinds={"spark", "delta"},
    table=tables.FLAGGED_USERS,
)
def flagged_users(
    context: dg.AssetExecutionContext, spark: SparkResource, settings: SettingsResource
) -> dg.MaterializeResult[Any]:
    """Users beyond the limits of traffic, with the evidence: left out of what is learnt and counted, still served."""
    report = flag_job.run(spark.session(), settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="users_flagged"))


ASSETS: Final = (
    landing_events, landing_items, landing_users, ingest_events, ingest_catalogue, update_interactions, flagged_users,
)  # fmt: skip
