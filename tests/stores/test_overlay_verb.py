from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from contracts.layout import Layout
from export.blessing import Blessing, write_blessing
from export.lookup import Lists
from export.reading.channels import is_exposed
from export.stores.local import LocalStore
from jobs import cli
from jobs.publishing import parity_verdict
from jobs.publishing.parity_verdict import ParityVerdict

Night = Callable[..., str]


def larder(root: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer of a verb."""
    ran = CliRunner().invoke(cli.app, ["--json", "--root", str(root), *arguments])
    return ran.exit_code, json.loads(ran.stdout)


def write(path: Path, text: str) -> str:
    """The file, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")
    return str(path)


def test_files_of_ids_become_flags(store: LocalStore, night: Night, tmp_path: Path) -> None:
    """Lines, CSV and Parquet; a region's file flags the region alone; unknown ids are counted."""
    snapshot = night(store, 1)
    hidden = write(tmp_path / "hidden.txt", "jam\r\nünknown\n\n")
    table = write(tmp_path / "out.csv", "sku,item_id\n1,milk\n2,\n")
    pq.write_table(pa.table({"item_id": ["bread", "milk"]}), tmp_path / "out.parquet")
    north = tmp_path / "out.parquet"
    code, told = larder(
        tmp_path, "overlay", "--hidden", hidden, "--out-of-stock", table, "--out-of-stock", f"north={north}",
        "--max-share", "0.8",
    )  # fmt: skip
    assert code == 0
    assert told["rows"] == {
        "items": 5, "hidden": 2, "out_of_stock": 1, "out_of_stock in north": 2, "not_in_the_snapshot": 1,
    }  # fmt: skip
    lists = Lists(store)
    assert lists.get("ann", 3, "home").items == ["bread"]
    assert lists.get("ann", 3, "home", region="north").source == "segment"
    assert told["details"]["overlay"] == lists.get("ann", 3, "home").overlay
    assert told["details"]["snapshot"] == snapshot
    assert dt.datetime.fromisoformat(told["details"]["at"]).utcoffset() == dt.timedelta(0)


def test_without_a_file_the_newest_landed_catalogue_counts(store: LocalStore, night: Night, tmp_path: Path) -> None:
    """Not available, or not listed any more, is out of stock; an older catalogue says nothing."""
    night(store, 1)
    days = tmp_path / "landing" / "items"
    write(days / "date=2026-01-01" / "a.csv", "item_id,is_available\nbread,false\n")
    write(days / "date=2026-01-02" / "a.csv", "item_id,is_available\njam,False\nmilk,\nbread,1\n")
    write(days / "date=2026-01-02" / "b.jsonl", '{"item_id": "-pear", "is_available": true}\n')
    code, told = larder(tmp_path, "overlay")
    assert (code, told["rows"]) == (0, {"items": 5, "out_of_stock": 2, "not_in_the_snapshot": 0})
    assert Lists(store).get("ann", 3, "home").items == ["milk", "bread"]
    assert Lists(store).get("bob", 3, "home").source == "popular"  # tea is not listed
    assert larder(tmp_path, "overlay", "--clear")[0] == 0
    assert Lists(store).get("ann", 3, "home").items == ["jam", "milk", "bread"]


@pytest.mark.parametrize(
    ("arguments", "error", "what"),
    [
        (("--hidden", "absent.txt"), "InputMissing", "does not exist"),
        (("--hidden", "three.txt"), "InputInvalid", "3 of the snapshot's 5 items would be gone"),
        (("--hidden", "north=three.txt"), "InputInvalid", "would be gone in north"),
        (("--hidden", "wrong.csv"), "InputInvalid", "item_id is missing"),
        (("--clear", "--hidden", "three.txt"), "InputInvalid", "at once"),
        ((), "InputMissing", "No item catalogue"),
    ],
)
def test_a_wrong_overlay_is_refused(
    store: LocalStore, night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...], error: str, what: str,
) -> None:  # fmt: skip
    """By name, and nothing is published."""
    night(store, 1)
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "three.txt", "jam\nmilk\ntea\n")
    write(tmp_path / "wrong.csv", "sku\n1\n")
    code, told = larder(tmp_path, "overlay", *arguments)
    assert (code, told["error"]) == (1, error)
    assert what in told["what"]
    assert not (store.root / "overlay.bin").exists()


def test_no_overlay_before_the_first_snapshot(tmp_path: Path) -> None:
    """There is nothing that the ids could be held against."""
    assert larder(tmp_path, "overlay", "--clear")[1]["error"] == "SnapshotMissing"


def let_through(store: LocalStore, root: Path, snapshot: str) -> None:
    """The gates bless the snapshot, and the parity check is green."""
    manifest = store.open(snapshot).manifest
    blessing = Blessing(as_of=manifest.as_of, manifest_sha256=manifest.sha256, verdict="blessed")
    (root / "blessings").mkdir(exist_ok=True)
    write_blessing(root / "blessings" / f"{manifest.as_of}.json", blessing)
    parity_verdict.write(Layout(root), manifest.as_of, ParityVerdict(snapshot=snapshot, verdict="green"))


def test_a_rollout_goes_up_by_one_move_a_step(store: LocalStore, night: Night, publish: Night, tmp_path: Path) -> None:
    """The canary stays the same without being named again, and so do its users; 0 ends it; each move has a reason."""
    stable, canary = night(store, 1), publish(store, 2)
    let_through(store, tmp_path, canary)
    users = [f"u{i}" for i in range(200)]
    before: set[str] = set()
    for arguments in (("--snapshot", canary, "--exposure", "10"), ("--exposure", "25"), ("--exposure", "100")):
        code, told = larder(tmp_path, "rollout", *arguments, "--reason", f"to {arguments[-1]}")
        assert (code, told["snapshot"], told["canary"]) == (0, stable, canary)
        assert told["last"]["reason"] == f"to {arguments[-1]}"
        lists = Lists(store)
        exposed = {user for user in users if lists.get(user, 1, "home").snapshot == canary}
        assert exposed == {user for user in users if is_exposed(user, canary, int(arguments[-1]))}
        assert before < exposed
        before = exposed
    assert larder(tmp_path, "rollout", "--exposure", "0")[1]["canary"] == ""
    assert Lists(store).get("u1", 1, "home").snapshot == stable
    assert [event.kind for event in store.history()] == ["flip", *["rollout"] * 4]


def test_a_shadow_stays_until_it_is_ended(store: LocalStore, night: Night, publish: Night, tmp_path: Path) -> None:
    """Whatever happens to the canary beside it."""
    night(store, 1)
    shadow = publish(store, 2)
    let_through(store, tmp_path, shadow)
    assert larder(tmp_path, "rollout", "--exposure", "0", "--shadow", shadow)[1]["shadow"] == shadow
    assert larder(tmp_path, "rollout", "--exposure", "5", "--snapshot", shadow)[1]["shadow"] == shadow
    assert larder(tmp_path, "rollout", "--exposure", "0", "--shadow", "none")[1]["shadow"] == ""


def test_users_read_no_canary_that_a_flip_would_refuse(
    store: LocalStore, night: Night, publish: Night, tmp_path: Path
) -> None:
    """Without blessing or parity check only for a reason, which the history keeps. A shadow is read by nobody."""
    night(store, 1)
    canary = publish(store, 2)
    before = store.pointer()
    asked = ("rollout", "--snapshot", canary, "--exposure", "5", "--reason", "try")
    code, told = larder(tmp_path, *asked)
    assert (code, told["error"], store.pointer()) == (3, "PublishRefused", before)
    let_through(store, tmp_path, canary)
    red = ParityVerdict(snapshot=canary, verdict="red", users=1000, users_differing=3)
    parity_verdict.write(Layout(tmp_path), store.open(canary).manifest.as_of, red)
    code, told = larder(tmp_path, *asked)
    assert (code, told["error"], store.pointer()) == (3, "HeldByGate", before)
    code, told = larder(tmp_path, *asked, "--override", "known users")
    assert (code, told["canary"]) == (0, canary)
    assert told["last"]["reason"].startswith("try; override: known users (The parity check is red")
    code, told = larder(tmp_path, "rollout", "--exposure", "25", "--reason", "more")
    assert (code, told["last"]["reason"]) == (0, "more")
    assert larder(tmp_path, "rollout", "--exposure", "0", "--shadow", canary)[1]["shadow"] == canary


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--exposure", "7"), "InputInvalid"),
        (("--exposure", "25"), "InputInvalid"),
        (("--exposure", "25", "--snapshot", "2026-01-09-000000000000"), "SnapshotMissing"),
    ],
)
def test_a_wrong_rollout_is_refused(
    store: LocalStore, night: Night, tmp_path: Path, arguments: tuple[str, ...], error: str
) -> None:
    """Not an exposure, no canary, a snapshot that is not there: the pointer is as before."""
    night(store, 1)
    before = store.pointer()
    assert larder(tmp_path, "rollout", *arguments)[1]["error"] == error
    assert store.pointer() == before
