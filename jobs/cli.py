"""The `larder` command. Only here is Dagster reached from below, and only when a night is asked for."""

from __future__ import annotations

import datetime as dt
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.exceptions import TyperException

from contracts.errors import ExitCode, LarderError
from contracts.settings import Settings
from jobs.commands import analysis, compare, erasing, nights, outcomes, reports, serving, shelving, shops, steps, web
from jobs.commands.invocation import (
    Answer,
    AsOfOption,
    ConfigOption,
    Invocation,
    JsonOption,
    RootOption,
    VerboseOption,
    command,
    print_error,
)

if TYPE_CHECKING:
    from dagster_project.night import StepOutcome

PANEL: Final = "The night: the on-call engineer, the analyst"
DEMO_AS_OF: Final = dt.date(2017, 12, 4)
_EPILOG: Final = (
    "Exit codes: 0 done, 1 failed, 2 wrong usage or settings, 3 held by a gate or check. "
    "A night that fails leaves the lists of the last one served."
)


class WrongUsage(LarderError):
    """An option or argument of the command that cannot be."""

    exit_code = ExitCode.USAGE


app = typer.Typer(
    name="larder",
    help="Larder cooks recommendations at night and serves them cold all day.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    ctx: typer.Context,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,  # noqa: FBT002  typer reads the options from the arguments
    is_verbose: VerboseOption = False,  # noqa: FBT002
) -> None:
    ctx.obj = Invocation(config=config, root=root, as_json=as_json, is_verbose=is_verbose)


def main() -> None:
    """Runs the command and exits with one of `contracts.errors.ExitCode`; with --json wrong usage is an object too."""
    # Threads that wait by spinning steal the cores that they wait for when the machine has other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if "--json" not in sys.argv[1:]:
        app()
        return
    try:
        code = app(standalone_mode=False)
    except TyperException as error:
        print_error(_misuse(error), as_json=True)
        code = ExitCode.USAGE
    sys.exit(code)


def _misuse(error: TyperException) -> LarderError:
    told = error.format_message() if isinstance(error, typer.BadParameter) else str(getattr(error, "message", error))
    return WrongUsage(told, where=" ".join(sys.argv[1:]), todo="`larder VERB --help` tells its options.")


def night(invocation: Invocation, as_of: AsOfOption = None) -> Answer:
    """Cook and serve the lists of a date: everything from the landing folder to the flipped pointer.

    Runs the Dagster job in this process. Days that landed and were never ingested are ingested first, in the same run.
    A red check or gate exits with 3; the lists of the last night are still served.
    """
    return nights.night(invocation, invocation.settings(), invocation.day(as_of), _run_night)


def backtest(
    invocation: Invocation,
    cut: Annotated[
        dt.datetime,
        typer.Option(formats=["%Y-%m-%d"], metavar="DATE", help="First day that the lists do not know."),
    ],
    days: Annotated[int, typer.Option(min=1, help="Days from the cut on that are predicted.")] = 28,
    k: Annotated[int, typer.Option("-k", min=1, help="Cutoff of the headline metrics.")] = 10,
    cuts: Annotated[int, typer.Option(min=1, help="Cuts measured, each 28 days before the next.")] = 1,
    must_be_published: Annotated[  # noqa: FBT002  typer reads it from the arguments
        bool, typer.Option("--published", help="Only lists that were published; without it missing ones are cooked.")
    ] = False,
) -> Answer:
    """Published lists scored by what followed them, beside naive references; lists that are missing are cooked."""
    wanted = nights.Backtest(cut=cut.date(), days=days, k=k, cuts=cuts, must_be_published=must_be_published)
    return nights.backtest(invocation, invocation.settings(), wanted, _run_night)


def demo(invocation: Invocation) -> Answer:
    """One real night on a grocer's year of purchases, into ./demo-shop or --root; then a list, and how good it is."""
    return nights.demo(invocation, DEMO_AS_OF, _run_night)


def _run_night(
    settings: Settings, *, as_of: dt.date, first: dt.date, on_step: Callable[[StepOutcome], None], is_verbose: bool
) -> list[Any]:
    from dagster_project.night import run_night

    return run_night(settings, as_of=as_of, first=first, on_step=on_step, is_verbose=is_verbose)


command(app, "night", panel=PANEL)(night)
command(app, "backtest", panel=PANEL)(backtest)
command(app, "demo", panel=PANEL)(demo)
serving.add_to(app)
erasing.add_to(app)
web.add_to(app)
compare.add_to(app)
analysis.add_to(app)
reports.add_to(app)
shelving.add_to(app)
shops.add_to(app)
outcomes.add_to(app)
steps.add_to(app)


if __name__ == "__main__":
    main()
