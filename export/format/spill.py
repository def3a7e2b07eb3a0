"""Packed lists on their way into shards: kept, in temporary files where they are many, then sorted and joined."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import InputInvalid
from export.format import byte_rows, shards
from export.format.packing import join_records
from export.format.records import CRC_BYTES, RECORD_HEAD
from export.format.shards import Writes

ROW: Final = np.dtype(
    [("key", "<u4"), ("id_bytes", "<u2"), ("segment", "<u2"), ("placement", "u1"), ("list_bytes", "<u4")]
)


PART_USERS: Final = 4096
PLACE_BITS: Final = 24
MAX_PLACES: Final = (1 << PLACE_BITS) - 1
BUFFER_BYTES: Final = 128 << 20
"""Packed rows that are held in memory, at most twice at a time."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Packed lists with their owners, one a row."""

    heads: npt.NDArray[Any]
    ids: pa.LargeBinaryArray
    lists: pa.LargeBinaryArray

    @property
    def n_bytes(self) -> int:
        """Bytes of all of it, offsets left out."""
        return int(self.heads.nbytes + self.heads["id_bytes"].sum(dtype=np.int64) + self.heads["list_bytes"].sum())

    def take(self, order: npt.NDArray[Any]) -> Rows:
        """These rows, copied."""
        chosen = pa.array(order)
        return Rows(self.heads.take(order), self.ids.take(chosen), self.lists.take(chosen))


class Spill:
    """Rows in memory, and beyond `BUFFER_BYTES` in files, three a shard, in a folder that the caller removes."""

    def __init__(self, folder: Path, n_shards: int) -> None:
        """Uses `folder`, which exists and is empty."""
        self._folder, self._n_shards = folder, n_shards
        self._parts: list[Rows] = []
        self._n_bytes = 0
        self._is_on_disk = False
        self._held: tuple[Rows, list[npt.NDArray[np.intp]]] | None = None

    def _paths(self, shard: int) -> tuple[Path, Path, Path]:
        """Where the heads, the ids and the lists of a shard's rows lie, all in one order."""
        heads, ids, lists = (self._folder / f"{shard:05d}.{part}" for part in ("heads", "ids", "lists"))
        return heads, ids, lists

    def add(self, rows: Rows) -> None:
        """Keeps the rows, which are not changed afterwards."""
        self._parts.append(rows)
        self._n_bytes += rows.n_bytes
        if self._n_bytes > BUFFER_BYTES:
            self._flush()

    def _flush(self) -> None:
        """What is in memory goes to the files of its shards."""
        rows, owned = self._take_parts()
        for shard, own in enumerate(owned):
            if not len(own):
                continue
            # Each part in the order of the keys: a shard is then put together from a few runs, not from scattered rows.
            part = rows.take(own[np.argsort(rows.heads["key"][own])])
            data: tuple[bytes | memoryview, ...] = (
                part.heads.tobytes(),
                byte_rows.span(part.ids, 0, len(own)),
                byte_rows.span(part.lists, 0, len(own)),
            )
            for path, one in zip(self._paths(shard), data, strict=True):
                with path.open("ab") as file:
                    file.write(one)
        self._is_on_disk = True

    def _take_parts(self) -> tuple[Rows, list[npt.NDArray[np.intp]]]:
        """All rows in memory, which are forgotten here, and which of them are each shard's."""
        rows = _joined(self._parts)
        self._parts, self._n_bytes = [], 0
        owners = (rows.heads["key"] % np.uint32(self._n_shards)).astype(np.min_scalar_type(self._n_shards))
        order = np.argsort(owners, kind="stable")
        return rows, np.split(order, np.cumsum(np.bincount(owners, minlength=self._n_shards))[:-1])

    def _rows(self, shard: int) -> tuple[Rows, npt.NDArray[np.intp]]:
        """Rows, and which of them are the shard's."""
        if self._is_on_disk:
            if self._parts:
                self._flush()
            rows = _read(*self._paths(shard))
            return rows, np.arange(len(rows.heads))
        if self._held is None:
            self._held = self._take_parts()
        rows, owned = self._held
        return rows, owned[shard]

    def write_shard(self, shard: int, file: Writes, segments: npt.NDArray[np.uint16]) -> int:
        """Writes the shard's file from what was added, whatever the order it was added in; nothing is added after it.

        Args:
            shard: number of the shard.
            file: open for writing, at its start.
            segments: final segment index by the index given with the rows.

        Returns:
            Users written.

        Raises:
            InputInvalid: a user has two lists for one placement, or two segments.
        """
        rows, own = self._rows(shard)
        order, is_first = _order(rows, own)
        heads, firsts = rows.heads.take(order), np.flatnonzero(is_first)
        _check_rows(rows, order, is_first, segments)
        bounds = np.append(firsts, len(order))
        sizes = np.diff(np.append(0, np.cumsum(heads["list_bytes"], dtype=np.int64))[bounds])
        users = heads.take(firsts)  # a row of each user
        lengths = RECORD_HEAD.size + users["id_bytes"] + sizes + CRC_BYTES
        records = _records(rows, order, bounds, segments[users["segment"]])
        shards.write_shard(file, shard, users["key"], lengths, records)
        return len(firsts)


def _joined(parts: list[Rows]) -> Rows:
    """The rows of all parts, in their order."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        none = pa.array([], pa.large_binary())
        return Rows(np.zeros(0, dtype=ROW), none, none)
    ids, lists = pa.concat_arrays([part.ids for part in parts]), pa.concat_arrays([part.lists for part in parts])
    return Rows(np.concatenate([part.heads for part in parts]), ids, lists)


def _read(heads_path: Path, ids_path: Path, lists_path: Path) -> Rows:
    """All rows of a shard; the files are absent where there is none."""
    if not heads_path.exists():
        return _joined([])
    heads = np.fromfile(heads_path, dtype=ROW)
    ids, lists = np.fromfile(ids_path, dtype=np.uint8), np.fromfile(lists_path, dtype=np.uint8)
    return Rows(
        heads, byte_rows.from_lengths(ids, heads["id_bytes"]), byte_rows.from_lengths(lists, heads["list_bytes"])
    )


def _order(rows: Rows, own: npt.NDArray[np.intp]) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """The row numbers `own` by key, then user id, then placement; and which rows, in this order, are a user's first."""
    heads = rows.heads.take(own)
    keys, placements = np.ascontiguousarray(heads["key"]), heads["placement"]
    places = _places(keys, placements)
    is_same = keys[places][1:] == keys[places][:-1]
    if not is_same.any():
        return own[places], np.ones(len(own), dtype=bool)
    is_first = _is_first(rows.ids.take(pa.array(own[places])))
    is_shared = is_same & is_first[1:]
    if is_shared.any():
        run = np.append(0, np.cumsum(~is_same))  # of each place, the number of its key
        at = np.flatnonzero(np.isin(run, run[1:][is_shared]))
        mixed = places[at].tolist()
        ids = dict(zip(mixed, rows.ids.take(pa.array(own[mixed])).to_pylist(), strict=True))
        places[at] = sorted(mixed, key=lambda i: (keys[i], ids[i], placements[i]))
        is_first = _is_first(rows.ids.take(pa.array(own[places])))
    return own[places], is_first


def _places(keys: npt.NDArray[np.uint32], placements: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    """Places of the rows by key, then placement, then place."""
    owned = keys.astype(np.uint64) << np.uint64(8) | placements
    if len(keys) > MAX_PLACES:
        return np.argsort(owned, kind="stable")
    # The place in the same word: sorting words is several times as fast as sorting their places.
    words = owned << np.uint64(PLACE_BITS) | np.arange(len(keys), dtype=np.uint64)
    words.sort()
    return (words & np.uint64(MAX_PLACES)).astype(np.intp)


def _is_first(ids: pa.LargeBinaryArray) -> npt.NDArray[np.bool_]:
    """Which ids differ from the one before."""
    is_first = np.ones(len(ids), dtype=bool)
    is_first[1:] = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1)).to_numpy(zero_copy_only=False)
    return is_first


def _records(
    rows: Rows, order: npt.NDArray[np.intp], bounds: npt.NDArray[np.intp], segments: npt.NDArray[np.uint16]
) -> Iterator[memoryview]:
    """The users' records, many joined at a time; user i owns rows `order[bounds[i]:bounds[i + 1]]`."""
    take, ids = _taking(rows), rows.ids.take(pa.array(order[bounds[:-1]]))
    for at in range(0, len(segments), PART_USERS):
        part = bounds[at : at + PART_USERS + 1]
        own = take(order[part[0] : part[-1]])
        lists = byte_rows.from_offsets(byte_rows.data_of(own), byte_rows.offsets_of(own)[part - part[0]])
        yield join_records(ids[at : at + PART_USERS], segments[at : at + PART_USERS], np.diff(part), lists)


def _taking(rows: Rows) -> Callable[[npt.NDArray[np.intp]], pa.LargeBinaryArray]:
    """Takes the lists at some places, to be read before the next are taken: those of one size lie in one buffer.

    As a matrix they take half the time, and less where the buffer's pages are at hand already.
    """
    sizes = rows.heads["list_bytes"]
    n = int(sizes.max(initial=0))
    if not n or int(sizes.min()) < n:
        return lambda order: rows.lists.take(pa.array(order))
    matrix, space = byte_rows.as_matrix(rows.lists, n), np.empty((0, n), dtype=np.uint8)

    def take(order: npt.NDArray[np.intp]) -> pa.LargeBinaryArray:
        nonlocal space
        if len(space) < len(order):
            space = np.empty((len(order), n), dtype=np.uint8)
        taken = space[: len(order)]
        matrix.take(order, axis=0, out=taken, mode="clip")  # the other modes copy once more
        return byte_rows.from_matrix(taken)

    return take


def _check_rows(
    rows: Rows, order: npt.NDArray[np.intp], is_first: npt.NDArray[np.bool_], segments: npt.NDArray[np.uint16]
) -> None:
    """Refuses a user with two lists for one placement or with two segments; `segments` are by the index of a row."""
    if is_first.all():
        return
    segments = segments[rows.heads["segment"][order]]
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
