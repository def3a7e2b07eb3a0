"""Packed lists on their way into shards: appended to a temporary file a shard, then sorted and joined into records."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from contracts.errors import InputInvalid
from export.format import shards
from export.format.records import RECORD_HEAD, join_record

BLOCK: Final = struct.Struct("<IQQ")
ROW: Final = np.dtype(
    [("hash", "<u8"), ("id_bytes", "<u2"), ("segment", "<u2"), ("placement", "u1"), ("list_bytes", "<u4")]
)


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed lists with their owners, one a row."""

    heads: npt.NDArray[Any]
    ids: list[bytes]
    lists: list[bytes]


class Spill:
    """Temporary files, one a shard, below a folder that the caller removes."""

    def __init__(self, folder: Path, n_shards: int) -> None:
        """Uses `folder`, which exists and is empty."""
        self._folder, self._n_shards = folder, n_shards

    def _path(self, shard: int) -> Path:
        return self._folder / f"{shard:05d}.rows"

    def add(self, rows: Rows) -> None:
        """Appends the rows to the files of their shards."""
        owners = rows.heads["hash"] % np.uint64(self._n_shards)
        order = np.argsort(owners, kind="stable")
        bounds = np.searchsorted(owners[order], np.arange(self._n_shards + 1, dtype=np.uint64))
        for shard in np.unique(owners).tolist():
            chosen = order[bounds[shard] : bounds[shard + 1]]
            picked = chosen.tolist()
            ids, lists = b"".join([rows.ids[i] for i in picked]), b"".join([rows.lists[i] for i in picked])
            with self._path(shard).open("ab") as file:
                file.write(BLOCK.pack(len(picked), len(ids), len(lists)))
                file.write(rows.heads[chosen].tobytes())
                file.write(ids)
                file.write(lists)

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
        rows = self._read(shard)
        order = _order(rows)
        ids = [rows.ids[i] for i in order]
        lists = [rows.lists[i] for i in order]
        segment = segments[rows.heads["segment"][order]].tolist()
        _check_rows(ids, rows.heads["placement"][order].tolist(), segment)
        firsts = [i for i, name in enumerate(ids) if i == 0 or name != ids[i - 1]]
        bounds = np.array([*firsts, len(ids)], dtype=np.int64)
        size = rows.heads["list_bytes"][order].astype(np.int64)
        totals = np.concatenate([[0], np.cumsum(size)])
        heads = rows.heads["id_bytes"][order][firsts].astype(np.int64) + RECORD_HEAD.size
        lengths = heads + totals[bounds[1:]] - totals[bounds[:-1]]
        records = (
            join_record(ids[a], segment[a], lists[a:b]) for a, b in zip(firsts, bounds[1:].tolist(), strict=True)
        )
        shards.write_shard(file, shard, rows.heads["hash"][order][firsts], lengths, records)
        return len(firsts)

    def _read(self, shard: int) -> Rows:
        path = self._path(shard)
        heads, ids, lists = [np.zeros(0, dtype=ROW)], list[bytes](), list[bytes]()
        for block in _blocks(path) if path.exists() else ():
            heads.append(block.heads)
            ids += block.ids
            lists += block.lists
        return Rows(np.concatenate(heads), ids, lists)


def _blocks(path: Path) -> Iterator[Rows]:
    with path.open("rb") as file:
        while head := file.read(BLOCK.size):
            n, n_ids, n_lists = BLOCK.unpack(head)
            heads = np.frombuffer(file.read(n * ROW.itemsize), dtype=ROW)
            yield Rows(
                heads,
                _cut(file.read(n_ids), heads["id_bytes"]),
                _cut(file.read(n_lists), heads["list_bytes"]),
            )


def _cut(data: bytes, lengths: npt.NDArray[Any]) -> list[bytes]:
    ends = np.cumsum(lengths.astype(np.int64)).tolist()
    return [data[a:b] for a, b in zip([0, *ends], ends, strict=False)]


def _order(rows: Rows) -> list[int]:
    """Row numbers by hash, then user id, then placement."""
    hashes = rows.heads["hash"]
    order: list[int] = np.lexsort((rows.heads["placement"], hashes)).tolist()
    same = np.flatnonzero(hashes[order][1:] == hashes[order][:-1]).tolist()
    if any(rows.ids[order[i]] != rows.ids[order[i + 1]] for i in same):
        placements, keys = rows.heads["placement"].tolist(), hashes.tolist()
        order.sort(key=lambda i: (keys[i], rows.ids[i], placements[i]))
    return order


def _check_rows(ids: Sequence[bytes], placements: Sequence[int], segments: Sequence[int]) -> None:
    """Refuses a user with two lists for one placement or with two segments; rows of a user are adjacent."""
    for i in range(1, len(ids)):
        if ids[i] != ids[i - 1]:
            continue
        if placements[i] == placements[i - 1] or segments[i] != segments[i - 1]:
            fault = "two lists for one placement" if placements[i] == placements[i - 1] else "two segments"
            raise InputInvalid(
                f"User {ids[i].decode()!r} has {fault}",
                where="top_n_lists",
                todo="Make one list for each user and placement, with the user's one segment.",
            )
