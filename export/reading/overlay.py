"""The eligibility overlay: which items must not show now, published by itself beside any snapshot.

The file is, little-endian: `LROV` | version u16 | 0 u16 | SHA-256 of all that follows | zlib of a MessagePack array of

    when it was made, ISO | flagged item ids, ascending | for each flag and region: flag, region, bitmap over the ids

Bit i, lowest first, of a bitmap is item i of the ids; the region is empty where the flag holds everywhere. Items are
named by their id, so that one overlay holds for every snapshot, whatever its vocabulary.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np

from contracts.errors import SnapshotCorrupt

Flag = Literal["hidden", "out_of_stock", "recalled"]
FLAGS: Final[tuple[Flag, ...]] = get_args(Flag)
HEAD: Final = struct.Struct("<4sHH32s")
MAGIC: Final = b"LROV"
VERSION: Final = 1
ID_DIGITS: Final = 12


class Column(NamedTuple):
    """A flag where it holds: in one region, or everywhere where `region` is empty."""

    flag: Flag
    region: str = ""


class _Body(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    at: str
    ids: list[str]
    columns: list[tuple[Flag, str, bytes]]


class Overlay:
    """Items that must not show. Immutable; safe to share between threads.

    Attributes:
        id: the first 12 hex digits of its SHA-256.
        at: when it was made, ISO.
        n_bytes: size of the file.
    """

    def __init__(self, data: bytes, *, where: str = "the overlay") -> None:
        """Reads the bytes of the file; `where` they lie is named in an error.

        Raises:
            SnapshotCorrupt: they are not an overlay, or damaged.
        """
        if len(data) < HEAD.size or data[:4] != MAGIC:
            raise _corrupt("The file is not an overlay", where)
        _, version, _, digest = HEAD.unpack_from(data)
        if version != VERSION:
            raise _corrupt(f"The overlay has version {version}, this reads {VERSION}", where)
        if hashlib.sha256(memoryview(data)[HEAD.size :]).digest() != digest:
            raise _corrupt("The overlay differs from its checksum", where)
        try:
            body = msgspec.msgpack.decode(zlib.decompress(data[HEAD.size :]), type=_Body)
        except (zlib.error, msgspec.DecodeError) as error:
            raise _corrupt(f"The overlay cannot be read: {error}", where) from error
        self.id, self.at, self.n_bytes = digest.hex()[:ID_DIGITS], body.at, len(data)
        self._ids = body.ids
        self._bits = {Column(flag, region): bits for flag, region, bits in body.columns}
        self._excluded: dict[str, frozenset[str]] = {}

    @property
    def columns(self) -> dict[Column, int]:
        """Items flagged, by flag and region."""
        return {column: len(self._flagged(column)) for column in self._bits}

    @property
    def regions(self) -> set[str]:
        """Regions that have flags of their own."""
        return {column.region for column in self._bits} - {""}

    def excluded(self, region: str | None = None) -> frozenset[str]:
        """Ids of the items that must not show in a region; an unknown region has what holds everywhere."""
        known = region if region is not None and region in self.regions else ""
        made = self._excluded.get(known)
        if made is None:
            columns = [column for column in self._bits if column.region in {"", known}]
            made = frozenset().union(*(self._flagged(column) for column in columns))
            self._excluded[known] = made
        return made

    def _flagged(self, column: Column) -> list[str]:
        bits = np.unpackbits(np.frombuffer(self._bits[column], dtype=np.uint8), bitorder="little")
        return [self._ids[i] for i in np.flatnonzero(bits[: len(self._ids)]).tolist()]


def encode_overlay(flagged: Mapping[Column, Iterable[str]], *, at: str) -> bytes:
    """The bytes of the file; equal flags and times give equal bytes.

    Args:
        flagged: item ids by flag and region.
        at: when it was made, ISO.
    """
    sets = {column: set(ids) for column, ids in flagged.items()}
    ids = sorted(set().union(*sets.values()))
    columns = []
    for column, chosen in sorted(sets.items()):
        bits = np.packbits(np.array([name in chosen for name in ids], dtype=bool), bitorder="little")
        columns.append((column.flag, column.region, bits.tobytes()))
    body = zlib.compress(msgspec.msgpack.encode(_Body(at, ids, columns)), 6)
    return HEAD.pack(MAGIC, VERSION, 0, hashlib.sha256(body).digest()) + body


def _corrupt(what: str, where: str) -> SnapshotCorrupt:
    return SnapshotCorrupt(what, where=where, todo="Publish the overlay again; readers keep the last good one.")
