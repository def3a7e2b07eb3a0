"""Verbs that bring a shop in, make one up, or look whether the machine can cook."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from contracts.errors import ExitCode
from jobs.commands.invocation import Answer, Invocation, answer_of, command

if TYPE_CHECKING:
    from rich.console import Console

PANEL: Final = "Begin: your own shop, a synthetic one, the machine"


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "import", panel=PANEL)(import_)
    command(app, "make-shop", panel=PANEL)(make_shop)
    command(app, "doctor", panel=PANEL)(doctor)


def import_(
    invocation: Invocation,
    events: Annotated[Path, typer.Option(metavar="FILE", help="Events: Parquet, CSV or JSON lines; file or folder.")],
    items: Annotated[Path, typer.Option(metavar="FILE", help="The item catalogue, likewise.")],
    into: Annotated[Path, typer.Option(metavar="DIR", help="Root folder of the shop.")],
    users: Annotated[Path | None, typer.Option(metavar="FILE", help="Users and their attributes.")] = None,
    mapping: Annotated[
        list[str] | None, typer.Option("--map", metavar="OURS=THEIRS,...", help="Such as user_id=customer.")
    ] = None,
    event_type: Annotated[str | None, typer.Option(help="Type of every event of a shop without such a column.")] = None,
    timestamp_pattern: Annotated[
        str | None, typer.Option(help="strptime pattern of timestamps not in ISO 8601.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="The shop's name; the folder's by default.")] = None,
) -> Answer:
    """A shop's own files in the landing layout, a folder a day, and a first settings file to look through.

    Column names of a --config file ([shop.columns]) apply too; --map wins.
    """
    from jobs.shops.import_shop import import_shop

    columns = dict(invocation.settings().shop.columns) | _columns(mapping or [])
    report = import_shop(
        events=events, items=items, users=users, into=into, columns=columns,
        default_event_type=event_type, timestamp_pattern=timestamp_pattern, name=name,
    )  # fmt: skip
    return answer_of(report)


def make_shop(
    invocation: Invocation,
    users: Annotated[int, typer.Option(min=1, help="Users in the catalogue.")],
    items: Annotated[int, typer.Option(min=1, help="Items that ever exist.")],
    days: Annotated[int, typer.Option(min=1, help="Landing days.")],
    seed: Annotated[int, typer.Option(help="Of everything random.")] = 0,
    into: Annotated[Path | None, typer.Option(metavar="DIR", help="Root folder; --root or ./shop by default.")] = None,
    first_day: Annotated[
        dt.datetime, typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="The first landing day.")
    ] = dt.datetime(2024, 1, 1),  # noqa: DTZ001  a date; the option has no time
) -> Answer:
    """A synthetic shop with planted tastes, seasons, repeats, arrivals, bots and dirt, and a file of the truth."""
    from jobs.shops.make_shop import make_shop as make
    from models.synthetic.plan import ShopPlan

    plan = ShopPlan(users=users, items=items, days=days, seed=seed, first_day=first_day.date())
    return answer_of(make(plan, into or Path(invocation.root or "shop")))


def doctor(invocation: Invocation) -> Answer:
    """Whether Java, the Delta jars, disk, settings and store are fit for a night; what to do where they are not."""
    from jobs.machine.doctor import examine

    findings = examine(invocation.settings())

    def show(console: Console) -> None:
        for found in findings:
            mark = "[green]ok[/]  " if found.ok else "[bold red]bad[/] "
            console.print(f"{mark} {found.check:<9}", end="")
            console.print(found.what if found.ok else f"{found.what}  ({found.where})", markup=False, soft_wrap=True)
            if not found.ok:
                console.print(f"      to do: {found.todo}", markup=False, soft_wrap=True)

    is_fit = all(found.ok for found in findings)
    facts = {"is_fit": is_fit, "findings": msgspec.to_builtins(findings)}
    return Answer(facts, show, ExitCode.OK if is_fit else ExitCode.FAILED)


def _columns(pairs: list[str]) -> dict[str, str]:
    columns = {}
    for pair in (part for text in pairs for part in text.split(",")):
        ours, equals, theirs = pair.partition("=")
        if not (ours and equals and theirs):
            raise typer.BadParameter(f"--map wants ours=theirs, not {pair!r}.")
        columns[ours.strip()] = theirs.strip()
    return columns
