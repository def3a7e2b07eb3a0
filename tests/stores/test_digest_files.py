from __future__ import annotations

import csv
import datetime as dt
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pytest

from contracts.digest_section import Digest
from contracts.errors import InputInvalid, SnapshotCorrupt
from export.digest import sorting
from export.digest.audience import Files
from export.digest.lines import DigestManifest
from export.digest.writing import Order, write_digest
from export.stores.local import LocalStore
from export.stores.mapped import MappedReader

Night = Callable[..., str]
Build = Callable[..., Any]
NAMES = [
    "_SUCCESS", "holdout.csv", "holdout.jsonl", "items.csv", "items.jsonl", "lists.csv", "lists.jsonl", "manifest.json",
    "schema.json",
]  # fmt: skip
KEY = b"0123456789abcdef"
ALL = Files()


def rows(path: Path) -> list[list[str]]:
    """The cells of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a file of JSON lines, compressed or not."""
    with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None) as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def users(path: Path, *ids: str) -> Path:
    """A file of user ids."""
    path.write_text("".join(f"{name}\n" for name in ids), encoding="utf-8")
    return path


def write(store: LocalStore, out: Path, *, placement: str = "home", files: Files = ALL, **rules: Any) -> Any:
    """The digest of the current snapshot, JSON lines uncompressed unless asked for."""
    pointer = store.pointer()
    assert pointer is not None
    given = {"compression": "none", "k": 3, **rules}
    order = Order(placement=placement, rules=Digest(**given), send_on=dt.date(2026, 1, 2), files=files)
    return write_digest(store.open(pointer.snapshot), out, order)


def test_a_digest_holds_lists_items_and_a_manifest(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Every file, exactly, for three recipients, one of them unknown."""
    snapshot = night(store, 1)
    asked = users(tmp_path / "ids.txt", "zed", "bob", "ann", "bob")
    made = write(store, tmp_path / "d", files=Files(recipients=asked), k=2, item_url="https://shop/p/{item_id}")
    assert sorted(p.name for p in (tmp_path / "d").iterdir()) == NAMES
    found = lines(tmp_path / "d" / "lists.jsonl")
    assert [(line["user_id"], line["list"], [i["item_id"] for i in line["items"]]) for line in found] == [
        ("ann", "personal", ["jam", "milk"]), ("bob", "personal", ["tea"]), ("zed", "popular", ["milk", "bread"]),
    ]  # fmt: skip
    assert found[1] == {
        "user_id": "bob", "placement": "home", "snapshot": snapshot, "as_of": "2026-01-01", "list": "personal",
        "items": [
            {"rank": 1, "item_id": "tea", "title": "=Tea", "score": 1.5, "source": "segment",
             "reason": "popular in north", "tracking_id": None},
        ],
    }  # fmt: skip
    assert rows(tmp_path / "d" / "lists.csv") == [
        ["user_id", "rank", "item_id", "title", "source", "reason", "list", "tracking_id"],
        ["ann", "1", "jam", "Jam, red", "covisit", "because you bought Bread", "personal", ""],
        ["ann", "2", "milk", "Milk", "als", "shoppers with your taste buy this", "personal", ""],
        ["bob", "1", "tea", "'=Tea", "segment", "popular in north", "personal", ""],
        ["zed", "1", "milk", "Milk", "popular", "popular this month", "popular", ""],
        ["zed", "2", "bread", "Bread", "popular", "popular this month", "popular", ""],
    ]
    assert rows(tmp_path / "d" / "items.csv") == [
        ["item_id", "title", "category", "price", "image_url", "url"],
        ["bread", "Bread", "Bakery", "1.25", "", "https://shop/p/bread"],
        ["jam", "Jam, red", "Pantry", "3.0", "", "https://shop/p/jam"],
        ["milk", "Milk", "Dairy", "0.99", "", "https://shop/p/milk"],
        ["tea", "'=Tea", "Pantry", "2.5", "https://shop/tea.png", "https://shop/p/tea"],
    ]
    assert lines(tmp_path / "d" / "items.jsonl")[0] == {
        "item_id": "bread", "title": "Bread", "category": "Bakery", "price": 1.25, "image_url": None,
        "url": "https://shop/p/bread",
    }  # fmt: skip
    assert (made.snapshot, made.n_considered, made.n_recipients, made.n_rows, made.n_items) == (snapshot, 3, 3, 5, 4)
    assert made.recipients == {"personal": 2, "filled": 0, "segment": 0, "popular": 1}


def test_the_manifest_names_every_file_by_its_hash(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Sizes, SHA-256 and record counts of what lies on the disk, and the hour from which nothing is mailed."""
    night(store, 1)
    made: DigestManifest = write(store, tmp_path / "d", k=5, expires_after_hours=30)
    manifest = json.loads((tmp_path / "d" / "manifest.json").read_text())
    assert {name: entry.records for name, entry in made.files.items()} == {
        "lists.jsonl": 3, "lists.csv": 6, "items.jsonl": 5, "items.csv": 5, "holdout.jsonl": 0, "holdout.csv": 0,
        "schema.json": 1,
    }  # fmt: skip
    for name, entry in manifest["files"].items():
        data = (tmp_path / "d" / name).read_bytes()
        assert (entry["bytes"], entry["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert (manifest["as_of"], manifest["expires_at"], manifest["send_on"]) == (
        "2026-01-01", "2026-01-03T06:00:00Z", "2026-01-02",
    )  # fmt: skip


def test_every_line_fits_the_schema_file(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """The schema that lies beside the lines describes them and the manifest; it refuses a line without an id."""
    night(store, 1)
    write(store, tmp_path / "d", holdout_share=0.5)
    schema = json.loads((tmp_path / "d" / "schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    kinds = {name: jsonschema.Draft202012Validator({**schema, **entry}) for name, entry in schema["files"].items()}
    for name in ("lists.jsonl", "holdout.jsonl", "items.jsonl"):
        found = lines(tmp_path / "d" / name)
        assert found
        for line in found:
            kinds[name].validate(line)
    kinds["manifest.json"].validate(json.loads((tmp_path / "d" / "manifest.json").read_text()))
    with pytest.raises(jsonschema.ValidationError, match="user_id"):
        kinds["lists.jsonl"].validate(
            {k: v for k, v in lines(tmp_path / "d" / "lists.jsonl")[0].items() if k != "user_id"}
        )


def test_compressed_lines_are_the_same_lines(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Compression changes the file's name and bytes only, and an earlier run's other form is taken away."""
    night(store, 1)
    write(store, tmp_path / "d", compression="none")
    plain = lines(tmp_path / "d" / "lists.jsonl")
    made = write(store, tmp_path / "d", compression="zstd")
    assert lines(tmp_path / "d" / "lists.jsonl.zst") == plain
    assert (tmp_path / "d" / "lists.jsonl.zst").read_bytes()[:4] == b"\x28\xb5\x2f\xfd"
    assert not list((tmp_path / "d").glob("*.jsonl"))
    assert set(made.files) == {path.name for path in (tmp_path / "d").iterdir()} - {"manifest.json", "_SUCCESS"}


def test_no_cell_begins_a_formula(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Ids and titles of shoppers and shops get an apostrophe where a spreadsheet would compute them."""
    starts = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"]
    row = {"placement": "home", "segment": "all", "item_idx": [3, 5], "scores": [1.0, -1.0], "reasons": [0, 0]}
    night(store, 1, rows=[{**row, "user_id": user, "anchors": [-1, -1]} for user in starts])
    write(store, tmp_path / "d", k=5)
    found = {line[0] for line in rows(tmp_path / "d" / "lists.csv")[1:]}
    assert found == {f"'{user}" for user in starts}
    for name in ("lists.csv", "items.csv"):
        cells = [cell for line in rows(tmp_path / "d" / name) for cell in line]
        assert not [cell for cell in cells if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]
    assert "'-pear" in {line[2] for line in rows(tmp_path / "d" / "lists.csv")}


def test_a_second_run_gives_the_same_bytes(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """Also over the files of another digest, and compressed."""
    night(store, 1)
    for name in ("a", "b"):
        write(store, tmp_path / name, compression="zstd")
    write(store, tmp_path / "b", placement="discover", k=1)
    write(store, tmp_path / "b", compression="zstd")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_a_digest_that_failed_has_no_success_file(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """A damaged record stops it, and the sign of the last good run is gone."""
    snapshot = night(store, 1)
    asked = Files(recipients=users(tmp_path / "ids.txt", "ann", "bob"))
    with pytest.raises(InputInvalid, match="placement"):
        write(store, tmp_path / "d", placement="email")
    write(store, tmp_path / "d", files=asked)
    assert (tmp_path / "d" / "_SUCCESS").read_bytes() == b""
    path = store.root / "snapshots" / snapshot / "items.bin"
    path.write_bytes(path.read_bytes().replace(b"Milk", b"Mulk"))
    with pytest.raises(SnapshotCorrupt, match="damaged"):
        write(store, tmp_path / "d", files=asked)
    assert not (tmp_path / "d" / "_SUCCESS").exists()
    assert not (tmp_path / "d" / "lists.jsonl").exists()


def test_recipients_of_a_damaged_record_are_not_mailed_a_fallback(
    tmp_path: Path, store: LocalStore, night: Night
) -> None:
    """A page may answer with another list; a mail cannot be taken back."""
    snapshot = night(store, 1)
    path = store.root / "snapshots" / snapshot / "shard-00000.bin"
    known = [user for user in ("ann", "bob") if user.encode() in path.read_bytes()]
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SnapshotCorrupt, match="damaged"):
        write(store, tmp_path / "d", files=Files(recipients=users(tmp_path / "ids.txt", *known)))


def test_a_flip_in_the_middle_changes_nothing(
    tmp_path: Path, store: LocalStore, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows come from the snapshot that was current at the start, whatever is flipped and deleted meanwhile."""
    first = night(store, 1)
    named = MappedReader.user_ids

    def flip_first(reader: MappedReader) -> Iterator[str]:
        night(store, 2)
        night(store, 3)
        assert first in store.retain(keep=0, grace_seconds=0, by="test", at="2030-01-01T00:00:00Z")
        return named(reader)

    monkeypatch.setattr(MappedReader, "user_ids", flip_first)
    assert write(store, tmp_path / "d").snapshot == first
    pointer = store.pointer()
    assert pointer is not None
    assert pointer.snapshot != first
    assert [line["snapshot"] for line in lines(tmp_path / "d" / "lists.jsonl")] == [first, first, first]


def test_memory_does_not_grow_with_the_users(tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight times the users, of whom a third is suppressed, take the same memory within a fifth."""
    monkeypatch.setattr(sorting, "MAX_RUNS", 4)
    monkeypatch.setattr(sorting.sorted_rows, "__kwdefaults__", {"in_memory": 100})
    peaks = {}
    for n in (1_000, 8_000):
        row = {"placement": "home", "segment": "all", "item_idx": [3], "scores": [1.0], "reasons": [0], "anchors": [-1]}
        build(tmp_path / f"s{n}", rows=[{**row, "user_id": f"u{i}"} for i in range(n)])
        suppressed = users(tmp_path / f"unsubscribed-{n}.txt", *[f"u{i}" for i in range(0, n, 3)])
        rules = Digest(holdout_share=0.1)
        order = Order("home", rules, dt.date(2026, 1, 2), key=KEY, files=Files(suppression=(suppressed,)))
        reader = MappedReader(tmp_path / f"s{n}")
        write_digest(reader, tmp_path / "warm", order)
        tracemalloc.start()
        made = write_digest(reader, tmp_path / "d", order)
        peaks[n] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert made.n_considered == n
        assert made.n_recipients + made.n_holdout + sum(made.dropped.values()) == n
    assert peaks[8_000] < 1.2 * peaks[1_000], peaks
