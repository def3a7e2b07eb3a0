from __future__ import annotations

import datetime as dt
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from contracts.errors import InputInvalid, SnapshotMissing
from export.format import records
from export.format.manifest import FileEntry, PlacementEntry
from export.format.shards import ShardFile
from export.snapshot import Manifest, read_manifest, verify

Build = Callable[..., Manifest]


def row(user: str, placement: str = "home", **other: Any) -> dict[str, Any]:
    """A list of one item, with changes."""
    made = {"user_id": user, "placement": placement, "segment": "all", "item_idx": [0], "scores": [1.0]}
    return {**made, "reasons": [0], "anchors": [-1], **other}


def contents(directory: Path) -> dict[str, bytes]:
    """Every file's bytes by name."""
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_the_manifest_tells_what_the_snapshot_holds(tmp_path: Path, build: Build) -> None:
    """Counts, lengths, names and one entry a file, read back as they were written."""
    manifest = build(tmp_path / "s")
    assert read_manifest(tmp_path / "s") == verify(tmp_path / "s") == manifest
    assert (manifest.n_users, manifest.n_items, manifest.n_item_indices, manifest.n_eligible_users) == (3, 5, 6, 4)
    assert (manifest.item_bits, manifest.source_bits, manifest.shards) == (3, 3, 2)
    assert manifest.segments == ("35-44", "all", "north")
    assert manifest.placements == {
        "discover": PlacementEntry(lists=1, length=1, shortest=1),
        "home": PlacementEntry(lists=3, length=3, shortest=1),
    }
    assert sorted(manifest.files) == ["fallbacks.msgpack", "items.bin", "shard-00000.bin", "shard-00001.bin"]
    for name, entry in manifest.files.items():
        data = (tmp_path / "s" / name).read_bytes()
        assert entry == FileEntry(bytes=len(data), sha256=hashlib.sha256(data).hexdigest(), records=entry.records)
    assert manifest.files["items.bin"].records == 5
    assert manifest.files["fallbacks.msgpack"].records == 3
    assert sorted(p.name for p in (tmp_path / "s").iterdir()) == sorted([*manifest.files, "manifest.json"])


def test_the_small_shop_has_exactly_these_bytes(tmp_path: Path, build: Build) -> None:
    """A change of any byte of any file would give another id."""
    assert build(tmp_path / "s").snapshot_id == "2026-01-01-4b55dfd0fe31"


def test_the_id_is_the_date_and_the_hash_of_the_content(tmp_path: Path, build: Build) -> None:
    """Another date, item or list gives another id."""
    first = build(tmp_path / "a")
    assert first.snapshot_id == f"2026-01-01-{first.sha256[:12]}"
    assert build(tmp_path / "b", day=2).snapshot_id.startswith("2026-01-02-")
    assert build(tmp_path / "c", n_eligible_users=5).snapshot_id != first.snapshot_id
    blank = msgspec.structs.replace(first, sha256="")
    assert first.sha256 == hashlib.sha256(blank.encode()).hexdigest()


@pytest.mark.parametrize("seed", range(4))
def test_bytes_do_not_depend_on_the_order_of_the_rows(tmp_path: Path, build: Build, seed: int) -> None:
    """Rows shuffled, cut into other batches, tables reordered: byte-equal files."""
    rows = [row(f"u{i}", place, segment=f"s{i % 3}") for i in range(40) for place in ("home", "discover")]
    build(tmp_path / "a", rows=rows)
    shuffled = random.Random(seed).sample(rows, len(rows))  # noqa: S311
    batches = [pa.RecordBatch.from_pylist(shuffled[i : i + 7]) for i in range(0, len(shuffled), 7)]
    build(tmp_path / "b", lists=batches)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_bytes_do_not_depend_on_how_much_is_done_at_a_time(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows, users and values in parts of a few, in memory and through files: byte-equal files."""
    lists = [(f"u{i}", place, i % 4) for i in range(60) for place in ("home", "discover")]
    rows = [
        row(user, place, item_idx=[0, 1, 2][:n], scores=[2.0, 1.0, 0.5][:n], reasons=[0] * n, anchors=[1, -1, 0][:n])
        for user, place, n in lists
    ]
    build(tmp_path / "a", rows=rows)
    monkeypatch.setattr("export.snapshot.SPILL_ROWS", 7)
    monkeypatch.setattr("export.format.spill.PART_USERS", 2)
    monkeypatch.setattr("export.format.bits.BLOCK_VALUES", 5)
    build(tmp_path / "b", lists=[pa.RecordBatch.from_pylist(rows)])
    monkeypatch.setattr("export.format.spill.BUFFER_BYTES", 600)
    build(tmp_path / "c", lists=[pa.RecordBatch.from_pylist(rows)])
    assert contents(tmp_path / "a") == contents(tmp_path / "b") == contents(tmp_path / "c")


def test_a_user_lies_in_the_shard_of_the_id(tmp_path: Path, build: Build) -> None:
    """Shard = key modulo the number of shards, hashes ascend, and each record is the user's."""
    manifest = build(tmp_path / "s", rows=[row(f"user {i}") for i in range(50)], shards=3)
    seen = []
    for shard in range(3):
        name = f"shard-{shard:05d}.bin"
        entry = manifest.files[name]
        file = ShardFile(tmp_path / "s" / name, manifest.widths, expected_bytes=entry.bytes)
        keys = [records.shard_key(record.user_id) for record in file.records()]
        assert keys == sorted(keys)
        assert {key % 3 for key in keys} == {shard}
        assert len(keys) == entry.records
        seen += [record.user_id.decode() for record in file.records()]
    assert sorted(seen) == sorted(f"user {i}" for i in range(50))


def test_two_users_with_one_hash_are_told_apart(tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody under one key: each user's own record is found, a stranger's is not."""
    monkeypatch.setattr("export.snapshot.shard_keys", lambda ids: np.full(len(ids), 7, dtype=np.uint32))
    for module in ("export.verification", "export.format.shards"):
        monkeypatch.setattr(f"{module}.shard_key", lambda _: 7)
    places = [(f"u{i}", p, [i % 4]) for i in range(6) for p in ("home", "discover")]
    rows = [row(user, placement, item_idx=items) for user, placement, items in places]
    random.Random(5).shuffle(rows)  # noqa: S311
    manifest = build(tmp_path / "s", rows=rows, shards=1)
    assert verify(tmp_path / "s").n_users == 6
    path = tmp_path / "s" / "shard-00000.bin"
    file = ShardFile(path, manifest.widths, expected_bytes=path.stat().st_size)
    for i in range(6):
        found = file.find(f"u{i}".encode(), 7)
        assert found is not None
        for placement in (0, 1):
            made = records.unpack_list(found, placement, manifest.widths, 9)
            assert made is not None
            assert made.items == [i % 4]
    assert file.find(b"u6", 7) is None
    assert file.find(b"u1", 8) is None


def test_users_that_share_a_key_lie_by_id_among_those_that_do_not(
    tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records lie by key, then id, and each has both of its user's lists, in whatever order the rows come."""

    def key(name: bytes) -> int:
        return min(int(name[1:]) // 3, 4) if int(name[1:]) < 20 else int(name[1:])

    def keys(ids: pa.LargeBinaryArray) -> npt.NDArray[np.uint32]:
        return np.array([key(name) for name in ids.to_pylist()], dtype=np.uint32)

    monkeypatch.setattr("export.snapshot.shard_keys", keys)
    for module in ("export.verification", "export.format.shards"):
        monkeypatch.setattr(f"{module}.shard_key", key)
    rows = [row(f"u{i}", place, item_idx=[i % 4]) for i in range(40) for place in ("home", "discover")]
    random.Random(5).shuffle(rows)  # noqa: S311
    manifest = build(tmp_path / "s", rows=rows, shards=1)
    path = tmp_path / "s" / "shard-00000.bin"
    found = list(ShardFile(path, manifest.widths, expected_bytes=path.stat().st_size).records())
    names = [f"u{i}".encode() for i in range(40)]
    assert [one.user_id for one in found] == sorted(names, key=lambda name: (key(name), name))
    assert {tuple(one.lists) for one in found} == {(0, 1)}


def test_a_shop_without_users_can_be_published(tmp_path: Path, build: Build) -> None:
    """Only fallback lists: empty shards, counted as such."""
    manifest = build(tmp_path / "s", lists=iter(()), shards=2)
    assert verify(tmp_path / "s") == manifest
    assert (manifest.n_users, manifest.placements["home"].lists) == (0, 0)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([row("a"), row("a")], "two lists"),
        ([row("a", segment="x"), row("a", "discover", segment="y")], "two segments"),
        ([row("a", "mail")], "without fallback lists: \\['mail'\\]"),
        ([row("a", item_idx=[4])], "does not have"),
        ([row("a", item_idx=[6])], "does not have"),
        ([row("a", item_idx=[-1])], "does not have"),
        ([row("a", anchors=[4])], "does not have"),
        ([row("a", anchors=[-2])], "does not have"),
        ([row("a"), row("b", anchors=[4])], "does not have"),
        ([row("a", scores=[float("nan")])], "finite"),
        ([row("a", scores=[float("inf")])], "finite"),
        ([row("a", scores=[float("-inf")])], "finite"),
        ([row("a", reasons=[5])], "5 sources"),
        ([row("a", scores=[1.0, 2.0])], "differ in length: scores"),
        ([row("é" * 129)], "longer than 256 bytes"),
        ([row("a", item_idx=[None])], "nulls inside"),
        ([{**row("a"), "user_id": None}], "user_id has nulls"),
    ],
)
def test_lists_that_cannot_be_served_are_refused(
    tmp_path: Path, build: Build, rows: list[dict[str, Any]], message: str
) -> None:
    """The error says what is wrong, and no manifest is left that a publisher could take."""
    with pytest.raises(InputInvalid, match=message):
        build(tmp_path / "s", rows=rows)
    with pytest.raises(SnapshotMissing):
        read_manifest(tmp_path / "s")


def test_a_missing_column_or_popular_list_is_refused(tmp_path: Path, build: Build) -> None:
    """Named in the error."""
    with pytest.raises(InputInvalid, match="Column anchors is missing"):
        build(tmp_path / "s", lists=[pa.RecordBatch.from_pylist([row("a")]).drop_columns(["anchors"])])
    lists = {"item_idx": [[0]], "scores": [[1.0]]}
    with pytest.raises(InputInvalid, match="needs a list for segment 'all'"):
        build(tmp_path / "s", fallbacks=pa.table({"placement": ["home"], "segment": ["x"], **lists}))
    with pytest.raises(InputInvalid, match="without a reason text"):
        build(tmp_path / "s", reasons=["horoscope"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"item_id": ["a", "a"]}, "item id comes twice"),
        ({"item_idx": [0, 0]}, "item index is out of range or comes twice"),
        ({"item_idx": [-1, 0]}, "item index is out of range or comes twice"),
        ({"item_id": ["a", None]}, "item_id has nulls"),
    ],
)
def test_items_that_cannot_be_told_apart_are_refused(
    tmp_path: Path, build: Build, change: dict[str, Any], message: str
) -> None:
    """One index, one id, one item."""
    columns = {"item_idx": [0, 1], "item_id": ["a", "b"], "title": ["A", "B"], "category": ["c", "c"]}
    items = pa.table({**columns, "price": [1.0, 1.0], "image_url": ["", ""], **change})
    with pytest.raises(InputInvalid, match=message):
        build(tmp_path / "s", items=items)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segment": ["all", "all"]}, "Two lists for placement 'home', segment 'all'"),
        ({"item_idx": [[0], []], "scores": [[1.0], []]}, "A fallback list is empty"),
        ({"item_idx": [[0], [4]]}, "unknown item"),
        ({"scores": [[1.0], [float("inf")]]}, "not finite"),
    ],
)
def test_fallback_lists_that_cannot_be_served_are_refused(
    tmp_path: Path, build: Build, change: dict[str, Any], message: str
) -> None:
    """Each placement and segment has one list, with items that exist."""
    columns = {"placement": ["home", "home"], "segment": ["all", "x"], "item_idx": [[0], [1]], "scores": [[1.0], [1.0]]}
    with pytest.raises(InputInvalid, match=message):
        build(tmp_path / "s", fallbacks=pa.table({**columns, **change}))


def test_a_build_over_an_older_one_leaves_nothing_of_it(tmp_path: Path, build: Build) -> None:
    """Eight shards, then two: only two are left."""
    build(tmp_path / "s", shards=8)
    manifest = build(tmp_path / "s", shards=2)
    assert verify(tmp_path / "s") == manifest
    assert manifest.as_of == dt.date(2026, 1, 1)
