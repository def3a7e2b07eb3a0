"""Progress of a night on stderr: a bar a step on a terminal, a line a step elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Final, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from contracts.report import JobReport
from jobs.commands.screens import brief_rows

TITLES: Final = {
    "ingest_events": "ingest events",
    "events_contract": "check events",
    "ingest_catalogue": "ingest catalogue",
    "items_contract": "check items",
    "update_interactions": "update interactions",
    "flagged_users": "flag users",
    "build_features": "build features",
    "als": "train ALS",
    "neighbours": "train neighbours",
    "candidates": "generate candidates",
    "train_ranker": "train ranker",
    "evaluate_holdout": "evaluate on the holdout",
    "ranked": "rank candidates",
    "rerank": "rerank lists",
    "rule_effects": "measure rules",
    "top_n_lists_contract": "check lists",
    "backtests": "measure lists of a window ago",
    "changes": "measure changes",
    "blessing": "pass the gates",
    "staged_snapshot": "stage snapshot",
    "slots": "log slots",
    "snapshot": "publish snapshot",
    "parity": "make lists again",
    "pointer": "flip pointer",
    "digest": "write digest",
    "ingest_outcomes": "ingest outcomes",
    "outcome_rates": "report outcomes",
    "night_report": "write the report",
}


class Outcome(Protocol):
    """What a night tells of a step."""

    @property
    def step(self) -> str: ...  # noqa: D102  the protocol mirrors the night's own outcome
    @property
    def position(self) -> int: ...  # noqa: D102
    @property
    def total(self) -> int: ...  # noqa: D102
    @property
    def state(self) -> str: ...  # noqa: D102
    @property
    def report(self) -> JobReport | None: ...  # noqa: D102


def title_of(step: str) -> str:
    """A step's name as a person reads it."""
    return TITLES.get(step, step.replace("_", " "))


class NightProgress:
    """Shows outcomes as they come; a context manager that leaves the terminal as it was."""

    def __init__(self, console: Console | None = None) -> None:
        """Shows on stderr, or on `console`."""
        self._console = console or Console(stderr=True, highlight=False)
        self._bars = _bars(self._console) if self._console.is_terminal else None
        self._tasks: dict[str, TaskID] = {}
        self._started: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def __call__(self, outcome: Outcome) -> None:
        """Shows one change of a step's state."""
        now = time.perf_counter()
        started = self._started.setdefault(outcome.step, now)
        if self._bars is not None:
            self._draw(self._bars, outcome)
        elif outcome.state != "running":
            told = brief_rows(outcome.report.rows) if outcome.report else outcome.state
            place = f"[{outcome.position:>2}/{outcome.total}]"
            self._line(f"{place} {title_of(outcome.step):<24} {now - started:>7.1f} s  {told}")

    def _draw(self, bars: Progress, outcome: Outcome) -> None:
        task = self._tasks.get(outcome.step)
        if task is None:
            task = self._tasks[outcome.step] = bars.add_task(title_of(outcome.step), total=None, told="")
        if outcome.state == "done":
            told = brief_rows(outcome.report.rows) if outcome.report else ""
            bars.update(task, total=1, completed=1, told=told)
        else:
            words: dict[str, Any] = {"failed": "[red]failed[/]", "retrying": "[yellow]crashed, trying again[/]"}
            bars.update(task, told=words.get(outcome.state, ""))
            if outcome.state == "failed":
                bars.stop_task(task)

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
        sys.stderr.flush()


def _bars(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description:<24}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[told]}[/]"),
        console=console,
        transient=False,
    )
