from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from contracts.errors import InputInvalid
from export.http.running import check_exposed
from export.stores.local import LocalStore

ROOT = Path(__file__).parents[2]
Night = Callable[..., str]
NO_EXTRA = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"fastapi", "uvicorn", "prometheus_client"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
sys.argv = ["larder", *sys.argv[1:]]
from jobs.cli import main
main()
"""


def environment(**more: str) -> dict[str, str]:
    """This process's environment without Larder's variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LARDER_", "SERVE_"))}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


@contextmanager
def serving(root: Path, *arguments: str, **variables: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of a real `larder serve` on a free port, and its process, which ends with the block."""
    command = [sys.executable, "-m", "jobs.cli", "--json", "--root", str(root), "serve", "--port", "0", *arguments]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("serving http://"), line + process.stderr.read()
        yield line.split()[1].removesuffix("/docs"), process
    finally:
        process.kill()
        process.wait(30)


def test_no_request_fails_while_the_pointer_moves(store: LocalStore, night: Night, publish: Night) -> None:
    """Four readers keep asking until both snapshots were seen 30 times by each: only whole answers of one of them."""
    row = {"user_id": "ann", "placement": "home", "segment": "x", "item_idx": [1], "scores": [1.0], "reasons": [1],
           "anchors": [-1]}  # fmt: skip
    wanted = {night(store, 1): ["jam", "milk", "bread"], publish(store, 2, rows=[row]): ["milk"]}
    first, second = wanted
    problems: list[str] = []

    def read(url: str) -> None:
        seen = dict.fromkeys(wanted, 0)
        with httpx.Client(base_url=url, trust_env=False) as client:
            while not problems and min(seen.values()) < 30:
                got = client.get("/v1/users/ann/lists/home")
                if got.status_code != 200 or got.json()["items"] != wanted[got.json()["snapshot"]]:
                    problems.append(got.text)
                seen[got.json()["snapshot"]] += 1

    with serving(store.root.parent) as (url, _):
        readers = [threading.Thread(target=read, args=(url,)) for _ in range(4)]
        for reader in readers:
            reader.start()
        turn, end = 0, time.monotonic() + 60
        while time.monotonic() < end and any(reader.is_alive() for reader in readers):
            snapshot = (second, first)[turn % 2]
            store.flip(snapshot, expected=store.pointer(), by=f"t{turn}", reason="-", at="2026-01-02")
            turn += 1
        problems += ["a snapshot was never seen"] * any(reader.is_alive() for reader in readers)
        for reader in readers:
            reader.join()
    assert problems == []


def test_it_ends_when_told_to(store: LocalStore, night: Night) -> None:
    """SIGTERM: exit code 0 and one JSON object on stdout."""
    night(store, 1)
    with serving(store.root.parent) as (url, process):
        assert httpx.get(f"{url}/readyz", trust_env=False).json()["status"] == "stale"
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
        assert process.returncode == 0
        assert json.loads(out)["served_seconds"] > 0


def test_the_key_comes_from_the_environment(store: LocalStore, night: Night) -> None:
    """Then every address may be listened on."""
    night(store, 1)
    with serving(store.root.parent, "--host", "0.0.0.0", SERVE_API_KEY="sesame") as (url, _):  # noqa: S104  it is what is tested
        asked = url.replace("0.0.0.0", "127.0.0.1") + "/v1/users/ann/lists/home"  # noqa: S104
        assert httpx.get(asked, trust_env=False).status_code == 401
        assert httpx.get(asked, headers={"X-API-Key": "sesame"}, trust_env=False).status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "shop.example", ""])  # noqa: S104  it is what is refused
def test_without_a_key_only_this_machine_is_served(host: str) -> None:
    """Other addresses are refused, this machine's are not."""
    with pytest.raises(InputInvalid, match="could read every user's list"):
        check_exposed(host, None)
    check_exposed(host, "sesame")
    for ours in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        check_exposed(ours, None)


def refused(*arguments: str, code: str = "from jobs.cli import main; main()") -> dict[str, str]:
    """The error of a call that does not serve."""
    ran = subprocess.run(
        [sys.executable, "-c", code, "--json", "serve", *arguments],
        cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    found: dict[str, str] = json.loads(ran.stdout)
    return found


def test_a_taken_port_is_named() -> None:
    """Not a traceback."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused("--port", str(port))
    assert (told["error"], told["where"]) == ("EnvironmentUnfit", "--port")
    assert f"127.0.0.1:{port}" in told["what"]


def test_without_the_extra_it_says_which(tmp_path: Path) -> None:
    """The package that is missing, and what to install."""
    told = refused(code=NO_EXTRA)
    assert (told["error"], told["what"]) == ("EnvironmentUnfit", "The package fastapi is not installed")
    assert "larder[serve]" in told["todo"]
