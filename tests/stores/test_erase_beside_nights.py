"""Erasures while a night is between two steps, or in one: hand-made roots, real verbs, no Java process."""

from __future__ import annotations

import datetime as dt
import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from typer.testing import CliRunner

from contracts.layout import Layout
from contracts.store_section import Store as Section
from export.erasing.register import Register
from export.stores.base import Store
from export.stores.local import LocalStore
from export.stores.opening import store_of
from jobs import cli
from jobs.publishing import parity_verdict
from jobs.publishing.parity_verdict import ParityVerdict
from jobs.root_locks import working
from tests.stores import nights, places
from tests.stores.nights import USERS, Night
from tests.stores.places import InS3, InTable, Place
from tests.stores.servers import processes

ROOT: Final = Path(__file__).parents[2]
ANN = "user-07"
Larder = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(params=places.KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each kind of store."""
    return places.new_place(request.param, request, tmp_path)()


@pytest.fixture
def made(tmp_path: Path) -> list[Night]:
    """Two nights."""
    return [nights.night(tmp_path, day) for day in (1, 2)]


@pytest.fixture
def root(tmp_path: Path, place: Place) -> Path:
    """A root whose settings name the place."""
    folder = tmp_path / "root"
    folder.mkdir()
    own = 'kind = "local"\n'
    if isinstance(place, InS3):
        own = f'kind = "s3"\nbucket = "{processes.BUCKET}"\nprefix = "{place.prefix}"\nendpoint = "{place.endpoint}"\n'
    elif isinstance(place, InTable):
        own = f'kind = "dynamodb"\ntable = "{place.table}"\nendpoint = "{place.endpoint}"\n'
    more = f'region = "{processes.REGION}"\nlookup_timeout_seconds = 20.0\n' if place.is_remote else ""
    (folder / "larder.toml").write_text(f"[placements.home]\nrepeats = true\n[store]\n{own}{more}")
    return folder


def command(root: Path, *words: str) -> subprocess.Popen[str]:
    """A verb in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "jobs.cli", "--root", str(root), "--json", *words],
        cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture
def larder(root: Path) -> Larder:
    """Runs a verb in this process: exit code and the JSON object."""

    def run(*words: str) -> tuple[int, dict[str, Any]]:
        done = CliRunner().invoke(cli.app, ["--root", str(root), *words, "--json"])
        return done.exit_code, json.loads(done.stdout)

    return run


def stage(root: Path, night: Night) -> str:
    """The night's lists, staged, blessed and made again; its date."""
    day = night.manifest.as_of.isoformat()
    shutil.rmtree(root / "staging" / day, ignore_errors=True)
    shutil.copytree(night.build, root / "staging" / day)
    (root / "blessings").mkdir(exist_ok=True)
    shutil.copyfile(night.blessing, root / "blessings" / f"{day}.json")
    found = ParityVerdict(snapshot=night.id, verdict="green", users=24)
    parity_verdict.write(Layout(root), dt.date.fromisoformat(day), found)
    return day


def erase(larder: Larder, user: str = ANN) -> None:
    """The verb, which ends well."""
    code, told = larder("erase", user, "--reason", "ticket 7")
    assert (code, told["details"]["is_done"]) == (0, True)


def served(larder: Larder, user: str) -> str:
    """Whose list the user gets."""
    code, told = larder("lookup", user, "-k", "3")
    assert code == 0
    return str(told["source"])


def test_erased_between_any_two_steps_a_user_is_not_served_by_the_night(
    root: Path, larder: Larder, made: list[Night]
) -> None:
    """Between stage and publish, publish and flip, flip and the next night; nor by a rollback to the night before."""
    first, second = (stage(root, night) for night in made)
    gone = []
    for verb, day, user in (
        ("publish", first, USERS[1]), ("flip", first, USERS[2]), ("publish", second, USERS[3]),
        ("flip", second, USERS[4]), ("lookup", "", USERS[5]),
    ):  # fmt: skip
        erase(larder, user)
        gone.append(user)
        words = ("lookup", USERS[9]) if verb == "lookup" else (verb, "--as-of", day)
        assert larder(*words)[0] == 0
        if verb != "publish":
            assert {served(larder, one) for one in gone} == {"popular"}
    assert larder("rollback", "--reason", "bad")[1]["snapshot"] == made[0].id
    assert {served(larder, one) for one in gone} == {"popular"}
    assert served(larder, USERS[9]) == "personal"


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_what_was_staged_from_before_an_erasure_is_not_published(root: Path, larder: Larder, made: list[Night]) -> None:
    """Restored from a copy, or made by somebody who never asked: it says how many users, and what to do."""
    day = stage(root, made[0])
    erase(larder)
    stage(root, made[0])
    code, told = larder("publish", "--as-of", day)
    assert (code, told["error"]) == (3, "PublishRefused")
    assert told["what"].startswith("1 erased users are in the staged snapshot")
    assert "larder erase" in told["todo"]
    assert LocalStore(root / "store").snapshots() == []
    erase(larder)
    assert larder("publish", "--as-of", day)[0] == 0
    assert larder("flip", "--as-of", day)[0] == 0
    assert served(larder, ANN) == "popular"


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_an_erasure_waits_for_a_step_that_makes_something_of_the_user(
    root: Path, larder: Larder, made: list[Night]
) -> None:
    """What the step read before and wrote after the request is found, because the erasure comes after it."""
    with working(Layout(root)):
        erasure = command(root, "erase", ANN, "--reason", "ticket 7")
        assert erasure.stderr is not None
        assert "A step of a night is running; waiting" in erasure.stderr.readline()
        day = stage(root, made[0])
        assert erasure.poll() is None
        assert Register(root / "erased").entries() == {}
    out, _ = erasure.communicate(timeout=120)
    assert json.loads(out)["rows"]["staged_records"] == 1
    assert larder("publish", "--as-of", day)[0] == 0


@pytest.mark.parametrize("place", ["local"], indirect=True)
@pytest.mark.parametrize("verb", ["publish", "flip", "digest", "gates"])
def test_verbs_that_make_something_of_users_wait_for_an_erasure(root: Path, verb: str) -> None:
    """Each tells that it waits, and goes on when the erasure has ended."""
    with (root / ".erasing").open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        words = () if verb == "digest" else ("--as-of", "2026-01-01")
        child = command(root, verb, *words)
        assert child.stderr is not None
        assert "An erasure is running; waiting" in child.stderr.readline()
        assert child.poll() is None
        child.kill()
    child.communicate(timeout=60)


def test_two_erasures_at_once_are_one_after_the_other(root: Path, place: Place, made: list[Night]) -> None:
    """Both end well, and neither user is served."""
    store = opened(root, place)
    nights.run(store, made[0])
    children = [command(root, "erase", user, "--reason", "ticket 7") for user in (ANN, USERS[8])]
    told = [child.communicate(timeout=120) for child in children]
    assert [child.returncode for child in children] == [0, 0], told
    assert sorted(store.open(made[0].id).user_ids()) == sorted({*USERS} - {ANN, USERS[8]})
    assert store.verify(made[0].id).snapshot_id == made[0].id


@pytest.mark.parametrize("place", ["local"], indirect=True)
def test_status_tells_of_an_erasure_that_was_stopped(root: Path, larder: Larder, made: list[Night]) -> None:
    """For people and for machines, until it was run again; a night's flip says the same and is held."""
    store = LocalStore(root / "store")
    nights.run(store, made[0])
    with mock.patch.object(LocalStore, "take_out", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        store.erase({ANN: "f" * 64}, by="killed", reason="ticket 7", at=nights.LATER)
    shown = CliRunner().invoke(cli.app, ["--root", str(root), "status"]).stdout
    assert "An erasure is under way" in shown
    assert "ticket 7" in shown
    assert larder("status")[1]["is_erasing"] is True
    day = stage(root, made[1])
    assert larder("publish", "--as-of", day)[0] == 3
    erase(larder)
    assert larder("status")[1]["is_erasing"] is False
    assert [larder(verb, "--as-of", day)[0] for verb in ("publish", "flip")] == [0, 0]


def opened(root: Path, place: Place) -> Store:
    """The store that the root's settings name."""
    return place.store() if place.is_remote else store_of(Section(kind="local"), Layout(root))
