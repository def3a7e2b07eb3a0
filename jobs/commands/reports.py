"""The verb that writes the pages for people."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.commands.analysis import PANEL, NewestOption
from jobs.commands.invocation import Answer, Invocation, command

if TYPE_CHECKING:
    from rich.console import Console


def add_to(app: typer.Typer) -> None:
    """Registers the verb."""
    command(app, "report", panel=PANEL, is_working=True)(report)


def report(
    invocation: Invocation,
    as_of: NewestOption = None,
    month: Annotated[
        dt.datetime | None,
        typer.Option(formats=["%Y-%m"], metavar="MONTH", help="The fairness page of a month instead."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", show_default="below the root", help="Where the page goes."),
    ] = None,
) -> Answer:
    """One page of a night for everyone: quality, segments, sources, fairness, best and worst users. No network.

    Every night writes its own at the end, also when a gate holds it; this writes one again.
    """
    if as_of is not None and month is not None:
        raise typer.BadParameter("--as-of and --month ask for two pages: name one.")
    settings = invocation.settings()
    from jobs.paths import layout_of
    from jobs.reports import facts, fairness_month, night_report

    if month is not None:
        made = fairness_month.run(settings, month=month.date(), out=out)
    else:
        day = as_of.date() if as_of is not None else facts.newest(layout_of(settings))
        made = night_report.run(settings, as_of=day or invocation.day(None), out=out)

    def show(console: Console) -> None:
        console.print(made.details["verdict"], markup=False, soft_wrap=True)
        for name, why in made.details.get("absent", {}).items():
            console.print(f"  without {name}: {why}", markup=False, soft_wrap=True, style="dim")
        for name in ("report", "fairness"):
            if name in made.details:
                console.print(f"{name}: {made.details[name]}", markup=False, soft_wrap=True)

    return Answer(made.as_dict(), show)
