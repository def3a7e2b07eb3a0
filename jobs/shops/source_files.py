"""A shop's files, whatever their format, as blocks of rows."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from contracts.errors import InputInvalid, InputMissing

BLOCK_ROWS: Final = 131_072
_BLOCK_BYTES: Final = 1 << 24
_FORMATS: Final[dict[str, Literal["parquet", "csv", "jsonl"]]] = {
    ".parquet": "parquet", ".csv": "csv", ".csv.gz": "csv", ".jsonl": "jsonl", ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl", ".ndjson.gz": "jsonl", ".json": "jsonl", ".json.gz": "jsonl",
}  # fmt: skip


def files_of(path: Path) -> list[Path]:
    """The data files at `path`, itself or every one below it, in path order; hidden ones left out.

    Raises:
        InputMissing: nothing is there.
        InputInvalid: there is no file of a known format.
    """
    if path.is_file():
        format_of(path)
        return [path]
    if not path.is_dir():
        raise InputMissing("The file does not exist.", where=str(path), todo="Name a file or a folder of files.")
    inside = (file for file in path.rglob("*") if file.is_file())
    found = [file for file in inside if _suffix(file) in _FORMATS and not file.name.startswith((".", "_"))]
    if not found:
        raise InputInvalid(
            "The folder holds no data file.",
            where=str(path),
            todo=f"Put files there that end in {', '.join(_FORMATS)}.",
        )
    return sorted(found)


def format_of(file: Path) -> Literal["parquet", "csv", "jsonl"]:
    """The format that a file's ending names.

    Raises:
        InputInvalid: an ending that is not known.
    """
    suffix = _suffix(file)
    if suffix not in _FORMATS:
        raise InputInvalid(
            f"Files that end in {suffix or 'nothing'} cannot be read.",
            where=str(file),
            todo=f"Use a file that ends in {', '.join(_FORMATS)}.",
        )
    return _FORMATS[suffix]


def column_names(file: Path) -> list[str]:
    """The file's columns in order; of JSON lines, every key of the first block.

    Raises:
        InputInvalid: the file is unreadable or has two columns of one name.
    """
    try:
        names = _column_names(file)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(file, error) from error
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise InputInvalid(
            f"Column {', '.join(twice)} is there more than once.", where=str(file), todo="Rename all but one."
        )
    return names


def blocks(file: Path, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """The named columns of a file in source order, at most `BLOCK_ROWS` rows a block.

    Parquet keeps its types; CSV and JSON lines give text, where an empty CSV field and an absent JSON key are null.

    Raises:
        InputInvalid: a corrupt file or a malformed line.
    """
    try:
        if format_of(file) == "parquet":
            with pq.ParquetFile(file) as source:
                yield from source.iter_batches(batch_size=BLOCK_ROWS, columns=columns)
        elif format_of(file) == "csv":
            types = dict.fromkeys(columns, pa.string())
            for batch in _open_csv(file, types, columns):
                yield from (batch.slice(at, BLOCK_ROWS) for at in range(0, batch.num_rows, BLOCK_ROWS))
        else:
            for rows in _json_rows(file):
                texts = {name: [_text(row.get(name)) for row in rows] for name in columns}
                yield pa.RecordBatch.from_arrays([pa.array(v, pa.string()) for v in texts.values()], names=columns)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(file, error) from error


def whole(path: Path, text_columns: Iterable[str]) -> pa.Table:
    """All rows and columns at `path`, types as the files have them or as they look.

    Args:
        path: a file or a folder of files; columns that only some files have are null elsewhere.
        text_columns: kept as text where the format has no types, so that `007` stays `007`.

    Raises:
        InputMissing: nothing is there.
        InputInvalid: a corrupt file, a malformed line, or types that differ from file to file.
    """
    tables = []
    for file in files_of(path):
        names = column_names(file)
        try:
            tables.append(_whole_file(file, [name for name in text_columns if name in names]))
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise unreadable(file, error) from error
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except pa.ArrowException as error:
        raise unreadable(path, error) from error


def unreadable(file: Path, error: Exception) -> InputInvalid:
    """The error for a file that cannot be read."""
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    return InputInvalid(
        f"The file cannot be read: {first_line}", where=str(file), todo="Export it again, in UTF-8 where it is text."
    )


def _suffix(file: Path) -> str:
    suffixes = [part.lower() for part in file.suffixes]
    return "".join(suffixes[-2:]) if suffixes[-1:] == [".gz"] else "".join(suffixes[-1:])


def _column_names(file: Path) -> list[str]:
    if format_of(file) == "parquet":
        return list(pq.read_schema(file).names)
    if format_of(file) == "csv":
        with _open_csv(file, {}, []) as reader:
            return list(reader.schema.names)
    return list(dict.fromkeys(name for row in next(_json_rows(file), []) for name in row))


def _whole_file(file: Path, texts: list[str]) -> pa.Table:
    if format_of(file) == "parquet":
        with pq.ParquetFile(file) as source:
            return source.read()
    if format_of(file) == "csv":
        types = dict.fromkeys(texts, pa.string())
        return pa_csv.read_csv(str(file), **_csv_options(file, types, []))
    rows = [row for block in _json_rows(file) for row in block]
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table({name: _typed([row.get(name) for row in rows], as_text=name in texts) for name in names})


def _open_csv(file: Path, types: dict[str, pa.DataType], columns: list[str]) -> pa_csv.CSVStreamingReader:
    return pa_csv.open_csv(str(file), **_csv_options(file, types, columns))


def _csv_options(file: Path, types: dict[str, pa.DataType], columns: list[str]) -> dict[str, Any]:
    with _open_bytes(file) as source:
        header = source.readline().decode("utf-8")
    delimiter = max(",;\t|", key=header.count)
    return {
        "read_options": pa_csv.ReadOptions(block_size=_BLOCK_BYTES),
        "parse_options": pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        # Only the empty field is null: a user may well be called "NA" or "null".
        "convert_options": pa_csv.ConvertOptions(
            column_types=types, include_columns=columns, null_values=[""], strings_can_be_null=True
        ),
    }


def _open_bytes(file: Path) -> io.BufferedIOBase:
    return gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb")


def _json_rows(file: Path) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    decoder = msgspec.json.Decoder(dict[str, Any])
    with _open_bytes(file) as source:
        for number, line in enumerate(source, start=1):
            if not line.strip():
                continue
            try:
                rows.append(decoder.decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise InputInvalid(
                    f"Line {number} is not a JSON object: {error}.",
                    where=str(file),
                    todo="Mend or remove the line and import again; nothing was written.",
                ) from error
            if len(rows) == BLOCK_ROWS:
                yield rows
                rows = []
    if rows:
        yield rows


def _typed(values: list[Any], *, as_text: bool) -> pa.Array:
    if not as_text:
        try:
            return pa.array(values)
        except (pa.ArrowException, OverflowError):
            pass
    return pa.array([_text(value) for value in values], pa.string())


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return msgspec.json.encode(value).decode()
