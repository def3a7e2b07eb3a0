"""Verbs that tell what a flip would change before it is made. None of them starts a Java process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from jobs.commands.invocation import Answer, AsOfOption, Invocation, answer_of, command

if TYPE_CHECKING:
    from rich.console import Console

CARE: Final = "Care: the on-call engineer"


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "diff", panel=CARE)(diff)
    command(app, "changes", panel=CARE, is_working=True)(changes)
    command(app, "parity", panel=CARE, is_working=True)(parity)


def diff(
    invocation: Invocation,
    before: Annotated[
        str | None, typer.Argument(metavar="A", help="A snapshot id, a staged date or a directory; else the current.")
    ] = None,
    after: Annotated[
        str | None, typer.Argument(metavar="B", help="The same; else the newest one, published or staged.")
    ] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Places of a list that are compared.")] = 10,
    users: Annotated[
        int, typer.Option(min=1, help="Compare all users up to so many; of more, a sample of about so many.")
    ] = 200_000,
    most: Annotated[int, typer.Option(min=0, help="Most changed users shown.")] = 20,
) -> Answer:
    """What changes if B is served in place of A: whose lists, which items, categories and prices. Moves nothing.

    Works on any store. A remote one is read once for the ids, and each compared user costs up to three reads more:
    --users bounds them.
    """
    from export.comparing.snapshots import Extent
    from jobs.publishing import diff_snapshots

    extent = Extent(k=k, exact_users=users, n_users=most)
    made = diff_snapshots.run(invocation.settings(), before=before, after=after, extent=extent)

    def show(console: Console) -> None:
        from jobs.commands.diff_screen import show_diff

        show_diff(console, made)

    return Answer(msgspec.to_builtins(made), show)


def changes(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """The diff of the staged lists of a date and those served, as numbers for the gates to judge; and of a shadow."""
    from jobs.publishing import measure_changes

    return answer_of(measure_changes.run(invocation.settings(), as_of=invocation.day(as_of)))


def parity(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """Some users' lists made a second time by plain code, beside those in the store; a difference exits with 3."""
    from jobs.publishing import check_parity

    return answer_of(check_parity.run(invocation.settings(), as_of=invocation.day(as_of)))
