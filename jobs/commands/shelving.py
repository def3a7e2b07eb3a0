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
    command(app, "objectives", panel=PANEL, is_working=True)(objectives)
    command(app, "rules", panel=PANEL)(rules)


def objectives(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """What other weights of the objectives would make of the newest past window: a table, and a page with plots."""
    report = run_job(invocation, "evaluation.sweep_objectives", as_of=invocation.day(as_of))

    def show(console: Console) -> None:
        _show_objectives(console, report)

    return Answer(report.as_dict(), show)


def rules(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """What each rule moved in the lists of a date: lists touched, entries removed, brought and moved, and how far."""
    report = run_job(invocation, "ranking.measure_rules", as_of=invocation.day(as_of))

    def show(console: Console) -> None:
        _show_rules(console, report)

    return Answer(report.as_dict(), show)


def _show_objectives(console: Console, report: JobReport) -> None:
    from rich.table import Table

    placements: dict[str, list[dict[str, Any]]] = report.details["placements"]
    for name, points in placements.items():
        best = sorted((point for point in points[2:] if point["is_unbeaten"]), key=lambda point: -point["ndcg"])
        table = Table(title=f"{name}: what no other weights beat", title_justify="left", box=None, pad_edge=False)
        table.add_column("weights")
        for column in ("nDCG", "diversity", "coverage", "margin"):
            table.add_column(column, justify="right")
        for point in [*points[:2], *best[:8]]:
            weights = ", ".join(f"{key} {share:.2f}" for key, share in point["weights"].items() if share)
            margin = "-" if point["margin"] is None else f"{point['margin']:.3f}"
            label = weights if point["role"] == "grid" else f"{point['role']}: {weights}"
            numbers = (f"{point['ndcg']:.4f}", f"{point['diversity']:.3f}", f"{point['coverage']:.3f}", margin)
            table.add_row(label, *numbers, style="bold" if point["role"] == "chosen" else "")
        console.print(table)
        cost = points[0]["ndcg_minus_engagement"]
        console.print(
            f"chosen minus engagement alone: nDCG {cost['value']:+.4f} [{cost['low']:+.4f}, {cost['high']:+.4f}], "
            f"{points[0]['n_users']:,} users\n", markup=False,
        )  # fmt: skip
    console.print(f"page: {report.details['page']}", markup=False, soft_wrap=True)


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
