"""Files that the email team gives: user ids, consent, addresses, sends. Text, CSV or Parquet, read as a stream."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import InputInvalid, InputMissing
from export.digest.sorting import Row

USER: Final = "user_id"
YES: Final = frozenset({"true", "t", "yes", "y", "1"})
NO: Final = frozenset({"false", "f", "no", "n", "0", ""})
BATCH_ROWS: Final = 8192


def user_rows(path: Path) -> Iterator[Row]:
    """One row (user_id,) an entry of a file of user ids: text with one a line, or the column of a CSV or Parquet file.

    Raises:
        InputMissing: there is no such file.
        InputInvalid: it cannot be read, or an id is empty.
    """
    return _checked(_rows(path, (USER,)), path)


def item_ids(path: Path) -> frozenset[str]:
    """The item ids in a file, as `user_rows` reads user ids; the column is `item_id`.

    Raises:
        InputMissing: there is no such file.
        InputInvalid: it cannot be read, or an id is empty.
    """
    return frozenset(row[0] for row in _checked(_rows(path, ("item_id",)), path))


def consent_rows(path: Path) -> Iterator[Row]:
    """Rows (user_id, "yes" or "no"); where the file has no column `consent`, who stands in it has given it.

    Raises:
        InputMissing: there is no such file.
        InputInvalid: it cannot be read, an id is empty, or a consent is neither yes nor no.
    """
    for user, told in _checked(_rows(path, (USER,), ("consent", "true")), path):
        yield user, "yes" if _is_yes(told, path) else "no"


def address_rows(path: Path) -> Iterator[Row]:
    """Rows (user_id, email).

    Raises:
        InputMissing: there is no such file.
        InputInvalid: it cannot be read, or an id or address is not one.
    """
    for number, (user, email) in enumerate(_checked(_rows(path, (USER, "email")), path), start=1):
        name, at, domain = email.partition("@")
        if not (name and at and domain) or not email.isprintable() or any(c in email for c in ' ,;<>"'):
            raise _invalid(f"Row {number} has something else than a mail address", path)
        yield user, email


def send_rows(path: Path) -> Iterator[Row]:
    """Rows (user_id, item_id, ISO date, "yes" or "no" for clicked); not clicked where the file has no such column.

    Raises:
        InputMissing: there is no such file.
        InputInvalid: it cannot be read, an id is empty, or a date or click is not one.
    """
    columns = (USER, "item_id", "sent_on")
    for user, item, sent_on, clicked in _checked(_rows(path, columns, ("clicked", "false")), path):
        try:
            day = dt.date.fromisoformat(sent_on[:10])
        except ValueError as error:
            raise _invalid(f"{sent_on!r} is not a date such as 2026-01-31", path) from error
        yield user, item, day.isoformat(), "yes" if _is_yes(clicked, path) else "no"


def _is_yes(text: str, path: Path) -> bool:
    word = text.strip().lower()
    if word not in YES | NO:
        raise _invalid(f"{text!r} is neither true nor false", path)
    return word in YES


def _checked(rows: Iterable[Row], path: Path) -> Iterator[Row]:
    for number, row in enumerate(rows, start=1):
        if not row[0]:
            raise _invalid(f"Row {number} has no id", path)
        yield row


def _rows(path: Path, columns: Sequence[str], optional: tuple[str, str] | None = None) -> Iterator[Row]:
    """The columns of a file as text, and the optional one, or its default where the file lacks it."""
    if not path.is_file():
        raise InputMissing("There is no such file", where=str(path), todo="Name the file, or leave the option out.")
    try:
        if path.suffix == ".parquet":
            yield from _parquet(path, columns, optional)
        elif path.suffix == ".csv":
            yield from _csv(path, columns, optional)
        elif path.suffix == ".txt" and len(columns) == 1:
            yield from _text(path, optional)
        else:
            raise _invalid(f"{', '.join(columns)} cannot be read from a file {path.suffix!r}", path)
    except (UnicodeDecodeError, csv.Error, pa.ArrowException) as error:
        raise _invalid(f"The file cannot be read: {error}", path) from error


def _text(path: Path, optional: tuple[str, str] | None) -> Iterator[Row]:
    more = () if optional is None else (optional[1],)
    with path.open(encoding="utf-8-sig") as file:
        for line in file:
            if text := line.rstrip("\n"):
                yield (text, *more)


def _csv(path: Path, columns: Sequence[str], optional: tuple[str, str] | None) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = csv.reader(file, strict=True)
        header = next(lines, [])
        places = [_place(header, name, path) for name in columns]
        extra = header.index(optional[0]) if optional and optional[0] in header else -1
        for cells in lines:
            if len(cells) != len(header):
                raise _invalid(f"Line {lines.line_num} has {len(cells)} cells, the header {len(header)}", path)
            row = tuple(cells[place] for place in places)
            yield row if optional is None else (*row, cells[extra] if extra >= 0 else optional[1])


def _place(header: Sequence[str], name: str, path: Path) -> int:
    if name not in header:
        raise _invalid(f"The file has no column {name!r}", path)
    return header.index(name)


def _parquet(path: Path, columns: Sequence[str], optional: tuple[str, str] | None) -> Iterator[Row]:
    with pq.ParquetFile(path) as file:
        for name in columns:
            _place(file.schema_arrow.names, name, path)
        has_extra = optional is not None and optional[0] in file.schema_arrow.names
        wanted = [*columns, *([optional[0]] if optional and has_extra else [])]
        for batch in file.iter_batches(batch_size=BATCH_ROWS, columns=wanted):
            arrays = [batch.column(name).cast(pa.string()) for name in wanted]
            if any(array.null_count for array in arrays):
                raise _invalid("A value is null", path)
            more = [] if optional is None or has_extra else [[optional[1]] * batch.num_rows]
            yield from zip(*(array.to_pylist() for array in arrays), *more, strict=True)


def _invalid(what: str, path: Path) -> InputInvalid:
    return InputInvalid(
        what,
        where=str(path),
        todo="Give text (.txt, one id a line), CSV (.csv with a header) or Parquet; docs/email.md names the columns.",
    )
