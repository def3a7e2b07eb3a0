"""What the search for the ranker's settings shows: a line a trial, then the choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from rich.table import Table

if TYPE_CHECKING:
    from rich.console import Console

    from contracts.report import JobReport
    from models.tuning import Trial


def tell(trial: Trial) -> None:
    """Prints a trial as a line on stderr."""
    word = "taken" if trial.is_taken else ""
    line = f"{trial.name:<20} {trial.value!s:<26} NDCG@10 {trial.ndcg:.4f}  {_gain(trial)}  {word}"
    typer.echo(line.rstrip(), err=True)


def show_choice(console: Console, report: JobReport) -> None:
    """The settings that changed and the file they stand in."""
    changed = report.details["changed"]
    n_trials = report.rows["trials"]
    if not changed:
        console.print(f"Of {n_trials} trials none gains more than chance explains: the settings stay as they are.")
    else:
        table = Table(box=None, pad_edge=False)
        table.add_column("setting")
        table.add_column("chosen")
        for name, value in changed.items():
            table.add_row(f"ranker.{name}", str(value))
        console.print(table)
        console.print(f"Chosen in {n_trials} trials on {report.rows['folds']} past windows.")
    console.print(f"Saved: {report.details['file']}", markup=False, soft_wrap=True)


def _gain(trial: Trial) -> str:
    return f"gain {trial.gain:+.4f} [{trial.low:+.4f}, {trial.high:+.4f}]"
