from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import InputInvalid, SnapshotCorrupt, SnapshotMissing
from export.flat_lists import write_lists
from export.stores.local import LocalStore

Night = Callable[..., str]
WEIRD = "../ünï/\0🌽" + "é" * 121


def test_every_personal_list_is_there_by_user_and_rank(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """All rows, exactly; users by id, ranks from 1."""
    night(store, 1)
    out = tmp_path / "lists" / "home.parquet"
    assert write_lists(store, out, placement="home") == 6
    table = pq.read_table(out)
    assert table.schema.types == [pa.string(), pa.int32(), pa.string(), pa.float32(), pa.string(), pa.string()]
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        (WEIRD, 1, "-pear", 1.0, "content", "similar to what you buy"),
        (WEIRD, 2, "bread", -1.0, "content", "similar to Jam, red"),
        ("ann", 1, "jam", 255.0, "covisit", "because you bought Bread"),
        ("ann", 2, "milk", 51.0, "als", "shoppers with your taste buy this"),
        ("ann", 3, "bread", 0.0, "own", "you bought this before"),
        ("bob", 1, "tea", 1.5, "segment", "popular in north"),
    ]


def test_users_without_a_list_for_the_placement_are_not_in_it(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """A fallback list is nobody's own."""
    night(store, 1)
    assert write_lists(store, tmp_path / "d.parquet", placement="discover") == 1
    assert pq.read_table(tmp_path / "d.parquet").column("user_id").to_pylist() == ["ann"]


def test_the_same_snapshot_gives_the_same_bytes_over_many_row_groups(
    tmp_path: Path, store: LocalStore, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs, byte-equal, in chunks of two users."""
    monkeypatch.setattr("export.flat_lists.ROW_GROUP_USERS", 2)
    night(store, 1)
    for name in ("a", "b"):
        assert write_lists(store, tmp_path / name, placement="home") == 6
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pq.ParquetFile(tmp_path / "a").num_row_groups == 2
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a", "b", "blessing.json", "build", "store"]


def test_what_cannot_be_written_whole_is_not_written(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """No snapshot, an unknown placement, a damaged record: a named error and no file."""
    out = tmp_path / "out.parquet"
    with pytest.raises(SnapshotMissing):
        write_lists(store, out, placement="home")
    snapshot = night(store, 1)
    with pytest.raises(InputInvalid, match="mail"):
        write_lists(store, out, placement="mail")
    path = store.root / "snapshots" / snapshot / "shard-00001.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    with pytest.raises(SnapshotCorrupt):
        write_lists(store, out, placement="home")
    assert not out.exists()
