"""Verbs that tell what came of the lists, and make such a feed up for a synthetic shop."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated, Final

import typer

from contracts.errors import InputInvalid
from jobs.commands.invocation import Answer, AsOfOption, Invocation, answer_of, command

if TYPE_CHECKING:
    from rich.console import Console

PANEL: Final = "Ask what happened and why: the analyst"
BEGIN: Final = "Begin: your own shop, a synthetic one, the machine"
STEP: Final = "One step of the night, as of a date"
_DAY: Final = ["%Y-%m-%d"]


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "outcomes", panel=PANEL, is_working=True)(outcomes)
    command(app, "make-outcomes", panel=BEGIN)(make_outcomes)
    command(app, "log-slots", panel=STEP, is_working=True)(log_slots)
    command(app, "ingest-outcomes", panel=STEP, is_working=True)(ingest_outcomes)


def outcomes(
    invocation: Invocation,
    first: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=_DAY, metavar="DATE", help="First landing day; 28 days by default."),
    ] = None,
    last: Annotated[
        dt.datetime | None, typer.Option("--to", formats=_DAY, metavar="DATE", help="Last one; yesterday by default.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option("--policy", metavar="SNAPSHOT", help="What would this one's lists have earned? Can be repeated."),
    ] = None,
) -> Answer:
    """Clicks, carts, purchases and dwell of shown slots by channel, source and position, with 95 % intervals.

    Beside them what other policies would have earned, and which team of interleaved lists is preferred.
    """
    from jobs.outcomes import report_outcomes

    day = invocation.day(last)
    start = first.date() if first is not None else None
    if start is not None and start > day:
        raise InputInvalid(f"{start} is after {day}", where="--from", todo="Give a day that is not after --to.")
    report = report_outcomes.run(
        invocation.settings(), as_of=day, first=start, snapshots=tuple(policy or ()), is_kept=False
    )

    def show(console: Console) -> None:
        from jobs.commands.outcomes_screen import show_outcomes

        show_outcomes(console, report)

    return Answer(report.as_dict(), show)


def make_outcomes(
    invocation: Invocation,
    day: Annotated[dt.datetime, typer.Option(formats=_DAY, metavar="DATE", help="The landing day.")],
    placement: Annotated[str, typer.Option(help="Whose lists are shown.")] = "home",
    k: Annotated[int, typer.Option("-k", min=1, help="Slots of a list that are shown.")] = 30,
    visit_share: Annotated[float, typer.Option(min=0, max=1, help="Share of the users who come that day.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
) -> Answer:
    """A day of the outcomes feed of a synthetic shop: its users answer the served lists by a planted click model."""
    from jobs.shops.make_outcomes import make_outcomes as make

    report = make(invocation.settings(), day=day.date(), placement=placement, k=k, visit_share=visit_share, seed=seed)
    return answer_of(report)


def log_slots(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """The staged snapshot slot by slot, with propensities, into the table `slots`."""
    from jobs.outcomes import log_slots as job

    return answer_of(job.run(invocation.settings(), as_of=invocation.day(as_of)))


def ingest_outcomes(
    invocation: Invocation,
    as_of: AsOfOption = None,
    first: Annotated[
        dt.datetime | None,
        typer.Option("--from", formats=_DAY, metavar="DATE", help="First landing day; --as-of is the last."),
    ] = None,
) -> Answer:
    """Landed outcomes, checked, without duplicates, beside what the slot log knows of their slots."""
    from jobs.commands.steps import run_job

    start = first.date() if first is not None else None
    return answer_of(run_job(invocation, "outcomes.ingest_outcomes", as_of=invocation.day(as_of), first=start))
