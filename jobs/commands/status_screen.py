"""The screen of `larder status`."""

from __future__ import annotations

from rich.console import Console

from jobs.commands.screens import show_pairs, show_rows
from jobs.status import Status


def show_status(console: Console, found: Status) -> None:
    """What is served and how old it is, then what lies in the root folder, then the last moves of the pointer."""
    if found.snapshot is None:
        console.print("Nothing is served yet. `larder night` publishes the first lists.")
    else:
        stale = " [bold red]stale[/]" if found.is_stale else " [green]fresh[/]"
        console.print(f"Served now: [bold]{found.snapshot}[/], {found.age_hours} hours after its day,{stale}")
    if found.held:
        console.print(f"[bold red]The next flip is held:[/] {found.held}. `larder release` lifts it.")
    if found.is_erasing:
        told = "Nothing is published or flipped until it ends; was it killed, run it again."
        console.print(f"[bold red]An erasure is under way.[/] {told}")
    for note in found.unearned:
        console.print(f"[bold yellow]Not the two-stage lists:[/] {note}", soft_wrap=True)
    rows = [
        (h.kind, h.name, str(h.first or ("yes" if h.is_there else "-")), str(h.last or ""))
        for h in found.holdings
    ]  # fmt: skip
    show_rows(console, found.root, ("kind", "name", "first", "last"), rows)
    moves = {event["at"]: f"{event['kind']:<8} {event['snapshot']}  {event['reason']}" for event in found.history}
    show_pairs(console, moves)
    if found.report is not None:
        console.print(f"Report of the newest night: {found.report}", markup=False, soft_wrap=True)
