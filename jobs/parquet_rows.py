"""Rows of Parquet files as plain Arrow columns, whoever wrote them.

Texts and bytes are `string` and `binary`, alone and in lists. Files that delta-rs wrote anew, those of a table that
users were erased from, say that they are views, for which many of Arrow's kernels, filters among them, do not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq


def dataset(paths: Sequence[str]) -> pads.Dataset:
    """The rows of the files, with the columns of the first one."""
    found = pads.dataset(list(paths), format="parquet")
    plain = plain_schema(found.schema)
    return found if plain.equals(found.schema) else pads.dataset(list(paths), schema=plain, format="parquet")


def batches_of(path: str, *, n_rows: int, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of one file in their order, at most so many a batch, nothing read ahead."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=n_rows, columns=list(columns)):
            plain = plain_schema(batch.schema)
            yield batch if plain.equals(batch.schema) else batch.cast(plain)


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema without views."""
    return pa.schema([field.with_type(_plain(field.type)) for field in schema])


def _plain(kind: pa.DataType) -> pa.DataType:
    if kind == pa.string_view():
        return pa.string()
    if kind == pa.binary_view():
        return pa.binary()
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    return kind
