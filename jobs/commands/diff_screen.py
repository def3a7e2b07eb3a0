"""The screen of `larder diff`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from export.comparing.counting import TOP
from export.comparing.result import ChangedUser, Diff, ItemShift, PlacementDiff, Shown, Side
from jobs.commands.plain import plain

UNKNOWN: Final = "-"


def show_diff(console: Console, found: Diff) -> None:
    """Both snapshots, then for each placement its numbers, items, categories and most changed users."""
    _print(console, f"[bold]before[/]  {_side(found.before)}")
    _print(console, f"[bold]after [/]  {_side(found.after)}")
    n, which = found.n_looked_at, "all" if found.sampled == 1 else f"a sample of {found.sampled:.1%}"
    only = f"{found.n_users_only_before:,} only before, {found.n_users_only_after:,} only after"
    _print(console, f"Looked at {n:,} users, {which}: {found.n_users_both:,} in both, {only}.")
    for name, one in found.placements.items():
        console.print()
        console.rule(f"[bold]{plain(name)}[/]", align="left", style="dim")
        _show_numbers(console, one, found.k)
        _show_shifts(console, one, found.k)
        _show_users(console, one, found.k)
    for side, names in (("before", found.placements_only_before), ("after", found.placements_only_after)):
        if names:
            _print(console, f"[yellow]Only {side}:[/] placements {plain(', '.join(names))}")


def _show_numbers(console: Console, one: PlacementDiff, k: int) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 2))
    price = one.price
    moved = f" ({price.change:+.1%})" if price.change is not None else ""
    rows = {
        "users with a list in both": f"{one.n_both:,}",
        "only before, only after": f"{one.n_only_before:,}, {one.n_only_after:,}",
        f"top {TOP} has other items": f"[bold]{_percent(one.top5_changed)}[/]",
        f"top {TOP} is in another order": _percent(one.top5_reordered),
        f"overlap of the top {k}": f"median [bold]{_percent(one.overlap_median)}[/], "
        f"p10 [bold]{_percent(one.overlap_p10)}[/], mean {_percent(one.overlap_mean)}",
        "fallback share": f"{_percent(one.fallback_before, 2)} -> {_percent(one.fallback_after, 2)}",
        "places moved to other items": _percent(one.items_moved),
        "places moved to other categories": _percent(one.categories_moved),
        "mean price": f"{_number(price.before)} -> {_number(price.after)}{moved}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    console.print(table)


def _show_shifts(console: Console, one: PlacementDiff, k: int) -> None:
    for title, shifts in (("Gaining most", one.gaining), ("Losing most", one.losing)):
        if shifts:
            _show_items(console, f"{title}: share of lists with the item in the top {k}", shifts)
    changed = [shift for shift in one.categories if shift.before != shift.after]
    if not changed:
        return
    table = _table("Categories: share of all places", ("category", "before", "after", "change"))
    for category in changed:
        change = category.after - category.before
        name = plain(category.category) if category.category is not None else "[dim]none[/]"
        table.add_row(name, _percent(category.before), _percent(category.after), _points(change))
    console.print(table)


def _show_items(console: Console, title: str, shifts: Sequence[ItemShift]) -> None:
    table = _table(title, ("item", "title", "before", "after", "change"), n_left=2)
    for shift in shifts:
        change = _points(shift.reach_after - shift.reach_before)
        shares = (_percent(shift.reach_before), _percent(shift.reach_after), change)
        table.add_row(plain(shift.item_id), plain(shift.title or ""), *shares)
    console.print(table)


def _show_users(console: Console, one: PlacementDiff, k: int) -> None:
    if not one.most_changed:
        return
    columns = ("user", "overlap", "before", "after")
    table = Table(box=box.SIMPLE_HEAD, title=f"Most changed users, top {min(k, TOP)} side by side",
                  title_justify="left", show_lines=True)  # fmt: skip
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name == "overlap" else "left")
    for user in one.most_changed:
        table.add_row(plain(user.user_id), _percent(user.overlap), *_lists(user, min(k, TOP)))
    console.print(table)
    _print(console, f"[red]red[/]: leaves the top {k}. [green]green[/]: is new in it.")


def _lists(user: ChangedUser, n: int) -> tuple[str, str]:
    old, new = {item.item_id for item in user.before}, {item.item_id for item in user.after}
    return _titles(user.before[:n], new, "red"), _titles(user.after[:n], old, "green")


def _titles(shown: Sequence[Shown], others: set[str], colour: str) -> str:
    lines = []
    for item in shown:
        text = plain(item.title or item.item_id)
        lines.append(text if item.item_id in others else f"[{colour}]{text}[/]")
    return "\n".join(lines)


def _table(title: str, columns: Sequence[str], n_left: int = 1) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for place, name in enumerate(columns):
        table.add_column(name, overflow="fold", justify="left" if place < n_left else "right")
    return table


def _side(side: Side) -> str:
    return f"{side.snapshot}  {side.n_users:,} of {side.n_eligible_users:,} users  [dim]{plain(side.where)}[/]"


def _print(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True)


def _percent(share: float | None, digits: int = 1) -> str:
    return UNKNOWN if share is None else f"{share:.{digits}%}"


def _points(change: float) -> str:
    return f"[{'green' if change > 0 else 'red'}]{change * 100:+.1f}[/]"


def _number(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.2f}"
