"""What every verb shares: global options before or after it, clock and environment, one answer, named failures."""

from __future__ import annotations

import datetime as dt
import functools
import inspect
import json
import os
import sys
import traceback
import typing
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from typer.exceptions import TyperException

from contracts.errors import ExitCode, InputInvalid, LarderError
from contracts.report import JobReport
from contracts.settings import Settings
from jobs.configuration import configured
from jobs.paths import layout_of
from jobs.root_locks import working
from jobs.translation import as_larder_error

if TYPE_CHECKING:
    from rich.console import Console

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="Settings file.", rich_help_panel="Global"),
]
RootOption = Annotated[
    str | None,
    typer.Option("--root", metavar="DIR", help="Folder of the landing days, the lake and the store.",
                 rich_help_panel="Global"),
]  # fmt: skip
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object; logs go to stderr.", rich_help_panel="Global")
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", help="Log everything, and show where a crash came from.", rich_help_panel="Global")
]
AsOfOption = Annotated[
    dt.datetime | None,
    typer.Option("--as-of", formats=["%Y-%m-%d"], metavar="DATE", show_default="yesterday, UTC",
                 help="The last day whose events are known."),
]  # fmt: skip
_GLOBAL: Final = {
    "config": ConfigOption, "root": RootOption, "as_json": JsonOption, "is_verbose": VerboseOption,
}  # fmt: skip
Show = Callable[["Console"], None]


@dataclass(frozen=True)
class Answer:
    """What a verb found out.

    Attributes:
        facts: the JSON object.
        show: prints the same for a person; the facts as text where it is None.
        exit_code: 0 unless the answer itself is a warning.
    """

    facts: dict[str, Any]
    show: Show | None = None
    exit_code: int = ExitCode.OK


@dataclass
class Invocation:
    """One call of the command: its global options, the clock, the environment, and an id that the history names."""

    config: Path | None = None
    root: str | None = None
    as_json: bool = False
    is_verbose: bool = False
    environment: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    id: str = field(default_factory=lambda: f"cli-{uuid.uuid4().hex[:16]}")

    def over(self, **given: Any) -> Invocation:
        """This invocation with the options that were given after the verb."""
        merged = {name: given[name] or getattr(self, name) for name in _GLOBAL}
        return Invocation(**merged, environment=self.environment, id=self.id)

    def settings(self) -> Settings:
        """The settings.

        Raises:
            SettingsError: they are not valid.
        """
        return configured(self.environment, config=self.config, root=self.root)

    @staticmethod
    def now() -> dt.datetime:
        """The time, UTC."""
        return dt.datetime.now(dt.UTC)

    def day(self, given: dt.datetime | None) -> dt.date:
        """The date asked for, yesterday by default.

        Raises:
            InputInvalid: that day has not ended.
        """
        today = self.now().date()
        chosen = given.date() if given is not None else today - dt.timedelta(days=1)
        if chosen >= today:
            raise InputInvalid(
                f"{chosen} has not ended yet; today is {today} (UTC).",
                where="--as-of",
                todo=f"Name a day that is over, {today - dt.timedelta(days=1)} at the latest.",
            )
        return chosen

    def run(self, body: Callable[[], Answer]) -> int:
        """The exit code; the answer, or the error, was printed."""
        try:
            with _stdout_for_the_answer():
                answer = body()
        except (TyperException, typer.Exit, typer.Abort):
            raise
        except Exception as error:  # noqa: BLE001  whatever it is, a person gets a message, not a traceback
            return self._fail(error)
        self._print(answer)
        return int(answer.exit_code)

    def _print(self, answer: Answer) -> None:
        if self.as_json:
            sys.stdout.write(json.dumps(answer.facts, ensure_ascii=False, default=str) + "\n")
            return
        from rich.console import Console

        console = Console(highlight=False)
        if answer.show is not None:
            answer.show(console)
        else:
            console.print_json(data=answer.facts, default=str)

    def _fail(self, error: Exception) -> int:
        known = as_larder_error(error)
        if self.is_verbose:
            sys.stderr.write("".join(traceback.format_exception(error)))
        if known is None:
            lines = str(error).strip().splitlines() or [""]
            known = LarderError(
                f"{type(error).__name__}: {lines[0][:300]}",
                where="an error that Larder has no name for",
                todo="Run it again with --verbose and report the traceback.",
            )
        print_error(known, as_json=self.as_json)
        return int(known.exit_code)


def print_error(error: LarderError, *, as_json: bool) -> None:
    """One JSON object on stdout, or three lines on stderr."""
    if as_json:
        sys.stdout.write(json.dumps({**error.as_dict(), "exit_code": int(error.exit_code)}, ensure_ascii=False) + "\n")
    else:
        from jobs.commands.plain import printable_lines

        sys.stderr.write(printable_lines(f"{type(error).__name__}: {error}") + "\n")


def answer_of(report: JobReport) -> Answer:
    """A job's report, for a script and for a person."""

    def show(console: Console) -> None:
        from jobs.commands.screens import show_report

        show_report(console, report)

    return Answer(report.as_dict(), show)


def command(
    app: typer.Typer, name: str, *, panel: str, text: str | None = None, is_working: bool = False
) -> Callable[..., Callable[..., None]]:
    """Registers `body(invocation, ...) -> Answer` as a verb that also takes the global options.

    Args:
        text: help; the body's docstring by default.
        is_working: whether it makes something of users' rows below the root, so that it waits for an erasure.
    """

    def register(body: Callable[..., Answer]) -> Callable[..., None]:
        hints = typing.get_type_hints(body, include_extras=True)
        own = [p.replace(annotation=hints[p.name]) for p in list(inspect.signature(body).parameters.values())[1:]]

        @functools.wraps(body)
        def run(ctx: typer.Context, **given: Any) -> None:
            shared = {key: given.pop(key) for key in _GLOBAL}
            before = ctx.obj if isinstance(ctx.obj, Invocation) else Invocation()
            invocation = before.over(**shared)
            raise typer.Exit(invocation.run(lambda: _answer(body, invocation, given, is_working=is_working)))

        keyword = inspect.Parameter.KEYWORD_ONLY
        shared = [
            inspect.Parameter(key, keyword, default=None if key in ("config", "root") else False, annotation=kind)
            for key, kind in _GLOBAL.items()
        ]
        first = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        parameters = [first, *(p.replace(kind=keyword) for p in own), *shared]
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        app.command(name, help=text or inspect.getdoc(body), rich_help_panel=panel)(run)
        return run

    return register


def _answer(body: Callable[..., Answer], invocation: Invocation, given: dict[str, Any], *, is_working: bool) -> Answer:
    if not is_working:
        return body(invocation, **given)
    with working(layout_of(invocation.settings())):
        return body(invocation, **given)


@contextmanager
def _stdout_for_the_answer() -> Iterator[None]:
    """Sends what libraries print on stdout, C code and Java included, to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:
        yield
        return
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)
