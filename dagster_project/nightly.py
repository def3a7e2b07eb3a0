"""The nightly: daily partitions, the job over all assets, the schedule, and which days a run is for."""

from __future__ import annotations

import datetime as dt
import os
from typing import Final, NamedTuple

import dagster as dg

from contracts.errors import InputMissing
from jobs.configuration import FIRST_DAY
from jobs.reports import night_report

FIRST_DAY_TAG: Final = "larder/first_day"
REPORT: Final = "night_report"
_PARTITION: Final = "dagster/partition"
_RANGE_START: Final = "dagster/asset_partition_range_start"
_RANGE_END: Final = "dagster/asset_partition_range_end"

NIGHTLY: Final = dg.DailyPartitionsDefinition(start_date=os.environ.get(FIRST_DAY, "2009-01-01"), timezone="UTC")


@dg.failure_hook(name="report_of_a_failed_night", required_resource_keys={"settings"})
def report_of_failure(context: dg.HookContext) -> None:
    """The page of a night that a gate or an error stopped: the asset at the end of the graph never runs then."""
    if context.op.name == REPORT:
        return
    run = context.instance.get_run_by_id(context.run_id)
    error = context.op_exception
    told = str(getattr(error, "description", None) or error).splitlines() or [""]
    try:
        night_report.run(
            context.resources.settings.load(),
            as_of=days_of(dict(run.tags) if run is not None else {}).as_of,
            failure=f"The step {context.op.name} failed: {told[0]}",
        )
    except InputMissing as nothing:
        context.log.info("No page of this night: %s", nothing.what)


nightly_job: Final = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.all(),
    description="One night: landing folder to published lists. A range of days is one run, made as of its last day.",
    executor_def=dg.in_process_executor,
    hooks={report_of_failure},
)

nightly_schedule: Final = dg.build_schedule_from_partitioned_job(
    nightly_job, name="nightly_schedule", hour_of_day=2, minute_of_hour=0, description="At 02:00 UTC, for yesterday."
)


class Days(NamedTuple):
    """The days of a run, both included: `first` to `as_of` are ingested, everything else is made as of `as_of`."""

    first: dt.date
    as_of: dt.date


def days_of(tags: dict[str, str]) -> Days:
    """The days that a run's tags ask for.

    A long history is asked for by FIRST_DAY_TAG beside a single partition: Dagster stores one event a partition and
    asset, which for years of days takes longer than the night.

    Raises:
        Failure: the run has no partition.
    """
    last = tags.get(_PARTITION) or tags.get(_RANGE_END)
    if last is None:
        raise dg.Failure("The run has no partition: launch it for a day or a range of days.", allow_retries=False)
    first = tags.get(FIRST_DAY_TAG) or tags.get(_RANGE_START) or last
    return Days(dt.date.fromisoformat(first), dt.date.fromisoformat(last))


def first_day(context: dg.AssetExecutionContext) -> dt.date:
    """The first landing day of the run."""
    return days_of(dict(context.run.tags)).first


def as_of(context: dg.AssetExecutionContext | dg.AssetCheckExecutionContext) -> dt.date:
    """The date that everything in the run is true for: its last day."""
    return days_of(dict(context.run.tags)).as_of
