"""Lines as JSON, plain or compressed, and rows as CSV that no spreadsheet computes; each whole or not there."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
import pyarrow as pa

from export.digest.lines import CatalogueItem, Recipient
from export.durable import replacing

Compression = Literal["zstd", "none"]
FORMULA_STARTS: Final = frozenset("=+-@\t\r\n")
LIST_COLUMNS: Final = ("user_id", "rank", "item_id", "title", "source", "reason", "list", "tracking_id")
ITEM_COLUMNS: Final = ("item_id", "title", "category", "price", "image_url", "url")


def lines_name(stem: str, compression: Compression) -> str:
    """The name of a file of JSON lines."""
    return f"{stem}.jsonl.zst" if compression == "zstd" else f"{stem}.jsonl"


class Lines:
    """A file of JSON lines, open for writing.

    Attributes:
        n: lines written.
    """

    def __init__(self, sink: Any) -> None:
        """Writes to a binary stream."""
        self._sink = sink
        self.n = 0

    def write(self, value: object) -> None:
        """One value as a line."""
        self.write_raw(msgspec.json.encode(value))

    def write_raw(self, data: bytes) -> None:
        """One line that is JSON already."""
        self._sink.write(data + b"\n")
        self.n += 1


@contextmanager
def json_lines(folder: Path, stem: str, compression: Compression) -> Iterator[Lines]:
    """A new file of JSON lines, which takes its place when the block ends well."""
    with (
        replacing(folder / lines_name(stem, compression)) as path,
        pa.output_stream(str(path), compression="zstd" if compression == "zstd" else None) as sink,
    ):
        yield Lines(sink)


class Table:
    """A CSV file, open for writing.

    Attributes:
        n: rows written, the header left out.
    """

    def __init__(self, writer: Any, columns: Sequence[str]) -> None:
        """Writes the header."""
        self._writer = writer
        self._writer.writerow(columns)
        self.n = 0

    def write(self, cells: Iterable[object]) -> None:
        """One row."""
        self._writer.writerow(safe(cells))
        self.n += 1


@contextmanager
def csv_table(path: Path, columns: Sequence[str]) -> Iterator[Table]:
    """A new CSV file: UTF-8, a header, CRLF, so that a lone CR or LF in a cell is quoted too."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as text:
        yield Table(csv.writer(text, lineterminator="\r\n"), columns)


def safe(cells: Iterable[object]) -> list[str]:
    """The cells as text that no spreadsheet takes for a formula: one that begins so gets an apostrophe before it."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    return [f"'{text}" if text[:1] in FORMULA_STARTS else text for text in texts]


def list_rows(made: Recipient) -> Iterator[tuple[object, ...]]:
    """The cells of each place of a list."""
    for slot in made.items:
        title, tracking_id = slot.title, slot.tracking_id
        yield made.user_id, slot.rank, slot.item_id, title, slot.source, slot.reason, made.list, tracking_id


def item_row(item: CatalogueItem) -> tuple[object, ...]:
    """The cells of an item."""
    return tuple(getattr(item, name) for name in ITEM_COLUMNS)
