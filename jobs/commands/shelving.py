"""Verbs for whoever sets objectives and rules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import typer

from contracts.report import JobReport
from jobs.commands.invocation import Answer, AsOfOption, Invocation, command
from jobs.commands.steps import run_job

if TYPE_CHECKING:
    from rich.console import Console

PANEL: Final = "Objectives and rules: the analyst"


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "rules", panel=PANEL)(rules)


def rules(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """What each rule moved in the lists of a date: lists touched, entries removed, brought and moved, and how far."""
    report = run_job(invocation, "ranking.measure_rules", as_of=invocation.day(as_of))

    def show(console: Console) -> None:
        _show_rules(console, report)

    return Answer(report.as_dict(), show)


def _show_rules(console: Console, report: JobReport) -> None:
    from rich.table import Table

    rows: list[dict[str, Any]] = report.details["effects"]
    if not rows:
        console.print(f"No rule holds as of {report.as_of}.")
        return
    table = Table(title=f"Rules in the lists as of {report.as_of}", title_justify="left", box=None, pad_edge=False)
    for name in ("placement", "rule", "kind"):
        table.add_column(name)
    for name in ("items", "lists", "removed", "added", "moved", "places up"):
        table.add_column(name, justify="right")
    for row in rows:
        up = row["places_up"] / row["moved"] if row["moved"] else 0.0
        counts = (row[name] for name in ("items", "lists", "removed", "added", "moved"))
        table.add_row(row["placement"], row["rule"], row["kind"], *(f"{n:,}" for n in counts), f"{up:+.1f}")
    console.print(table)
    for warning in report.details["warnings"]:
        console.print(f"warning: {warning}", style="yellow", markup=False)
