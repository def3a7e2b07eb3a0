"""The verb that takes users out of everything. It starts no Java process."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from contracts.errors import ExitCode
from jobs.commands.invocation import Answer, Invocation, answer_of, command

CARE: Final = "Care: the on-call engineer"


def add_to(app: typer.Typer) -> None:
    """Registers the verb."""
    command(app, "erase", panel=CARE)(erase)


def erase(
    invocation: Invocation,
    users: Annotated[list[str] | None, typer.Argument(metavar="USER...", help="User ids.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the history; must not name a user.")] = "",
    from_file: Annotated[
        Path | None, typer.Option("--users", metavar="FILE", help="User ids, one a line, beside those named.")
    ] = None,
    landing: Annotated[  # noqa: FBT002  typer reads the options from the arguments
        bool, typer.Option("--landing", help="Write the landing files anew too: they are the shop's own.")
    ] = False,
    file: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Another file with a column user_id to write anew, such as the sends."),
    ] = None,
    digests: Annotated[
        list[Path] | None, typer.Option("--digests", metavar="DIR", help="Digests that lie outside of the root.")
    ] = None,
) -> Answer:
    """Take users out of lake, snapshots, digests and kept lists, and keep them out of the nights to come.

    A night may be running: it waits for the step under way, and the next step for it. Exits with 3 where something
    still names a user; says what.
    """
    from jobs.erasing import erase_users

    named = list(users or ())
    if from_file is not None:
        named += from_file.read_text(encoding="utf-8").splitlines()
    request = erase_users.Request(
        users=named, reason=reason, is_landing=landing, files=tuple(file or ()), digests=tuple(digests or ())
    )
    report = erase_users.run(invocation.settings(), request, at=invocation.now(), by=invocation.id)
    answer = answer_of(report)
    return Answer(answer.facts, answer.show, ExitCode.OK if report.details["is_done"] else ExitCode.HELD)
