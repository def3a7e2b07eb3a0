from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from contracts.errors import HeldByGate
from contracts.layout import Layout
from jobs import cli
from jobs.commands import nights
from jobs.commands.invocation import Invocation
from jobs.reports import night_report
from tests.unit.report_root import NIGHT, write_root


def test_the_verb_writes_the_newest_night(tmp_path: Path) -> None:
    """Without a date it is the newest night there is; the sentence and the file are told, and status names the page."""
    write_root(tmp_path / "shop")
    root = ["--root", str(tmp_path / "shop")]
    done = CliRunner().invoke(cli.app, [*root, "report", "--out", str(tmp_path / "page.html")])
    assert done.exit_code == 0
    assert re.match(r"Published: users are served 2011-11-11-\w{12}, the two-stage lists", done.stdout)
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert not list((tmp_path / "shop" / "reports").glob("*.html"))
    CliRunner().invoke(cli.app, [*root, "report"])
    page = tmp_path / "shop" / "reports" / f"night-{NIGHT}.html"
    told = json.loads(CliRunner().invoke(cli.app, [*root, "--json", "status"]).stdout)
    assert told["report"] == str(page)
    month = json.loads(CliRunner().invoke(cli.app, [*root, "--json", "report", "--month", "2011-11"]).stdout)
    assert month["rows"] == {"nights": 1, "gaps_red": 0, "gaps_yellow": 1, "gaps_green": 0, "gaps_not_enough_data": 0}


def test_a_night_and_a_month_are_two_pages(tmp_path: Path) -> None:
    """Both at once is wrong usage."""
    asked = ["--root", str(tmp_path), "report", "--as-of", "2011-11-11", "--month", "2011-11"]
    assert CliRunner().invoke(cli.app, asked).exit_code == 2


def test_a_held_night_tells_where_its_report_is(tmp_path: Path) -> None:
    """The error of the night has the page among what to do, where there is one."""
    settings = write_root(tmp_path, verdict="held", is_served=False)
    Layout(tmp_path).landing_day("events", NIGHT).mkdir(parents=True)

    def hold(*_: object, **__: object) -> list[object]:
        night_report.run(settings, as_of=NIGHT)
        raise HeldByGate("1 gate holds.", where="blessings", todo="Mend the cause.")

    with pytest.raises(HeldByGate, match=r"Mend the cause\. What is known of the night: .*/night-2011-11-11\.html"):
        nights.cook(Invocation(), settings, NIGHT, hold)
