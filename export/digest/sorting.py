"""Rows sorted by user in bounded memory, and joined by walking them side by side."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from export.durable import writing

Row = tuple[str, ...]

IN_MEMORY: Final = 50_000
MAX_RUNS: Final = 64


def sorted_rows(rows: Iterable[Row], folder: Path, *, in_memory: int = IN_MEMORY) -> Iterator[Row]:
    """The rows in ascending order by code point, each distinct row once.

    Args:
        rows: of equal width, in any order.
        folder: absent or empty; sorted runs are written to it where there are `in_memory` rows or more.
        in_memory: rows held at once.

    Raises:
        EnvironmentUnfit: the disk is full.
    """
    source = iter(rows)
    chunk = list(islice(source, in_memory))
    if len(chunk) < in_memory:
        yield from sorted(set(chunk))
        return
    runs: list[Path] = []
    while chunk:
        runs.append(_write_run(folder / f"run-{len(runs):06d}", sorted(set(chunk))))
        chunk = list(islice(source, in_memory))
    level = 0
    while len(runs) > MAX_RUNS:
        level += 1
        groups = [runs[i : i + MAX_RUNS] for i in range(0, len(runs), MAX_RUNS)]
        runs = [_write_run(folder / f"run-{level}-{i:06d}", _merged(group)) for i, group in enumerate(groups)]
    yield from _merged(runs)


def _write_run(path: Path, rows: Iterable[Row]) -> Path:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            file.writelines(msgspec.json.encode(row) + b"\n" for row in rows)
    return path


def _merged(runs: Sequence[Path]) -> Iterator[Row]:
    decoder = msgspec.json.Decoder(tuple[str, ...])
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in runs]
        for row, _ in groupby(heapq.merge(*(map(decoder.decode, file) for file in files))):
            yield row
    for path in runs:
        path.unlink()


class Beside:
    """Rows of users, found by user while the users are walked in ascending order.

    Attributes:
        n_matched: users asked for who had rows.
    """

    def __init__(self, rows: Iterable[Row]) -> None:
        """Walks `rows`, which are ascending and begin with the user id."""
        self._groups = groupby(rows, key=itemgetter(0))
        self._at: tuple[str, Iterator[Row]] | None = next(self._groups, None)
        self.n_matched = 0

    def rows_of(self, user_id: str) -> list[Row]:
        """The user's rows; no user may be asked for after a later one."""
        while self._at is not None and self._at[0] < user_id:
            self._at = next(self._groups, None)
        if self._at is None or self._at[0] != user_id:
            return []
        self.n_matched += 1
        return list(self._at[1])
