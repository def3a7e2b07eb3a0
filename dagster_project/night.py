"""One night in this process: the Dagster job, told step by step to a caller that is not Dagster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Literal
from uuid import uuid4

import dagster as dg
import msgspec
from dagster._core.events import DagsterEvent, DagsterEventType  # the public package does not export the event's type

from contracts.errors import LarderError
from contracts.report import JobReport
from contracts.settings import Settings
from dagster_project import metadata
from dagster_project.definitions import build
from dagster_project.nightly import FIRST_DAY_TAG, nightly_job
from dagster_project.resources import SettingsResource
from jobs.paths import layout_of

State = Literal["running", "retrying", "done", "failed"]
_INSTANCE: Final = """\
telemetry: {enabled: false}
nux: {enabled: false}
concurrency: {runs: {max_concurrent_runs: 1}}
"""
_STATES: Final[dict[DagsterEventType, State]] = {
    DagsterEventType.STEP_START: "running",
    DagsterEventType.STEP_UP_FOR_RETRY: "retrying",
    DagsterEventType.STEP_SUCCESS: "done",
    DagsterEventType.STEP_FAILURE: "failed",
}


class StepOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of one step of a night.

    Attributes:
        step: its name in Dagster.
        position: from 1, in the order the steps started.
        total: steps of the night.
        report: what its job reported; None before its end and for a step that failed.
    """

    step: str
    position: int
    total: int
    state: State
    report: JobReport | None = None


class NightCrashed(LarderError):
    """A step of the night failed in a way that no error of ours names."""


def run_night(
    settings: Settings,
    *,
    as_of: dt.date,
    first: dt.date | None,
    on_step: Callable[[StepOutcome], None],
    is_verbose: bool = False,
) -> list[StepOutcome]:
    """The last outcome of every step that ran, in order. A SparkSession that is there already is left running.

    Args:
        settings: of the night; the instance lies in the root's `dagster` folder.
        as_of: the partition.
        first: first landing day to ingest in this one run, None for `as_of` alone.
        on_step: called at each change of a step's state.
        is_verbose: whether Dagster's log and Spark's go to stderr.

    Raises:
        LarderError: of the step that failed; what is downstream of it did not run.
        NightCrashed: a step failed with any other exception, after its retries.
    """
    own = SettingsResource(document=msgspec.json.encode(settings).decode())
    job = build(own, is_quiet=not is_verbose).resolve_job_def(nightly_job.name)
    run_id = str(uuid4())
    listener = _Listener(on_step, total=len(job.graph.nodes))
    tags = {FIRST_DAY_TAG: first.isoformat()} if first is not None and first != as_of else {}
    with dg.DagsterInstance.from_config(str(write_instance(layout_of(settings).dagster_home))) as instance:
        instance.add_event_listener(run_id, listener)
        result = job.execute_in_process(
            run_config=_log_level("INFO" if is_verbose else "CRITICAL"),
            instance=instance,
            partition_key=as_of.isoformat(),
            run_id=run_id,
            tags=tags,
            raise_on_error=False,
        )
    if not result.success:
        raise listener.failure(as_of)
    return list(listener.outcomes.values())


def write_instance(home: Path) -> Path:
    """`home`, made if absent, with a `dagster.yaml` that asks nobody anything; one that is there is left as it is."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "dagster.yaml"
    if not file.exists():
        file.write_text(_INSTANCE, encoding="utf-8")
    return home


def _log_level(level: str) -> dict[str, Any]:
    return {"loggers": {"console": {"config": {"log_level": level}}}}


class _Listener:
    """Turns a run's events into outcomes."""

    def __init__(self, on_step: Callable[[StepOutcome], None], *, total: int) -> None:
        self.outcomes: dict[str, StepOutcome] = {}
        self._reports: dict[str, JobReport] = {}
        self._errors: list[LarderError] = []
        self._crash = ""
        self._on_step = on_step
        self._total = total

    def __call__(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is None or event.step_key is None:
            return
        self._learn(event, event.step_key)
        state = _STATES.get(event.event_type)
        if state is not None:
            self._tell(event.step_key, state)

    def failure(self, as_of: dt.date) -> LarderError:
        """The error to raise for a run that failed."""
        if self._errors:
            return self._errors[0]
        failed = next((o.step for o in self.outcomes.values() if o.state == "failed"), "the run")
        return NightCrashed(
            f"{failed} failed: {self._crash or 'no reason was recorded'}",
            where=f"the night of {as_of}, step {failed}",
            todo=f"Run `larder --verbose night --as-of {as_of}` for the whole log. What was published still stands.",
        )

    def _tell(self, step: str, state: State) -> None:
        position = self.outcomes[step].position if step in self.outcomes else len(self.outcomes) + 1
        report = self._reports.get(step) if state == "done" else None
        outcome = StepOutcome(step=step, position=position, total=self._total, state=state, report=report)
        self.outcomes[step] = outcome
        self._on_step(outcome)

    def _learn(self, event: DagsterEvent, step: str) -> None:
        if event.event_type is DagsterEventType.ASSET_MATERIALIZATION:
            self._keep(step, event.step_materialization_data.materialization.metadata)
        elif event.event_type is DagsterEventType.ASSET_CHECK_EVALUATION:
            told = event.asset_check_evaluation_data.metadata
            self._keep(step, told)
            self._blame(metadata.error_of(told))
        elif event.event_type is DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            if data.user_failure_data is not None:
                self._blame(metadata.error_of(data.user_failure_data.metadata))
            if data.error is not None:
                cause = data.error.cause or data.error
                self._crash = cause.message.strip().splitlines()[0][:500]

    def _keep(self, step: str, told: Any) -> None:
        if metadata.REPORT in told:
            self._reports[step] = msgspec.convert(told[metadata.REPORT].value, JobReport)

    def _blame(self, error: LarderError | None) -> None:
        if error is not None:
            self._errors.append(error)
