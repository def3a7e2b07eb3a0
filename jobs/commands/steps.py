"""One verb a step of the night, for whoever runs or repairs a part of it by hand."""

from __future__ import annotations

import datetime as dt
import importlib
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from contracts.report import JobReport
from jobs.commands.invocation import Answer, AsOfOption, Invocation, answer_of, command

if TYPE_CHECKING:
    from rich.console import Console

PANEL: Final = "One step of the night, as of a date"
FromOption = Annotated[
    dt.datetime | None,
    typer.Option("--from", formats=["%Y-%m-%d"], metavar="DATE",
                 help="First landing day of a range that is read in one run; --as-of is its last."),
]  # fmt: skip
STEPS: Final = (
    (
        "flag-users",
        "ingest.flag_users",
        "Users whose traffic is no shopper's: left out of what is learnt, still served.",
    ),
    ("features", "training.build_features", "User and item features, nothing later than the date in them."),
    ("train-als", "training.train_als", "Implicit ALS factors, going on from the last night's model."),
    ("train-neighbours", "training.train_neighbours", "Items bought together or alike, and what each segment buys."),
    ("candidates", "ranking.generate_candidates", "Every source's proposals, one row a user."),
    (
        "train-ranker",
        "training.train_ranker",
        "LightGBM on past candidates and what followed.",
    ),
    ("rank", "ranking.rank_candidates", "The candidates, scored for each placement."),
    (
        "rerank",
        "ranking.rerank_lists",
        "The lists as served: caps, availability, already-bought rule, reasons.",
    ),
    ("evaluate", "evaluation.evaluate_holdout", "Quality on the newest past window, beside naive references."),
    ("gates", "evaluation.check_gates", "Whether the lists of the date may be published; red exits with 3."),
)


def add_to(app: typer.Typer) -> None:
    """Registers the verbs, in the order data travels."""
    command(app, "ingest", panel=PANEL, is_working=True)(ingest)
    command(app, "interactions", panel=PANEL, is_working=True)(interactions)
    for verb, job, text in STEPS:
        command(app, verb, panel=PANEL, text=text, is_working=True)(_step(job))


def ingest(invocation: Invocation, as_of: AsOfOption = None, first: FromOption = None) -> Answer:
    """Landing days into clean events and the catalogue: rows in = accepted + quarantined + duplicates, always."""
    day, start = _range(invocation, as_of, first)
    settings = invocation.settings()
    from contracts import tables
    from jobs.ingest import ingest_catalogue, ingest_events, validate_table
    from jobs.machine.session_health import start as start_session

    spark = start_session(settings, is_quiet=not invocation.is_verbose)
    try:
        reports = [ingest_events.run(spark, settings, as_of=day, first=start)]
        reports.append(validate_table.run(spark, settings, tables.EVENTS, as_of=day, first=start))
        reports.append(ingest_catalogue.run(spark, settings, as_of=day))
        reports.append(validate_table.run(spark, settings, tables.ITEMS, as_of=day))
    finally:
        spark.stop()
    return _answer_of_all("ingest", day, reports)


def interactions(invocation: Invocation, as_of: AsOfOption = None, first: FromOption = None) -> Answer:
    """Day aggregates of what landed, and every user's history as of the date."""
    day, start = _range(invocation, as_of, first)
    return answer_of(run_job(invocation, "ingest.update_interactions", as_of=day, first=start))


def run_job(invocation: Invocation, job: str, **arguments: Any) -> JobReport:
    """The report of one job, in a SparkSession of its own."""
    settings = invocation.settings()
    from jobs.machine.session_health import start

    module = importlib.import_module(f"jobs.{job}")
    spark = start(settings, is_quiet=not invocation.is_verbose)
    try:
        report: JobReport = module.run(spark, settings, **arguments)
    finally:
        spark.stop()
    return report


def _step(job: str) -> Any:
    def run(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
        return answer_of(run_job(invocation, job, as_of=invocation.day(as_of)))

    return run


def _range(invocation: Invocation, as_of: dt.datetime | None, first: dt.datetime | None) -> tuple[dt.date, dt.date]:
    day = invocation.day(as_of)
    start = first.date() if first is not None else day
    if start > day:
        raise typer.BadParameter(f"--from {start} is after --as-of {day}.")
    return day, start


def _answer_of_all(name: str, as_of: dt.date, reports: list[JobReport]) -> Answer:
    def show(console: Console) -> None:
        from jobs.commands.screens import show_report

        for report in reports:
            show_report(console, report)

    facts = {"job": name, "as_of": as_of.isoformat(), "reports": [report.as_dict() for report in reports]}
    return Answer(facts, show)
