from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from contracts.layout import Layout
from export.stores import aws
from jobs.publishing import parity_verdict
from jobs.publishing.parity_verdict import ParityVerdict
from tests.stores import nights, places
from tests.stores.nights import USERS, Night
from tests.stores.places import InS3, InTable, Place
from tests.stores.servers import processes

ROOT: Final = Path(__file__).parents[2]
TOKEN: Final = "planted-session-token-7f3a"  # noqa: S105  it opens nothing
SECRET: Final = "planted-secret-9c1e"  # noqa: S105
Larder = Callable[..., tuple[int, Any, str]]


@pytest.fixture(params=[kind for kind in places.KINDS if kind != "local"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty place of each kind of store that has a server; `moto` is S3 with any credentials."""
    if request.param == "moto":
        return InS3(request.getfixturevalue("moto_server"), tmp_path.name)
    return places.new_place(request.param, request, tmp_path)()


@pytest.fixture
def root(tmp_path: Path, place: Place) -> Path:
    """A root whose settings name the place, with two nights staged and blessed."""
    folder = tmp_path / "root"
    if isinstance(place, InS3):
        own = f'kind = "s3"\nbucket = "{processes.BUCKET}"\nprefix = "{place.prefix}"\nendpoint = "{place.endpoint}"\n'
    else:
        assert isinstance(place, InTable)
        own = f'kind = "dynamodb"\ntable = "{place.table}"\nendpoint = "{place.endpoint}"\n'
    (folder / "blessings").mkdir(parents=True)
    more = f'region = "{processes.REGION}"\nlookup_timeout_seconds = 20.0\n'
    (folder / "larder.toml").write_text(f"[placements.home]\nrepeats = true\n[store]\n{own}{more}")
    for night in (nights.night(tmp_path, 1), nights.night(tmp_path, 2)):
        day = night.manifest.as_of.isoformat()
        shutil.copytree(night.build, folder / "staging" / day)
        shutil.copyfile(night.blessing, folder / "blessings" / f"{day}.json")
        parity_verdict.write(Layout(folder), night.manifest.as_of, ParityVerdict(snapshot=night.id, verdict="green"))
    return folder


@pytest.fixture
def larder(root: Path) -> Larder:
    """Runs a verb in a process of its own: exit code, the JSON object, and all that was printed."""

    def run(*words: str, **environment: str) -> tuple[int, Any, str]:
        command = [sys.executable, "-m", "jobs.cli", "--root", str(root), "--verbose", "--json", *words]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )  # fmt: skip
        printed = done.stdout + done.stderr
        return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.stdout else None, printed

    return run


def everything_in(place: Place) -> bytes:
    """Every key, body and header, or every item, that lies in the place."""
    if isinstance(place, InTable):
        client = processes.client("dynamodb", place.endpoint)
        return repr(client.scan(TableName=place.table)["Items"]).encode()
    assert isinstance(place, InS3)
    client = processes.client("s3", place.endpoint)
    found = b""
    for entry in client.list_objects_v2(Bucket=processes.BUCKET, Prefix=f"{place.prefix}/")["Contents"]:
        answer = client.get_object(Bucket=processes.BUCKET, Key=entry["Key"])
        found += entry["Key"].encode() + answer["Body"].read() + repr(answer["ResponseMetadata"]).encode()
    return found


def test_a_night_a_rollback_and_a_release_from_the_command_line(larder: Larder, place: Place, tmp_path: Path) -> None:
    """Publish, flip, look, roll back, be held, release: each verb works on a remote store; history names the runs."""
    made: list[Night] = [nights.night(tmp_path, 1), nights.night(tmp_path, 2)]
    for night in made:
        day = night.manifest.as_of.isoformat()
        for verb in ("publish", "flip"):
            code, answer, printed = larder(verb, "--as-of", day)
            assert (code, answer["details"]["snapshot"]) == (0, night.id), printed
    code, answer, printed = larder("lookup", USERS[3], "-k", "3")
    assert (code, answer["items"], answer["snapshot"]) == (0, made[1].items(USERS[3]), made[1].id), printed
    code, answer, printed = larder("rollback", "--reason", "prices wrong")
    assert (code, answer["snapshot"]) == (0, made[0].id), printed
    assert larder("flip", "--as-of", "2026-01-02")[0] == 3
    code, answer, printed = larder("release", "--reason", "prices fixed")
    assert (code, answer["held"]) == (0, ""), printed
    code, answer, printed = larder("status")
    assert (code, answer["snapshot"], answer["held"]) == (0, made[0].id, ""), printed
    assert [event["kind"] for event in answer["history"]] == ["flip", "flip", "rollback", "release"]
    runs = [event["by"] for event in answer["history"]]
    assert len(set(runs)) == 4
    assert all(run.startswith("cli-") for run in runs)
    assert place.store().history()[-1].reason == "prices fixed"


@pytest.mark.parametrize("place", ["moto", "dynamodb", "s3"], indirect=True)
def test_credentials_are_nowhere_in_what_a_run_writes(
    larder: Larder, place: Place, root: Path, request: pytest.FixtureRequest
) -> None:
    """Token and secret are searched for in every file, object, item, log and error; also where they are refused."""
    planted = {"AWS_SESSION_TOKEN": TOKEN, "AWS_SECRET_ACCESS_KEY": SECRET}
    printed, codes = "", []
    for words in (("publish", "--as-of", "2026-01-01"), ("flip", "--as-of", "2026-01-01"), ("status",), ("doctor",)):
        code, _, text = larder(*words, **planted)
        printed, codes = printed + text, [*codes, code]
    if request.node.callspec.params["place"] == "s3":
        assert codes[0] == 1
        assert "StoreDenied" in printed
        assert "InvalidAccessKeyId" in printed or "SignatureDoesNotMatch" in printed or "InvalidToken" in printed
        written = b""
    else:
        assert codes[:3] == [0, 0, 0]
        written = everything_in(place)
        assert b"2026-01-01" in written
    written += b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file())
    for word in (TOKEN, SECRET, processes.ACCESS_KEY):
        assert word not in printed
        assert word.encode() not in written


@pytest.mark.parametrize("place", ["moto", "dynamodb"], indirect=True)
def test_credentials_are_in_no_log_even_of_a_debugging_process(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The root logger at DEBUG: what the SDK would say of its signatures is not said."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    aws.session.cache_clear()
    with caplog.at_level(logging.DEBUG):
        nights.run(place.store(), nights.night(tmp_path, 1))
        logging.getLogger("larder.store").debug("a line of ours")
    aws.session.cache_clear()
    assert "a line of ours" in caplog.text
    assert TOKEN not in caplog.text
    assert SECRET not in caplog.text
    assert processes.ACCESS_KEY not in caplog.text
