"""Whole nights: one, one before a backtest, and the demo's. What cooks is handed in: this layer knows no Dagster."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from contracts import tables
from contracts.errors import LarderError
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs.commands.invocation import Answer, Invocation
from jobs.paths import layout_of

if TYPE_CHECKING:
    from rich.console import Console

    from jobs.commands.progress import NightProgress

METRICS: Final = "evaluate_holdout"
GATES: Final = "blessing"


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """What `larder backtest` was asked for; see `jobs.evaluation.backtest.run`."""

    cut: dt.date
    days: int
    k: int
    cuts: int
    must_be_published: bool


class RunNight(Protocol):
    """What cooks a night."""

    def __call__(
        self, settings: Settings, *, as_of: dt.date, first: dt.date, on_step: NightProgress, is_verbose: bool
    ) -> Sequence[Any]:
        """The outcome of every step, in order."""
        ...


def night(invocation: Invocation, settings: Settings, as_of: dt.date, run_night: RunNight) -> Answer:
    """The answer of `larder night`.

    Raises:
        LarderError: of the step that failed.
    """
    facts = cook(invocation, settings, as_of, run_night)

    def show(console: Console) -> None:
        from jobs.commands.screens import show_night

        show_night(console, facts)

    return Answer(facts, show)


def cook(invocation: Invocation, settings: Settings, as_of: dt.date, run_night: RunNight) -> dict[str, Any]:
    """A night's facts: steps with rows and seconds, numbers, tables, the snapshot served, the paths of what was made.

    Raises:
        LarderError: of the step that failed.
    """
    from jobs.commands.progress import NightProgress, title_of
    from jobs.ingest.days_to_ingest import first_to_ingest

    started = time.perf_counter()
    layout = layout_of(settings)
    first = first_to_ingest(layout, as_of)
    with NightProgress() as progress:
        try:
            outcomes = run_night(settings, as_of=as_of, first=first, on_step=progress, is_verbose=invocation.is_verbose)
        except LarderError as error:
            raise _with_report(error, layout, as_of) from error
    reports: dict[str, JobReport] = {o.step: o.report for o in outcomes if o.report is not None}
    steps = [
        {"step": step, "title": title_of(step), "rows": r.rows, "numbers": r.as_dict()["numbers"], "seconds": r.seconds}
        for step, r in reports.items()
    ]
    return {
        "job": "night",
        "as_of": as_of.isoformat(),
        "first_ingested": first.isoformat(),
        "seconds": round(time.perf_counter() - started, 1),
        "steps": steps,
        "metrics": reports[METRICS].as_dict()["numbers"] if METRICS in reports else {},
        "metrics_table": reports[METRICS].details.get("table", "") if METRICS in reports else "",
        "gates": reports[GATES].details.get("gates", []) if GATES in reports else [],
        "gates_table": reports[GATES].details.get("table", "") if GATES in reports else "",
        "warnings": reports[GATES].details.get("warnings", []) if GATES in reports else [],
        "snapshot": _served(settings),
        "paths": paths_of(settings, as_of),
    }


def _with_report(error: LarderError, layout: Layout, as_of: dt.date) -> LarderError:
    """The same error, with the night's report among what to do, where one was written."""
    page = layout.report(f"night-{as_of}.html")
    if not page.is_file():
        return error
    return type(error)(error.what, where=error.where, todo=f"{error.todo} What is known of the night: {page}")


def paths_of(settings: Settings, as_of: dt.date) -> dict[str, str]:
    """Where what a night makes lies, for what is there."""
    layout = layout_of(settings)
    places = {
        "tables": layout.root / "lake",
        "models": layout.root / "artifacts",
        "served lists": layout.store,
        "reports": layout.root / "reports",
        "Dagster runs": layout.dagster_home,
        "night report": layout.report(f"night-{as_of}.html"),
    }
    return {name: str(path) for name, path in places.items() if path.exists()}


def backtest(invocation: Invocation, settings: Settings, wanted: Backtest, run_night: RunNight) -> Answer:
    """The answer of `larder backtest`; a shop that is not ingested up to the cut has the night before it cooked first.

    Raises:
        LarderError: of the night, or of the backtest.
    """
    known = invocation.day(dt.datetime.combine(wanted.cut - dt.timedelta(days=1), dt.time()))
    from jobs import lake
    from jobs.evaluation import backtest as job
    from jobs.machine.session_health import start

    spark = start(settings, is_quiet=not invocation.is_verbose)
    try:
        ingested = lake.span(layout_of(settings), tables.INTERACTIONS)
        if ingested is None or ingested[1] < known:
            cook(invocation, settings, known, run_night)
        report = job.run(spark, settings, **msgspec.structs.asdict(wanted))
    finally:
        spark.stop()

    def show(console: Console) -> None:
        from jobs.commands.plain import printable_lines

        console.print(printable_lines(report.details["table"]), markup=False, soft_wrap=True)
        saved = report.details.get("files")
        if saved:
            files = saved.values() if isinstance(saved, dict) else [saved] if isinstance(saved, str) else saved
            console.print(f"Saved: {', '.join(map(str, files))}", markup=False, soft_wrap=True)

    return Answer(report.as_dict(), show)


def demo(invocation: Invocation, as_of: dt.date, run_night: RunNight) -> Answer:
    """The answer of `larder demo`: the demo's shop, its night, one household's list, metrics, paths.

    Raises:
        EnvironmentUnfit: the demo's data package is not installed.
        LarderError: of the step that failed.
    """
    from export.lookup import Lists
    from jobs.shops.demo_shop import write_demo_shop

    root = Path(invocation.root or "demo-shop")
    shop = write_demo_shop(root)
    config = invocation.config or root / "larder.toml"
    inside = invocation.over(config=config, root=str(root), as_json=False, is_verbose=False)
    settings = inside.settings()
    facts = cook(inside, settings, as_of, run_night)
    lists = Lists(layout_of(settings).store)
    made = lists.get(_someone(settings), 10, "home", now=invocation.now())
    facts |= {"shop": shop.as_dict(), "example": msgspec.to_builtins(made)}

    def show(console: Console) -> None:
        from jobs.commands.screens import show_list, show_night

        show_night(console, facts)
        show_list(console, made)
        console.print(
            f"Try: larder --root {root} lookup {made.user_id} --placement discover", markup=False, soft_wrap=True
        )

    return Answer(facts, show)


def _served(settings: Settings) -> str | None:
    from export.stores.opening import store_of

    pointer = store_of(settings.store, layout_of(settings)).pointer()
    return pointer.snapshot if pointer else None


def _someone(settings: Settings) -> str:
    """A user with a list of their own: the first id in order, so that the demo shows the same list every time."""
    from export.recipients import pinned_lists, user_ids
    from export.stores.opening import store_of

    lists = pinned_lists(store_of(settings.store, layout_of(settings)))
    users = user_ids(lists.current())
    return next((user for user in users if lists.get(user, 1, "home").source == "personal"), users[0])
