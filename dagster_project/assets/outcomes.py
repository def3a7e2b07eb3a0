"""What every slot of a snapshot shows, and what came of it."""

from __future__ import annotations

from typing import Any, Final

import dagster as dg

from contracts import tables
from dagster_project import metadata
from dagster_project.assets.ingest import items
from dagster_project.assets.ranking import staged_snapshot, top_n_lists
from dagster_project.nightly import as_of
from dagster_project.resources import SettingsResource
from dagster_project.steps import step
from jobs.outcomes import log_slots

GROUP: Final = "outcomes"


@step(deps=[staged_snapshot, top_n_lists, items], group=GROUP, kinds={"python", "delta"}, table=tables.SLOTS)
def slots(context: dg.AssetExecutionContext, settings: SettingsResource) -> dg.MaterializeResult[Any]:
    """The log of the staged snapshot: item, source and exact propensity of every slot."""
    report = log_slots.run(settings.load(), as_of=as_of(context))
    return dg.MaterializeResult(metadata=metadata.of_report(report, rows="lists_logged"))


ASSETS: Final = (slots,)
