from __future__ import annotations

import datetime as dt
import io

import pytest
from rich.console import Console

from contracts.errors import InputInvalid
from contracts.report import JobReport
from export.lookup import TopN
from jobs.commands.invocation import print_error
from jobs.commands.plain import plain, printable
from jobs.commands.screens import show_list, show_report


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Tea 🌽 ünï", "Tea 🌽 ünï"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x9b2J\x00\x7f", r"\x9b2J\x00\x7f"),
        ("evil\u202etxt.\u2028x\u2066", r"evil\u202etxt.\u2028x\u2066"),
    ],
)
def test_what_a_terminal_would_obey_is_shown_as_its_escape(text: str, shown: str) -> None:
    """Control characters, separators of lines and turns of the writing; all other text stays."""
    assert printable(text) == shown


def test_markup_stays_text() -> None:
    """Brackets of a title are no colour of ours."""
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(plain("[red]Tea[/] \x1b[31m"))
    assert console.export_text() == "[red]Tea[/] \\x1b[31m\n"


def test_a_list_shows_hostile_ids_on_their_lines() -> None:
    """User, segment, item, title and reason with control characters leave none on the screen."""
    bad = "a\x1b[2J\nb"
    made = TopN(
        user_id=bad, placement="home", items=[bad], titles=[bad], reasons=[bad], sources=["own"], scores=[0.5],
        segment=bad, source="segment", snapshot="s", as_of=dt.date(2026, 1, 2), age_hours=1.0, is_stale=False,
    )  # fmt: skip
    console = Console(width=200, record=True, file=io.StringIO())
    show_list(console, made)
    text = console.export_text()
    assert text.count(r"a\x1b[2J\nb") == 5
    assert "\x1b" not in text


def test_a_report_and_its_tables_keep_their_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A table of ours keeps its lines; what ids in it, in a value or in an error would do is shown as its escape."""
    details = {"table": "user\n----\na\x1b[2J", "worst": "b\nc"}
    report = JobReport(job="flag", as_of=dt.date(2026, 1, 2), rows={}, numbers={}, details=details, seconds=0.1)
    console = Console(width=80, record=True, file=io.StringIO())
    show_report(console, report)
    assert console.export_text() == "flag as of 2026-01-02, 0.1 s\nuser\n----\na\\x1b[2J\nb\nc\n"
    print_error(InputInvalid("User a\x1b[2J is unknown.", where="here", todo="Look."), as_json=False)
    told = capsys.readouterr().err
    assert r"User a\x1b[2J is unknown." in told
    assert "\x1b" not in told
    assert len(told.splitlines()) == 3
