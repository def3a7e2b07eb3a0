"""Rows in any order, cut into one Parquet file a day, with bounded memory and bytes that only the rows decide."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

UNDATED: Final = -(2**31)
PART: Final = "part-00000.parquet"
UNDATED_PART: Final = "part-00001.parquet"
_ROWS_PER_GROUP: Final = 262_144
_EPOCH_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()


def write_part(file: Path, tables: Iterator[pa.Table] | list[pa.Table], schema: pa.Schema) -> int:
    """One Parquet file of all rows in order, and how many there are; row groups do not depend on how rows arrive."""
    file.parent.mkdir(parents=True, exist_ok=True)
    n_rows, waiting = 0, schema.empty_table()
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for table in tables:
            n_rows += int(table.num_rows)
            waiting = pa.concat_tables([waiting, table])
            while waiting.num_rows >= _ROWS_PER_GROUP:
                writer.write_table(waiting.slice(0, _ROWS_PER_GROUP).combine_chunks())
                waiting = waiting.slice(_ROWS_PER_GROUP)
        if waiting.num_rows or not n_rows:
            writer.write_table(waiting.combine_chunks())
    return n_rows


def date_of(day: int) -> dt.date:
    """The date of a day counted since 1970."""
    return dt.date.fromordinal(day + _EPOCH_ORDINAL)


class DayFiles:
    """Rows added in blocks, written as `date=YYYY-MM-DD/part-00000.parquet` in the order they were added.

    Rows up to `buffer_bytes` wait in memory; beyond that they wait in one spill file a day. Rows without a day go to
    `part-00001.parquet` of the first day. Use as a context manager: spill files are gone afterwards.

    Args:
        folder: where the `date=` folders go; must not hold any yet.
        schema: of every block.
        buffer_bytes: rows kept in memory.
    """

    def __init__(self, folder: Path, schema: pa.Schema, *, buffer_bytes: int = 1 << 28) -> None:
        self._folder = folder
        self._schema = schema
        self._limit = buffer_bytes
        self._waiting: list[tuple[pa.Table, npt.NDArray[np.int32]]] = []
        self._bytes = 0
        self._spilled: set[int] = set()

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for day in self._spilled:
            self._spill_file(day).unlink(missing_ok=True)

    def add(self, block: pa.RecordBatch, days: npt.NDArray[np.int32]) -> None:
        """Takes a block; `days` (since 1970, `UNDATED` for none) has shape (block.num_rows,)."""
        self._waiting.append((pa.Table.from_batches([block], self._schema), days))
        self._bytes += block.nbytes + days.nbytes
        if self._bytes >= self._limit:
            self._spill()

    def finish(self) -> dict[int, int]:
        """Writes every day's file; rows written by day, `UNDATED` included.

        Raises:
            ValueError: no row has a day.
        """
        if self._spilled:
            self._spill()
            parts = ((day, self._read_spill(day)) for day in sorted(self._spilled))
        else:
            parts = ((day, iter([rows])) for day, rows in self._cut())
        written, undated = {}, None
        for day, rows in parts:
            if day == UNDATED:
                undated = list(rows)
                continue
            if undated is not None:
                written[UNDATED] = write_part(self._file(day, UNDATED_PART), undated, self._schema)
                undated = None
            written[day] = write_part(self._file(day, PART), rows, self._schema)
        if undated is not None or not written:
            raise ValueError("no row has a day")
        return written

    def _file(self, day: int, name: str) -> Path:
        return self._folder / f"date={date_of(day).isoformat()}" / name

    def _spill_file(self, day: int) -> Path:
        return self._folder / f".spill-{day}.arrows"

    def _cut(self) -> Iterator[tuple[int, pa.Table]]:
        if not self._waiting:
            return
        days = np.concatenate([days for _, days in self._waiting])
        rows = pa.concat_tables([table for table, _ in self._waiting]).combine_chunks()
        self._waiting, self._bytes = [], 0
        if np.any(days[1:] < days[:-1]):
            order = np.argsort(days, kind="stable")
            days, rows = days[order], rows.take(pa.array(order))
        starts = np.flatnonzero(np.diff(days, prepend=days[0] - 1 if days[0] > UNDATED else days[0] + 1))
        for start, end in zip(starts, [*starts[1:], len(days)], strict=True):
            yield int(days[start]), rows.slice(start, end - start)

    def _spill(self) -> None:
        for day, rows in self._cut():
            self._spilled.add(day)
            with self._spill_file(day).open("ab") as sink, pa.ipc.new_stream(sink, self._schema) as stream:
                stream.write_table(rows)

    def _read_spill(self, day: int) -> Iterator[pa.Table]:
        file = self._spill_file(day)
        size = file.stat().st_size
        with file.open("rb") as source:
            while source.tell() < size:
                with pa.ipc.open_stream(source) as stream:
                    yield stream.read_all()
        file.unlink()
