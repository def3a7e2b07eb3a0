"""The screen of `larder ledger`."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from jobs.commands.plain import plain
from jobs.evaluation.ledger_report import Ledger, PlacementLedger

_MOST_SEGMENTS: Final = 12
_WORDS: Final = {"all": "all that was bought", "new": "items not bought before"}


def show_ledger(console: Console, made: Ledger) -> None:
    """For each placement the sentence, the sources, and where the targets of each segment went."""
    console.print(f"Recall ledger as of {made.as_of}; the window begins on {made.cut}.", soft_wrap=True)
    for name, placement in made.placements.items():
        console.print()
        console.rule(f"[bold]{plain(name)}[/]: {_WORDS[placement.targets]}", align="left", style="dim")
        console.print(f"[bold]{placement.sentence}[/]", soft_wrap=True)
        _show_sources(console, placement)
        _show_segments(console, placement)


def _show_sources(console: Console, placement: PlacementLedger) -> None:
    table = _table("What each source found", ("source", "recall", "alone", "items a user", "CPU s"))
    for line in placement.sources:
        cost = "-" if line.cpu_seconds is None else f"{line.cpu_seconds:.2f}"
        found = (_percent(line.recall), _percent(line.alone))
        style = "dim" if line.recall == 0 else ""
        table.add_row(plain(line.source), *found, f"{line.per_user:.1f}", cost, style=style)
    console.print(table)


def _show_segments(console: Console, placement: PlacementLedger) -> None:
    columns = (
        "users", "n", "bought", "ceiling", f"top {placement.k}", f"top {placement.length}", "not\nproposed",
        "ranked\nlow", "mend",
    )  # fmt: skip
    table = _table("Where the targets went", columns)
    for line in placement.segments[:_MOST_SEGMENTS]:
        shares = (line.ceiling, line.at_k, line.in_list, line.not_proposed, line.ranked_low)
        name = "all" if line.segment is None else line.segment.removeprefix("users:").removeprefix("segment:")
        counts = (f"{line.n_users:,}", f"{line.n_targets:,}")
        table.add_row(plain(name), *counts, *[f"{share:.0%}" for share in shares], line.mend)
    console.print(table)
    if (more := len(placement.segments) - _MOST_SEGMENTS) > 0:
        console.print(f"  {more} more segments: --json has all of them.")


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", padding=(0, 1, 0, 0), pad_edge=False)
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", no_wrap=True)
    return table


def _percent(share: float) -> str:
    return f"{share:.1%}"
