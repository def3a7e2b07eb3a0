"""The snapshot, the pointer that names it, and the email team's digest. No Java process is needed from here on."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import dagster as dg

from dagster_project import metadata
from dagster_project.assets.candidates import candidates
from dagster_project.assets.evaluation import blessing
from dagster_project.assets.features import item_features, user_features
from dagster_project.assets.ingest import histories, item_vocabulary, items, user_vocabulary, users
from dagster_project.assets.models import als
from dagster_project.assets.outcomes import slots
from dagster_project.assets.ranker import ranker
from dagster_project.assets.ranking import fallback_lists, staged_snapshot
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource
from dagster_project.steps import step
from jobs.mailing import write_digest
from jobs.publishing import check_parity, flip_pointer, publish_snapshot

GROUP: Final = "publishing"


@step(deps=[blessing, staged_snapshot, slots], group=GROUP, kinds={"python", "file"})
def snapshot(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """Tonight's lists in the store, their slots logged: immutable, counted, checksummed, read back; not yet served."""
    report = publish_snapshot.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


@step(
    deps=[
        snapshot, histories, user_features, item_features, items, users, user_vocabulary, item_vocabulary, candidates,
        als, ranker, fallback_lists,
    ],
    group=GROUP,
    kinds={"python", "lightgbm"},
)  # fmt: skip
def parity(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """Lists in the store that are the same when plain code makes them a second time. A difference holds the flip."""
    report = check_parity.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


@step(deps=[snapshot, parity], group=GROUP, kinds={"python", "json"})
def pointer(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """The name of the snapshot that is served."""
    at = dt.datetime.now(dt.UTC)
    report = flip_pointer.run(settings.load(), as_of=as_of(context), at=at, by=f"dagster-{context.run_id}")
    return dg.MaterializeResult(metadata=metadata.of_report(report))


@step(deps=[pointer, snapshot], group=GROUP, kinds={"python", "csv"})
def digest(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """Every list as JSON lines and CSV for the email team, with a manifest of counts and checksums."""
    report = write_digest.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report))


ASSETS: Final = (snapshot, parity, pointer, digest)
