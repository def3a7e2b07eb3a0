"""Verbs for those who read lists or move the pointer. None of them starts a Java process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import msgspec
import typer

from contracts.errors import ExitCode
from jobs.commands import mail
from jobs.commands.invocation import Answer, AsOfOption, Invocation, answer_of, command

if TYPE_CHECKING:
    from rich.console import Console

PANEL: Final = "Read and serve: the web engineer, the email team"
CARE: Final = "Care: the on-call engineer"
PlacementOption = Annotated[str, typer.Option("--placement", help="Where the list shows.")]


def add_to(app: typer.Typer) -> None:
    """Registers the verbs."""
    command(app, "lookup", panel=PANEL)(lookup)
    command(app, "lists", panel=PANEL)(lists)
    mail.add_to(app)
    command(app, "stage", panel=CARE, is_working=True)(stage)
    command(app, "publish", panel=CARE, is_working=True)(publish)
    command(app, "flip", panel=CARE, is_working=True)(flip)
    command(app, "rollback", panel=CARE)(rollback)
    command(app, "release", panel=CARE)(release)
    command(app, "status", panel=CARE)(status)


def lookup(
    invocation: Invocation,
    user: Annotated[str, typer.Argument(metavar="USER", help="The shop's user id, any text.")],
    k: Annotated[int, typer.Option("-k", help="Items wanted.")] = 10,
    placement: PlacementOption = "home",
    segment: Annotated[str | None, typer.Option(help="Segment of a user the snapshot does not know.")] = None,
) -> Answer:
    """One user's list from the snapshot served now, in milliseconds.

    Always answers once something was published: the user's own list, else the segment's, else the popular one, and
    says which.
    """
    from export.lookup import Lists, Options
    from export.stores.opening import store_of
    from jobs.paths import layout_of

    settings = invocation.settings()
    store = store_of(settings.store, layout_of(settings))
    options = Options(stale_after_hours=settings.store.stale_after_hours)
    made = Lists(store, options).get(user, k, placement, segment=segment, now=invocation.now())

    def show(console: Console) -> None:
        from jobs.commands.screens import show_list

        show_list(console, made)

    return Answer(msgspec.to_builtins(made), show)


def lists(
    invocation: Invocation,
    out: Annotated[Path, typer.Option("--out", metavar="FILE.parquet", help="The file to write.")],
    placement: PlacementOption = "home",
) -> Answer:
    """Every user's list as one Parquet file: user_id, rank, item_id, score, source, reason."""
    from export.flat_lists import write_lists
    from export.stores.opening import store_of
    from jobs.paths import layout_of

    settings = invocation.settings()
    store = store_of(settings.store, layout_of(settings))
    n_rows = write_lists(store, out, placement=placement)
    return Answer({"out": str(out), "placement": placement, "rows": n_rows})


def stage(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """The lists of a date as one snapshot directory, for the gates to judge; not yet in the store."""
    from jobs.publishing import stage_snapshot

    return answer_of(stage_snapshot.run(invocation.settings(), as_of=invocation.day(as_of)))


def publish(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """Put the blessed lists of a date into the store. They are not served before `flip`."""
    from jobs.publishing import publish_snapshot

    return answer_of(publish_snapshot.run(invocation.settings(), as_of=invocation.day(as_of)))


def flip(
    invocation: Invocation,
    as_of: AsOfOption = None,
    override: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Flip without blessing or parity check; why, for the history."),
    ] = None,
) -> Answer:
    """Serve the published snapshot of a date from now on: one compare-and-swap.

    Asks what the night asks: a blessing that names these bytes, and a parity check that is not red.
    """
    from jobs.publishing import flip_pointer

    day, now = invocation.day(as_of), invocation.now()
    return answer_of(flip_pointer.run(invocation.settings(), as_of=day, at=now, by=invocation.id, override=override))


def rollback(
    invocation: Invocation, reason: Annotated[str, typer.Option(help="Why, for the history.")] = "asked for by hand"
) -> Answer:
    """Serve the snapshot before the current one, within a second. The bad one is never served again.

    The next flip is held until `larder release`, so that a night cannot undo the rollback.
    """
    from export.stores.opening import store_of
    from jobs.paths import layout_of

    settings = invocation.settings()
    store = store_of(settings.store, layout_of(settings))
    pointer = store.rollback(by=invocation.id, reason=reason, at=invocation.now().isoformat(timespec="seconds"))
    return Answer(msgspec.to_builtins(pointer))


def release(
    invocation: Invocation, reason: Annotated[str, typer.Option(help="Why, for the history.")] = "asked for by hand"
) -> Answer:
    """Allow flips again after a rollback."""
    from export.stores.opening import store_of
    from jobs.paths import layout_of

    settings = invocation.settings()
    store = store_of(settings.store, layout_of(settings))
    pointer = store.release(by=invocation.id, reason=reason, at=invocation.now().isoformat(timespec="seconds"))
    return Answer(msgspec.to_builtins(pointer))


def status(
    invocation: Invocation,
    fail_if_stale: Annotated[  # noqa: FBT002  typer reads the options from the arguments
        bool, typer.Option("--fail-if-stale", help="Exit with 3 when nothing fresh is served; for monitoring.")
    ] = False,
) -> Answer:
    """What is there: dates of every table and model, the snapshot served and its age, the last moves of the pointer."""
    from jobs.status import status as look

    found = look(invocation.settings(), now=invocation.now())

    def show(console: Console) -> None:
        from jobs.commands.status_screen import show_status

        show_status(console, found)

    is_bad = fail_if_stale and (found.is_stale or found.snapshot is None)
    return Answer(msgspec.to_builtins(found), show, ExitCode.HELD if is_bad else ExitCode.OK)
