from __future__ import annotations

from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from jobs.parquet_rows import batches_of, dataset

ROWS: dict[str, list[Any]] = {
    "user_id": ["ann", "bob", None], "n": [1, 2, 3], "packed": [b"a", b"", b"c"], "items": [["tea", "jam"], [], None],
}  # fmt: skip
SCHEMA = pa.schema({"user_id": pa.string(), "n": pa.int32(), "packed": pa.binary(), "items": pa.list_(pa.string())})


@pytest.fixture
def paths(tmp_path: Path) -> list[str]:
    """A file of views, as delta-rs leaves a table that a user was erased from, and one of plain columns."""
    table = tmp_path / "table"
    deltalake.write_deltalake(table, pa.table({**ROWS, "n": [1, 2, 9]}, schema=SCHEMA))
    log = deltalake.DeltaTable(table)
    gone = pa.table({"n": pa.array([9], pa.int32())})
    log.merge(gone, "t.n = s.n", source_alias="s", target_alias="t").when_matched_delete().execute()
    (views,) = log.file_uris()
    assert "string_view" in str(pq.read_schema(views))
    pq.write_table(pa.table({**ROWS, "n": [3, 4, 5]}, schema=SCHEMA), tmp_path / "plain.parquet")
    return [views, str(tmp_path / "plain.parquet")]


@pytest.mark.parametrize("order", [1, -1])
def test_texts_are_texts_whoever_wrote_the_first_file(paths: list[str], order: int) -> None:
    """Types are plain, rows are those of the files, and a filter works on each batch."""
    found = dataset(paths[::order])
    assert {name: found.schema.field(name).type for name in SCHEMA.names} == dict(
        zip(SCHEMA.names, SCHEMA.types, strict=True)
    )
    kept = [batch.filter(pc.is_valid(batch["user_id"])) for batch in found.to_batches()]
    rows = sorted(pa.Table.from_batches(kept).to_pylist(), key=lambda row: row["n"])
    assert rows == [
        {"user_id": "ann", "n": 1, "packed": b"a", "items": ["tea", "jam"]},
        {"user_id": "bob", "n": 2, "packed": b"", "items": []},
        {"user_id": "ann", "n": 3, "packed": b"a", "items": ["tea", "jam"]},
        {"user_id": "bob", "n": 4, "packed": b"", "items": []},
    ]


def test_batches_of_one_file_are_plain_and_in_order(paths: list[str]) -> None:
    """One row a batch, filtered without a complaint."""
    batches = list(batches_of(paths[0], n_rows=1, columns=["user_id", "packed", "items"]))
    assert [batch.num_rows for batch in batches] == [1, 1]
    assert {batch.schema.field("items").type.value_type for batch in batches} == {pa.string()}
    assert [batch.filter(pa.array([True])).column(0).to_pylist() for batch in batches] == [["ann"], ["bob"]]
