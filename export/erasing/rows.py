"""Rows that name users taken out of files: CSV, JSON lines, Parquet, one id a line; what is left stays byte for byte.

A row is a user's where a field of one of the names `ID_FIELDS` holds the id. In JSON that may be deep inside: what is
taken out is then the element of the innermost array around it, the whole line where there is none.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.errors import InputInvalid
from export.durable import replacing

ID_FIELDS: Final = ("user_id", "external_id", "userId")
SUFFIXES: Final = (".csv", ".jsonl", ".json", ".zst", ".parquet", ".txt")
GONE: Final = object()
Purge = Callable[[Iterable[bytes]], Iterator[tuple[bytes, int]]]


def take_rows(path: Path, users: Collection[str], *, marks: Collection[str] = (), is_dry: bool = False) -> int:
    """Rows of the users taken out of a file, which is replaced as a whole, or left alone where it has none.

    Args:
        path: its suffix is one of `SUFFIXES`.
        users: ids.
        marks: other texts, such as tracking ids, that say whose an element of a JSON line is.
        is_dry: the rows are counted only.

    Raises:
        InputInvalid: the file cannot be read.
    """
    try:
        if path.suffix == ".parquet":
            return _parquet(path, users, is_dry=is_dry)
        return _lines(path, users, marks, is_dry=is_dry)
    except (pa.ArrowException, UnicodeDecodeError, csv.Error) as error:
        raise InputInvalid(
            f"A file cannot be searched for users: {error}", where=str(path), todo="Mend it or take it away."
        ) from error


def _parquet(path: Path, users: Collection[str], *, is_dry: bool) -> int:
    with pq.ParquetFile(path) as file:
        names = [name for name in ID_FIELDS if name in file.schema_arrow.names]
        n = sum(_masked(group, names, users)[1] for group in _groups(file, names)) if names else 0
        if not n or is_dry:
            return n
        codec = file.metadata.row_group(0).column(0).compression.lower()
        with replacing(path) as target, pq.ParquetWriter(target, file.schema_arrow, compression=codec) as writer:
            for group in _groups(file, None):
                writer.write_table(group.filter(_masked(group, names, users)[0]))
    return n


def _groups(file: pq.ParquetFile, columns: list[str] | None) -> Iterator[pa.Table]:
    return (file.read_row_group(number, columns=columns) for number in range(file.num_row_groups))


def _masked(rows: pa.Table, names: list[str], users: Collection[str]) -> tuple[Any, int]:
    """Which rows stay, and how many do not."""
    wanted = pa.array(sorted(users), pa.string())
    is_theirs = None
    for name in names:
        hit = pc.is_in(pc.cast(rows[name], pa.string()), value_set=wanted)
        is_theirs = hit if is_theirs is None else pc.or_(is_theirs, hit)
    return pc.invert(is_theirs), int(pc.sum(is_theirs).as_py() or 0)


def _lines(path: Path, users: Collection[str], marks: Collection[str], *, is_dry: bool) -> int:
    purge = _purge_of(path.name.removesuffix(".zst"), users, marks)
    codec = "zstd" if path.suffix == ".zst" else None
    with pa.input_stream(str(path), compression=codec) as source:
        n = sum(gone for _, gone in purge(_split(source)))
    if n and not is_dry:
        with (
            replacing(path) as target,
            pa.input_stream(str(path), compression=codec) as source,
            pa.output_stream(str(target), compression=codec) as sink,
        ):
            for kept, _ in purge(_split(source)):
                sink.write(kept)
    return n


def _split(source: Any) -> Iterator[bytes]:
    """The lines with their ends."""
    left = b""
    while block := source.read(1 << 20):
        *whole, left = (left + block).split(b"\n")
        yield from (line + b"\n" for line in whole)
    if left:
        yield left


def _purge_of(name: str, users: Collection[str], marks: Collection[str]) -> Purge:
    if name.endswith(".csv"):
        return lambda lines: _purged_csv(lines, users)
    if name.endswith(".txt"):
        return lambda lines: ((b"", 1) if _text(line).strip() in users else (line, 0) for line in lines)
    return lambda lines: (_purged_json(line, users, marks) for line in lines)


def _purged_csv(lines: Iterable[bytes], users: Collection[str]) -> Iterator[tuple[bytes, int]]:
    """Records, which may go over several lines; a cell's leading apostrophe is what keeps a spreadsheet from it."""
    raw: list[bytes] = []

    def fed() -> Iterator[str]:
        for line in lines:
            raw.append(line)
            yield _text(line)

    places: list[int] | None = None
    for record in csv.reader(fed()):
        data = b"".join(raw)
        raw.clear()
        if places is None:
            places = [at for at, name in enumerate(record) if name.removeprefix("\ufeff") in ID_FIELDS]
            yield data, 0
            continue
        cells = [record[at] for at in places if at < len(record)]
        is_theirs = any(cell in users or cell.removeprefix("'") in users for cell in cells)
        yield (b"", 1) if is_theirs else (data, 0)


def _purged_json(line: bytes, users: Collection[str], marks: Collection[str]) -> tuple[bytes, int]:
    try:
        value = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        is_theirs = any(user.encode("utf-8", "surrogatepass") in line for user in users)
        return (b"", 1) if is_theirs else (line, 0)  # no reader can split it: better one broken line less
    left, n = _purged(value, users, marks)
    if left is GONE:
        return b"", n
    return (msgspec.json.encode(left) + b"\n", n) if n else (line, 0)


def _purged(value: Any, users: Collection[str], marks: Collection[str]) -> tuple[Any, int]:
    """The value without what is the users', GONE where nothing is left of it; and how many elements went."""
    if isinstance(value, str):
        return (GONE, 1) if any(mark in value for mark in marks) else (value, 0)
    if isinstance(value, list):
        parts = [_purged(one, users, marks) for one in value]
        n = sum(count for _, count in parts)
        left = [one for one, _ in parts if one is not GONE]
        return (GONE, n) if value and not left else (left, n)
    if not isinstance(value, dict):
        return value, 0
    if any(str(value[name]) in users for name in ID_FIELDS if name in value):
        return GONE, 1
    made = {name: _purged(one, users, marks) for name, one in value.items()}
    if any(one is GONE for one, _ in made.values()):
        return GONE, 1
    return {name: one for name, (one, _) in made.items()}, sum(count for _, count in made.values())


def _text(line: bytes) -> str:
    return line.decode("utf-8", "surrogateescape")
