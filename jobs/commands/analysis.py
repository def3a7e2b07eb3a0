"""Verbs for the analyst. None of them starts a Java process."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from jobs.commands.invocation import Answer, AsOfOption, Invocation, command

if TYPE_CHECKING:
    from rich.console import Console

PANEL: Final = "Ask what happened and why: the analyst"
NewestOption = Annotated[
    dt.datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], metavar="DATE", show_default="the newest there is",
                 help="The night that is asked about."),
]  # fmt: skip


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "ledger", panel=PANEL)(ledger)
    command(app, "explain", panel=PANEL)(explain)
    command(app, "tune", panel=PANEL, is_working=True)(tune)


def ledger(invocation: Invocation, as_of: NewestOption = None) -> Answer:
    """What each candidate source found of what users bought next, at what cost, and what the ranker left of it.

    Says in a sentence for each placement whether to mend retrieval or ranking.
    """
    from jobs.evaluation import ledger_report
    from jobs.paths import layout_of

    made = ledger_report.read(layout_of(invocation.settings()), as_of.date() if as_of else None)

    def show(console: Console) -> None:
        from jobs.commands.ledger_screen import show_ledger

        show_ledger(console, made)

    return Answer(msgspec.to_builtins(made), show)


def explain(
    invocation: Invocation,
    user: Annotated[str, typer.Argument(metavar="USER", help="The shop's user id.")],
    item: Annotated[str | None, typer.Argument(metavar="ITEM", help="An item id, in the list or not.")] = None,
    placement: Annotated[str, typer.Option("--placement", help="Where the list shows.")] = "home",
    k: Annotated[int, typer.Option("-k", min=1, help="Items of the list explained.")] = 10,
    features: Annotated[int, typer.Option(min=0, help="Largest feature contributions of each.")] = 5,
    as_of: Annotated[
        dt.datetime | None,
        typer.Option("--as-of", formats=["%Y-%m-%d"], metavar="DATE", show_default="of what is served",
                     help="The night whose lists are explained."),
    ] = None,
    before: Annotated[
        dt.datetime | None,
        typer.Option("--before", formats=["%Y-%m-%d"], metavar="DATE", show_default="the newest older one",
                     help="The night they are compared with."),
    ] = None,
) -> Answer:  # fmt: skip
    """Why an item stands where it does, or does not: sources, features, stages, versions, and what changed since."""
    from jobs.explaining import explain_user

    asked = explain_user.Question(
        user=user,
        item=item,
        placement=placement,
        as_of=as_of.date() if as_of else None,
        before=before.date() if before else None,
        k=k,
        n_features=features,
    )
    made = explain_user.run(invocation.settings(), asked)

    def show(console: Console) -> None:
        from jobs.commands.explain_screen import show_explanation

        show_explanation(console, made)

    return Answer(msgspec.to_builtins(made), show)


def tune(
    invocation: Invocation,
    into: Annotated[Path, typer.Option("--into", metavar="FILE", help="The settings file that is written.")],
    as_of: AsOfOption = None,
    folds: Annotated[int, typer.Option("--folds", min=1, help="Newest stored windows predicted.")] = 2,
) -> Answer:
    """The ranker's settings that past windows choose, as a settings file; nothing after the date is looked at."""
    from jobs.commands.tune_screen import show_choice, tell
    from jobs.configuration import file_of
    from jobs.training import tune_ranker

    day, settings = invocation.day(as_of), invocation.settings()
    base = file_of(invocation.environment, config=invocation.config, root=invocation.root)
    report = tune_ranker.run(settings, as_of=day, folds=folds, into=into, base=base, told=tell)

    return Answer(report.as_dict(), lambda console: show_choice(console, report))
