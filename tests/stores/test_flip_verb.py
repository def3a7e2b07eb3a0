"""A flip by hand asks what the night asks; who flips without must say why."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from contracts.layout import Layout
from export.blessing import read_blessing, write_blessing
from export.stores.local import LocalStore
from jobs import cli
from jobs.publishing import parity_verdict
from jobs.publishing.parity_verdict import ParityVerdict
from tests.stores import nights
from tests.stores.nights import Night

DAY = dt.date(2026, 1, 1)
Larder = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def made(tmp_path: Path) -> Night:
    """The night of the first of January."""
    return nights.night(tmp_path, 1)


@pytest.fixture
def root(tmp_path: Path, made: Night) -> Path:
    """A root with the night staged, blessed and published; its lists were not made again."""
    folder = tmp_path / "root"
    shutil.copytree(made.build, folder / "staging" / DAY.isoformat())
    (folder / "blessings").mkdir()
    shutil.copyfile(made.blessing, folder / "blessings" / f"{DAY}.json")
    (folder / "larder.toml").write_text("[placements.home]\nrepeats = true\n")
    nights.publish(LocalStore(folder / "store"), made)
    return folder


@pytest.fixture
def flip(root: Path) -> Larder:
    """Flips to the night with the words given; exit code and the JSON object."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(cli.app, ["--root", str(root), "flip", "--as-of", DAY.isoformat(), *words, "--json"])
        return done.exit_code, json.loads(done.stdout)

    return run


def judge(root: Path, snapshot: str, verdict: Literal["green", "red", "off", ""]) -> None:
    """The parity check's verdict on the date."""
    found = ParityVerdict(snapshot=snapshot, verdict=verdict, users=1000, users_differing=3)
    parity_verdict.write(Layout(root), DAY, found)


def reasons(root: Path) -> list[str]:
    """Of all moves."""
    return [event.reason for event in LocalStore(root / "store").history()]


@pytest.mark.parametrize("verdict", ["green", "off"])
def test_a_verdict_that_is_not_red_lets_it_through(
    root: Path, made: Night, flip: Larder, verdict: Literal["green", "off"]
) -> None:
    """The parity check found nothing, or the settings let it draw nobody."""
    judge(root, made.id, verdict)
    code, told = flip()
    assert (code, told["details"]["snapshot"]) == (0, made.id)
    assert reasons(root) == ["night of 2026-01-01"]


def test_a_red_verdict_holds_it(root: Path, made: Night, flip: Larder) -> None:
    """The error tells how many users differ; nothing is served."""
    judge(root, made.id, "red")
    code, told = flip()
    assert (code, told["error"]) == (3, "HeldByGate")
    assert "3 of 1000 users" in told["what"]
    assert reasons(root) == []


def test_without_a_verdict_on_these_bytes_it_is_refused(root: Path, made: Night, flip: Larder) -> None:
    """None, that of another snapshot, one from before verdicts were told, one that cannot be read."""
    told = [flip()]
    judge(root, "2026-01-01-0123456789ab", "green")
    told.append(flip())
    judge(root, made.id, "")
    told.append(flip())
    parity_verdict.path_of(Layout(root), DAY).write_text("{")
    told.append(flip())
    assert [(code, found["error"]) for code, found in told] == [(3, "PublishRefused")] * 4
    assert all("larder parity --as-of 2026-01-01" in found["todo"] for _, found in told)
    assert reasons(root) == []


@pytest.mark.parametrize("how", ["held", "other", "none"])
def test_without_a_blessing_of_these_bytes_it_is_refused(root: Path, made: Night, flip: Larder, how: str) -> None:
    """The gates were asked again after the publish and hold it, they judged other bytes, or their verdict is gone."""
    judge(root, made.id, "green")
    path = root / "blessings" / f"{DAY}.json"
    blessing = read_blessing(path)
    if how == "none":
        path.unlink()
    elif how == "held":
        write_blessing(path, replace(blessing, verdict="held"))
    else:
        write_blessing(path, replace(blessing, manifest_sha256="0" * 64))
    code, told = flip()
    assert (code, told["error"]) == (3, "PublishRefused")
    assert reasons(root) == []


def test_an_override_says_why_and_what_it_overrides(root: Path, made: Night, flip: Larder) -> None:
    """Reason and missing verdict stand in the history."""
    judge(root, made.id, "red")
    assert flip("--override", "three known test users")[0] == 0
    (reason,) = reasons(root)
    assert reason == (
        "night of 2026-01-01; override: three known test users (The parity check is red: the lists of 3 of 1000 users "
        f"in {made.id} are not what they are when made again)"
    )


def test_an_override_without_a_reason_is_refused(root: Path, flip: Larder) -> None:
    """Spaces are none."""
    code, told = flip("--override", " ")
    assert (code, told["error"]) == (1, "InputInvalid")
    assert reasons(root) == []


def test_an_override_of_nothing_says_so(root: Path, made: Night, flip: Larder) -> None:
    """Both verdicts are there and good."""
    judge(root, made.id, "green")
    assert flip("--override", "to be sure")[0] == 0
    assert reasons(root) == ["night of 2026-01-01; override: to be sure (nothing to override)"]


def test_an_override_does_not_lift_a_rollbacks_hold(root: Path, made: Night, flip: Larder, tmp_path: Path) -> None:
    """That is what `release` is for."""
    store = LocalStore(root / "store")
    judge(root, made.id, "green")
    for day in (2, 3):
        nights.run(store, nights.night(tmp_path, day))
    store.rollback(by="r", reason="bad", at=nights.LATER)
    code, told = flip("--override", "it was fine")
    assert (code, told["error"]) == (3, "PublishRefused")
    assert "held" in told["what"]
