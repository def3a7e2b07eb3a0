from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

from contracts.errors import SnapshotCorrupt, SnapshotMissing
from export.format.manifest import Manifest
from export.format.records import Widths, join_record, shard_key
from export.format.shards import HEAD, ShardFile, write_shard
from export.verification import file_entry, verify

Build = Callable[..., Manifest]


def test_any_flipped_byte_of_any_file_is_found(tmp_path: Path, build: Build) -> None:
    """Manifest, shards, items and fallbacks: every second byte of each."""
    build(tmp_path / "s")
    for path in sorted((tmp_path / "s").iterdir()):
        whole = path.read_bytes()
        for position in range(0, len(whole), 2):
            path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x20]) + whole[position + 1 :])
            with pytest.raises(SnapshotCorrupt):
                verify(tmp_path / "s")
        path.write_bytes(whole)
    verify(tmp_path / "s")


def test_absent_additional_and_truncated_files_are_found(tmp_path: Path, build: Build) -> None:
    """Each named in the error; without a manifest there is no snapshot."""
    folder = tmp_path / "s"
    build(folder)
    (folder / "stray").write_bytes(b"")
    with pytest.raises(SnapshotCorrupt, match="stray"):
        verify(folder)
    (folder / "stray").unlink()
    shard = (folder / "shard-00001.bin").read_bytes()
    (folder / "shard-00001.bin").write_bytes(shard[:-1])
    with pytest.raises(SnapshotCorrupt, match="size or SHA-256"):
        verify(folder)
    (folder / "shard-00001.bin").unlink()
    with pytest.raises(SnapshotCorrupt, match="shard-00001"):
        verify(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(SnapshotMissing, match="no manifest"):
        verify(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_users": 4}, "3 users"),
        ({"n_items": 4}, "number of items"),
        ({"format_version": 1}, "format 1"),
    ],
)
def test_counts_that_the_files_do_not_have_are_found(
    tmp_path: Path, build: Build, change: dict[str, int], message: str
) -> None:
    """Even under a manifest whose own hash is right."""
    manifest = msgspec.structs.replace(build(tmp_path / "s"), **change).sealed()
    (tmp_path / "s" / "manifest.json").write_bytes(manifest.encode())
    with pytest.raises(SnapshotCorrupt, match=message):
        verify(tmp_path / "s")


@pytest.mark.parametrize(
    ("name", "records", "message"),
    [
        ("shard-00000.bin", 9, "records, the manifest says 9"),
        ("fallbacks.msgpack", 9, "number of fallback lists"),
    ],
)
def test_record_counts_that_a_file_does_not_have_are_found(
    tmp_path: Path, build: Build, name: str, records: int, message: str
) -> None:
    """A file's records are counted, not believed."""
    manifest = build(tmp_path / "s")
    files = {**manifest.files, name: msgspec.structs.replace(manifest.files[name], records=records)}
    (tmp_path / "s" / "manifest.json").write_bytes(msgspec.structs.replace(manifest, files=files).sealed().encode())
    with pytest.raises(SnapshotCorrupt, match=message):
        verify(tmp_path / "s")


def test_list_counts_that_the_shards_do_not_have_are_found(tmp_path: Path, build: Build) -> None:
    """Lists of each placement are counted."""
    manifest = build(tmp_path / "s")
    home = msgspec.structs.replace(manifest.placements["home"], lists=4)
    changed = msgspec.structs.replace(manifest, placements={**manifest.placements, "home": home})
    (tmp_path / "s" / "manifest.json").write_bytes(changed.sealed().encode())
    with pytest.raises(SnapshotCorrupt, match="home has 3 lists, the manifest says 4"):
        verify(tmp_path / "s")


def test_a_record_in_another_users_place_is_found(tmp_path: Path, build: Build) -> None:
    """Two shards swapped, with a manifest that agrees with the swapped bytes."""
    folder = tmp_path / "s"
    manifest = build(folder)
    names = ("shard-00000.bin", "shard-00001.bin")
    data = [(folder / name).read_bytes() for name in names]
    files = dict(manifest.files)
    for name, other, bytes_ in zip(names, names[::-1], data[::-1], strict=True):
        (folder / name).write_bytes(bytes_)
        files[name] = file_entry(folder / name, manifest.files[other].records)
    (folder / "manifest.json").write_bytes(msgspec.structs.replace(manifest, files=files).sealed().encode())
    with pytest.raises(SnapshotCorrupt, match="another user's shard"):
        verify(folder)


def test_a_shards_index_is_checked_against_its_records(tmp_path: Path) -> None:
    """A flipped bit in a key, and a record under a key that is not its user's, without any manifest to tell."""
    widths = Widths(item_bits=3, source_bits=2)
    record = join_record(b"ann", 0, [])
    for key, is_flipped, message in ((shard_key(b"ann"), True, "index is damaged"), (7, False, "another user's key")):
        path = tmp_path / "shard.bin"
        with path.open("wb") as file:
            write_shard(file, 0, np.array([key], dtype=np.uint32), np.array([len(record)]), [record])
        data = bytearray(path.read_bytes())
        if is_flipped:
            assert [r.user_id for r in ShardFile(path, widths, expected_bytes=len(data)).records()] == [b"ann"]
            data[HEAD.size + 3] ^= 1
            path.write_bytes(data)
        with pytest.raises(SnapshotCorrupt, match=message):
            list(ShardFile(path, widths, expected_bytes=len(data)).records())
