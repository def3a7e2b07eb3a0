"""The screen of `larder explain`."""

from __future__ import annotations

from typing import Final

from rich import box
from rich.console import Console
from rich.table import Table

from jobs.commands.plain import plain, printable
from jobs.explaining.result import Change, Explanation, ItemExplanation, SourceScore
from models.measures import OURS

_MARKS: Final = {"entered": "[green]new[/]", "left": "[red]left[/]", "stayed": "", "out": "", "first": ""}
_SHORT: Final = 12


def show_explanation(console: Console, made: Explanation) -> None:
    """The list as a table and what left it; one item in full."""
    _show_head(console, made)
    if made.whose == "fallback":
        segment = f" of segment {made.segment}" if made.segment else ""
        text = f"The user has no own list: nothing was bought by then. The fallback list{segment} is served."
        console.print(printable(text), markup=False, soft_wrap=True)
    elif len(made.items) == 1:
        _show_item(console, made.items[0])
    else:
        _show_list(console, made)
    _show_versions(console, made)


def _show_head(console: Console, made: Explanation) -> None:
    told = f"{made.n_listed} items from {made.n_candidates} candidates" if made.whose == "personal" else "fallback list"
    since = f", beside {made.versions.before}" if made.versions.before else ""
    title = f"[bold]{plain(made.user_id)} · {plain(made.placement)}[/]"
    console.print(f"{title}: {told}, as of {made.versions.as_of}{since}", soft_wrap=True)
    if made.whose == "personal" and made.system != OURS:
        text = f"These are the lists of source {made.system}, which the ranker did not beat: its ranks did not count."
        console.print(text, markup=False, soft_wrap=True)


def _show_list(console: Console, made: Explanation) -> None:
    for item in made.items:
        console.print()
        rank = "no candidate" if item.ranker_rank is None else f"ranker {item.ranker_rank}"
        mark = _MARKS[item.movement.kind]
        name = f"[bold]{plain(item.title or item.item_id)}[/] [dim]{plain(item.item_id)}[/]"
        console.print(f"{item.place or 0:>3}  {name}  {rank}  {mark}".rstrip(), soft_wrap=True)
        _under(console, f"{item.reason}; {_sources(item.sources) or item.stages[0]}")
        added = [f"{c.feature} {_value(c.value)} ({c.contribution:+.2f})" for c in item.contributions]
        if added and made.system == OURS:
            _under(console, ", ".join(added))
        if item.movement.kind in {"entered", "stayed"}:
            _under(console, f"{item.movement.why}{_changes(item.movement.changes)}")
    if made.left:
        console.print("\n[bold]Left since:[/]")
    for item in made.left:
        console.print(f"{item.movement.place_before or 0:>3}  {plain(item.title or item.item_id)}", soft_wrap=True)
        _under(console, f"{item.movement.why}{_changes(item.movement.changes)}")
    console.print()


def _show_item(console: Console, item: ItemExplanation) -> None:
    console.print(f"\n[bold]{plain(item.title or item.item_id)}[/] ({plain(item.item_id)})")
    place = f"place {item.place}" if item.place else "not in the list"
    served = f", place {item.place_served} in what is served" if item.place_served else ""
    _line(console, "where", f"{place}{served}")
    for stage in item.stages:
        _line(console, "stages", stage)
    if item.reason:
        _line(console, "reason", f"{item.reason} (source {item.source or 'unknown'})")
    _line(console, "since", f"{item.movement.why}{_changes(item.movement.changes)}")
    if item.ranker_rank is None and item.nearest:
        near = [f"{n.source} would rank it {n.rank} and proposes {n.proposes}" for n in item.nearest[:3]]
        _line(console, "nearest", "; ".join(near))
    for name, value in item.recorded.items():
        _line(console, "recorded", f"{name} = {value}")
    _show_sources(console, item)
    _show_contributions(console, item)


def _show_sources(console: Console, item: ItemExplanation) -> None:
    if not item.sources:
        return
    table = _table("Sources", ("source", "rank", "score"))
    for one in item.sources:
        score = "-" if one.score is None else f"{one.score:.4g}"
        table.add_row(one.source, str(one.rank or "-"), score, style="" if one.rank else "dim")
    console.print(table)


def _show_contributions(console: Console, item: ItemExplanation) -> None:
    if item.base is None or item.ranker_score is None:
        return
    table = _table(f"Ranker score {item.ranker_score:.4f}, largest contributions", ("feature", "value", "adds"))
    for one in item.contributions:
        colour = "green" if one.contribution > 0 else "red"
        table.add_row(one.feature, _value(one.value), f"[{colour}]{one.contribution:+.4f}[/]")
    others = item.ranker_score - item.base - sum(one.contribution for one in item.contributions)
    table.add_row("all others", "", f"{others:+.4f}", style="dim")
    table.add_row("base", "", f"{item.base:+.4f}", style="dim")
    console.print(table)


def _show_versions(console: Console, made: Explanation) -> None:
    versions = made.versions
    artifacts = ", ".join(f"{kind} {sha[:_SHORT]}" for kind, sha in versions.artifacts.items())
    same = "as now" if versions.is_same_settings else "not as now"
    made_with = f"settings {versions.settings} ({same})"
    text = f"snapshot {versions.snapshot or 'none'}; {versions.booster}; {artifacts}; {made_with}"
    console.print(f"[dim]{plain(text)}[/]", soft_wrap=True)


def _table(title: str, columns: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left")
    for place, name in enumerate(columns):
        table.add_column(name, justify="left" if place == 0 else "right", overflow="fold")
    return table


def _line(console: Console, name: str, text: str) -> None:
    console.print(f"  {name:<9} {plain(text)}", soft_wrap=True)


def _under(console: Console, text: str) -> None:
    console.print(f"     {printable(text)}", markup=False, soft_wrap=True, style="dim")


def _sources(sources: list[SourceScore]) -> str:
    return ", ".join(f"{one.source} {one.rank}" for one in sources if one.rank is not None)


def _changes(changes: list[Change]) -> str:
    told = [f"{c.feature} {_value(c.before)} -> {_value(c.now)} ({c.change:+.2f})" for c in changes]
    return f" Most by {', '.join(told)}." if told else ""


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"
