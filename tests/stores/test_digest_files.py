from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import InputInvalid, SnapshotCorrupt
from export.digest import write_digest
from export.local_store import LocalStore

Night = Callable[..., str]
NAMES = ["_SUCCESS", "items.csv", "items.jsonl", "lists.csv", "lists.jsonl", "manifest.json"]


def rows(path: Path) -> list[list[str]]:
    """The cells of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_digest_holds_lists_items_and_a_manifest(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Every file, exactly, for three recipients, one of them unknown."""
    snapshot = night(store, 1)
    made = write_digest(store, tmp_path / "d", placement="home", k=2, recipients=["zed", "bob", "ann", "bob"])
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == NAMES
    lines = [json.loads(line) for line in (tmp_path / "d" / "lists.jsonl").read_text().splitlines()]
    assert [(line["user_id"], line["list"], [i["item_id"] for i in line["items"]]) for line in lines] == [
        ("ann", "personal", ["jam", "milk"]), ("bob", "personal", ["tea"]), ("zed", "popular", ["milk", "bread"]),
    ]  # fmt: skip
    assert lines[1] == {
        "user_id": "bob", "placement": "home", "snapshot": snapshot, "as_of": "2026-01-01", "list": "personal",
        "items": [
            {"rank": 1, "item_id": "tea", "title": "=Tea", "score": 1.5, "source": "segment",
             "reason": "popular in north"},
        ],
    }  # fmt: skip
    assert rows(tmp_path / "d" / "lists.csv") == [
        ["user_id", "rank", "item_id", "title", "source", "reason", "list"],
        ["ann", "1", "jam", "Jam, red", "covisit", "because you bought Bread", "personal"],
        ["ann", "2", "milk", "Milk", "als", "shoppers with your taste buy this", "personal"],
        ["bob", "1", "tea", "'=Tea", "segment", "popular in north", "personal"],
        ["zed", "1", "milk", "Milk", "popular", "popular this month", "popular"],
        ["zed", "2", "bread", "Bread", "popular", "popular this month", "popular"],
    ]
    assert rows(tmp_path / "d" / "items.csv") == [
        ["item_id", "title", "category", "price", "image_url"],
        ["bread", "Bread", "Bakery", "1.25", ""],
        ["jam", "Jam, red", "Pantry", "3.0", ""],
        ["milk", "Milk", "Dairy", "0.99", ""],
        ["tea", "'=Tea", "Pantry", "2.5", "https://shop/tea.png"],
    ]
    first = json.loads((tmp_path / "d" / "items.jsonl").read_text().splitlines()[0])
    assert first == {"item_id": "bread", "title": "Bread", "category": "Bakery", "price": 1.25, "image_url": None}
    assert (made.snapshot, made.as_of, made.n_recipients, made.n_rows, made.n_items) == (
        snapshot, dt.date(2026, 1, 1), 3, 5, 4,
    )  # fmt: skip
    assert made.recipients == {"personal": 2, "segment": 0, "popular": 1}


def test_the_manifest_names_every_file_by_its_hash(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Sizes, SHA-256 and record counts of what lies on the disk."""
    night(store, 1)
    made = write_digest(store, tmp_path / "d", placement="home", k=5)
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    assert {name: entry.records for name, entry in made.files.items()} == {
        "lists.jsonl": 3, "lists.csv": 6, "items.jsonl": 5, "items.csv": 5,
    }  # fmt: skip
    for name, entry in manifest["files"].items():
        data = (tmp_path / "d" / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())


def test_no_cell_begins_a_formula(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Ids and titles of shoppers and shops get an apostrophe where a spreadsheet would compute them."""
    starts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]
    row = {"placement": "home", "segment": "all", "item_idx": [3, 5], "scores": [1.0, -1.0], "reasons": [0, 0]}
    night(store, 1, rows=[{**row, "user_id": user, "anchors": [-1, -1]} for user in starts])
    write_digest(store, tmp_path / "d", placement="home", k=5)
    users = {line[0] for line in rows(tmp_path / "d" / "lists.csv")[1:]}
    assert users == {f"'{user}" for user in starts}
    for name in ("lists.csv", "items.csv"):
        cells = [cell for line in rows(tmp_path / "d" / name) for cell in line]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    assert "'-pear" in {line[2] for line in rows(tmp_path / "d" / "lists.csv")}


def test_a_second_run_gives_the_same_bytes(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Also over the files of another digest."""
    night(store, 1)
    for name in ("a", "b"):
        write_digest(store, tmp_path / name, placement="home", k=3)
    write_digest(store, tmp_path / "b", placement="discover", k=1)
    write_digest(store, tmp_path / "b", placement="home", k=3)
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_digest_that_failed_has_no_success_file(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """A damaged record stops it, and the sign of the last good run is gone."""
    snapshot = night(store, 1)
    with pytest.raises(InputInvalid):
        write_digest(store, tmp_path / "d", placement="home", k=0)
    write_digest(store, tmp_path / "d", placement="home", k=3, recipients=["ann", "bob"])
    assert (tmp_path / "d" / "_SUCCESS").read_bytes() == b""
    path = store.root / "snapshots" / snapshot / "items.bin"
    path.write_bytes(path.read_bytes().replace(b"Milk", b"Mulk"))
    with pytest.raises(SnapshotCorrupt, match="damaged"):
        write_digest(store, tmp_path / "d", placement="home", k=3, recipients=["ann", "bob"])
    assert not (tmp_path / "d" / "_SUCCESS").exists()


def test_recipients_of_a_damaged_record_are_not_mailed_a_fallback(
    tmp_path: Path, store: LocalStore, night: Night
) -> None:
    """A page may answer with another list; a mail cannot be taken back."""
    snapshot = night(store, 1)
    path = store.root / "snapshots" / snapshot / "shard-00000.bin"
    users = [user for user in ("ann", "bob") if user.encode() in path.read_bytes()]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SnapshotCorrupt, match="damaged"):
        write_digest(store, tmp_path / "d", placement="home", k=3, recipients=users)


def test_a_flip_in_the_middle_changes_nothing(
    tmp_path: Path, store: LocalStore, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows come from the snapshot that was current at the start."""
    first = night(store, 1)
    monkeypatch.setattr("export.digest.user_ids", lambda _: night(store, 2) and ["ann", "bob"])
    assert write_digest(store, tmp_path / "d", placement="home", k=3).snapshot == first
    pointer = store.pointer()
    assert pointer is not None
    assert pointer.snapshot != first
    lines = (tmp_path / "d" / "lists.jsonl").read_text().splitlines()
    assert [json.loads(line)["snapshot"] for line in lines] == [first, first]
