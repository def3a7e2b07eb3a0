"""Packed lists on their way into shards: appended to a temporary file a shard, then sorted and joined into records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import InputInvalid
from export.format import byte_rows, shards
from export.format.packing import join_records
from export.format.records import RECORD_HEAD

ROW: Final = np.dtype(
    [("hash", "<u8"), ("id_bytes", "<u2"), ("segment", "<u2"), ("placement", "u1"), ("list_bytes", "<u4")]
)


PART_USERS: Final = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed lists with their owners, one a row."""

    heads: npt.NDArray[Any]
    ids: pa.LargeBinaryArray
    lists: pa.LargeBinaryArray

    def take(self, order: npt.NDArray[Any]) -> Rows:
        """These rows, copied."""
        chosen = pa.array(order)
        return Rows(self.heads[order], self.ids.take(chosen), self.lists.take(chosen))


class Spill:
    """Temporary files, three a shard, below a folder that the caller removes."""

    def __init__(self, folder: Path, n_shards: int) -> None:
        """Uses `folder`, which exists and is empty."""
        self._folder, self._n_shards = folder, n_shards

    def _paths(self, shard: int) -> tuple[Path, Path, Path]:
        """Where the heads, the ids and the lists of a shard's rows lie, all in one order."""
        heads, ids, lists = (self._folder / f"{shard:05d}.{part}" for part in ("heads", "ids", "lists"))
        return heads, ids, lists

    def add(self, rows: Rows) -> None:
        """Appends the rows to the files of their shards."""
        hashes = rows.heads["hash"].copy()
        owners = (hashes % np.uint64(self._n_shards)).astype(np.min_scalar_type(self._n_shards))
        # Each part in the order of the hashes: a shard is then put together from a few runs, not from scattered rows.
        order = np.argsort(hashes)
        order = order[np.argsort(owners[order], kind="stable")]
        bounds = np.searchsorted(owners[order], np.arange(self._n_shards + 1)).tolist()
        rows = rows.take(order)
        for shard, (start, end) in enumerate(pairwise(bounds)):
            if start == end:
                continue
            parts: tuple[bytes | memoryview, ...] = (
                rows.heads[start:end].tobytes(),
                byte_rows.span(rows.ids, start, end),
                byte_rows.span(rows.lists, start, end),
            )
            for path, data in zip(self._paths(shard), parts, strict=True):
                with path.open("ab") as file:
                    file.write(data)

    def write_shard(self, shard: int, file: BinaryIO, segments: npt.NDArray[np.uint16]) -> int:
        """Writes the shard's file from what was added, whatever the order it was added in.

        Args:
            shard: number of the shard.
            file: open for writing, at its start.
            segments: final segment index by the index given with the rows.

        Returns:
            Users written.

        Raises:
            InputInvalid: a user has two lists for one placement, or two segments.
        """
        rows = _read(*self._paths(shard))
        order, is_first = _order(rows)
        heads, firsts = rows.heads[order], np.flatnonzero(is_first)
        _check_rows(rows, order, is_first, segments[heads["segment"]])
        bounds = np.append(firsts, len(order))
        sizes = np.diff(np.append(0, np.cumsum(heads["list_bytes"], dtype=np.int64))[bounds])
        lengths = RECORD_HEAD.size + heads["id_bytes"][firsts] + sizes
        shards.write_shard(file, shard, heads["hash"][firsts], lengths, _records(rows, order, bounds, segments))
        return len(firsts)


def _read(heads_path: Path, ids_path: Path, lists_path: Path) -> Rows:
    """All rows of a shard; the files are absent where there is none."""
    if not heads_path.exists():
        none = pa.array([], pa.large_binary())
        return Rows(np.zeros(0, dtype=ROW), none, none)
    heads = np.fromfile(heads_path, dtype=ROW)
    ids, lists = np.fromfile(ids_path, dtype=np.uint8), np.fromfile(lists_path, dtype=np.uint8)
    return Rows(
        heads, byte_rows.from_lengths(ids, heads["id_bytes"]), byte_rows.from_lengths(lists, heads["list_bytes"])
    )


def _order(rows: Rows) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Row numbers by hash, then user id, then placement; and which rows, in this order, are a user's first."""
    hashes, placements = rows.heads["hash"].copy(), rows.heads["placement"]
    order = np.argsort(hashes)
    if not (hashes[order][1:] == hashes[order][:-1]).any():
        return order, np.ones(len(order), dtype=bool)
    order = np.lexsort((placements, hashes))
    is_same = hashes[order][1:] == hashes[order][:-1]
    is_first = _is_first(rows.ids.take(pa.array(order)))
    if (is_same & is_first[1:]).any():
        ids = rows.ids.to_pylist()
        order = np.array(sorted(order.tolist(), key=lambda i: (hashes[i], ids[i], placements[i])), dtype=np.intp)
        is_first = _is_first(rows.ids.take(pa.array(order)))
    return order, is_first


def _is_first(ids: pa.LargeBinaryArray) -> npt.NDArray[np.bool_]:
    """Which ids differ from the one before."""
    is_first = np.ones(len(ids), dtype=bool)
    is_first[1:] = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    return is_first


def _records(
    rows: Rows, order: npt.NDArray[np.intp], bounds: npt.NDArray[np.intp], segments: npt.NDArray[np.uint16]
) -> Iterator[memoryview]:
    """The users' records, many joined at a time; user i owns rows `order[bounds[i]:bounds[i + 1]]`."""
    for at in range(0, len(bounds) - 1, PART_USERS):
        part = bounds[at : at + PART_USERS + 1]
        firsts, ends = part[:-1] - part[0], part - part[0]
        own = rows.take(order[part[0] : part[-1]])
        lists = byte_rows.from_offsets(byte_rows.data_of(own.lists), byte_rows.offsets_of(own.lists)[ends])
        ids = own.ids.take(pa.array(firsts))
        yield join_records(ids, segments[own.heads["segment"][firsts]], np.diff(ends), lists)


def _check_rows(
    rows: Rows, order: npt.NDArray[np.intp], is_first: npt.NDArray[np.bool_], segments: npt.NDArray[np.uint16]
) -> None:
    """Refuses a user with two lists for one placement or with two segments; `segments` has one an ordered row."""
    if is_first.all():
        return
    placements = rows.heads["placement"][order]
    is_twice = ~is_first[1:] & (placements[1:] == placements[:-1])
    is_wrong = is_twice | (~is_first[1:] & (segments[1:] != segments[:-1]))
    if not is_wrong.any():
        return
    at = int(np.argmax(is_wrong))
    fault = "two lists for one placement" if is_twice[at] else "two segments"
    raise InputInvalid(
        f"User {rows.ids[int(order[at])].as_py().decode()!r} has {fault}",
        where="top_n_lists",
        todo="Make one list for each user and placement, with the user's one segment.",
    )
