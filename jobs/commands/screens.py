"""What verbs print for a person, on stdout."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from contracts.report import JobReport
from export.lookup import TopN
from jobs.commands.plain import plain, printable, printable_lines

_BRIEF: Final = 72
_TWO_DAYS: Final = 48
KINDS: Final = {
    "personal": "the user's own list",
    "segment": "the list of the user's segment",
    "popular": "the popular list",
    "last_good": "a list kept on this machine, because the store is away",
}


def show_report(console: Console, report: JobReport) -> None:
    """One job's counts, numbers and texts."""
    console.print(f"[bold]{report.job}[/] as of {report.as_of}, {report.seconds:.1f} s")
    show_pairs(console, {name: f"{n:,}" for name, n in report.rows.items()})
    show_pairs(console, {name: f"{x:.6g}" for name, x in report.numbers.items()})
    for name, value in report.details.items():
        if isinstance(value, str) and "\n" in value:
            console.print(printable_lines(value), markup=False, soft_wrap=True)
        elif isinstance(value, str | int | float | bool):
            show_pairs(console, {name: str(value)})


def show_pairs(console: Console, pairs: Mapping[str, str]) -> None:
    """Names and values in two columns."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        console.print(f"  {name.ljust(width)}  {printable(value)}", markup=False, soft_wrap=True)


def show_list(console: Console, made: TopN) -> None:
    """One user's list with titles, reasons and scores, and where it comes from."""
    table = Table(box=box.SIMPLE_HEAD, title_justify="left", title=f"{plain(made.user_id)} · {plain(made.placement)}")
    for name, justify in (("#", "right"), ("item", "left"), ("title", "left"), ("reason", "left"), ("score", "right")):
        table.add_column(name, justify=justify, overflow="fold")  # type: ignore[arg-type]
    rows = zip(made.items, made.titles, made.reasons, made.scores, strict=True)
    for rank, (item, title, reason, score) in enumerate(rows, start=1):
        table.add_row(str(rank), plain(item), plain(title or ""), plain(reason), f"{score:.4f}")
    console.print(table)
    segment = f", segment {printable(made.segment)}" if made.segment else ""
    console.print(f"This is {KINDS[made.source]}{segment}.", markup=False)
    age = "" if made.age_hours is None else f", {_age(made.age_hours)} old"
    stale = " (stale)" if made.is_stale else ""
    console.print(f"Snapshot {made.snapshot}, as of {made.as_of}{age}{stale}.", markup=False, soft_wrap=True)
    if made.is_degraded:
        console.print("The user's own list is damaged; this is the fallback. Run `larder doctor`.", markup=False)


def _age(hours: float) -> str:
    """Hours, or days where they are more than two."""
    return f"{hours:.0f} hours" if hours <= _TWO_DAYS else f"{hours / 24:.0f} days"


def show_rows(console: Console, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table; the first column is left, the others as they are."""
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for name in columns:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*[plain(cell) for cell in row])
    console.print(table)


def show_night(console: Console, facts: Mapping[str, Any]) -> None:
    """A night's steps, gates, headline metrics beside naive references, and the snapshot that is served now."""
    table = Table(box=box.SIMPLE_HEAD, title=f"The night of {facts['as_of']}", title_justify="left")
    for name, justify in (("step", "left"), ("rows", "left"), ("seconds", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    for step in facts["steps"]:
        table.add_row(step["title"], plain(brief_rows(step["rows"])), f"{step['seconds']:.1f}")
    table.add_row("[bold]all[/]", "", f"[bold]{facts['seconds']:.1f}[/]")
    console.print(table)
    for key in ("metrics_table", "gates_table"):
        if facts.get(key):
            console.print(printable_lines(facts[key]), markup=False, soft_wrap=True)
            console.print()
    for warning in facts.get("warnings", ()):
        console.print(f"[bold yellow]Yellow:[/] {plain(warning)}", soft_wrap=True)
    console.print(f"[bold green]Served now:[/] snapshot {facts['snapshot']}")
    show_pairs(console, {name: str(path) for name, path in facts["paths"].items()})


def brief_rows(rows: Mapping[str, int]) -> str:
    """The first counts that are not zero, as many as fit in 72 characters."""
    told = ""
    for name, n in rows.items():
        more = f"{told} · " * bool(told) + f"{n:,} {name.replace('_', ' ')}"
        if n and len(more) <= _BRIEF:
            told = more
    return told
