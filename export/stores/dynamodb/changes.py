"""Where a user's lists lie when only changed users are written: a small filter tells it, so that one read is enough.

A snapshot's lists lie in its generations: its own items for the users that changed, and those of earlier snapshots for
the others. A filter is a Bloom filter of the users with items of their own, ten bits each: it never denies one of them,
and takes about one in a hundred others for one, who then costs a second read.

The file is, little-endian: `LRDF` | version u16 | probes u16 | bits u64 | the bits, lowest first. Probe i of a user
with the key hash h (see `export.format.records.key_hash`) is bit (h mod 2^32 + i * (h div 2^32 | 1)) mod bits.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from export.format.manifest import corrupt

HEAD: Final = struct.Struct("<4sHHQ")
MAGIC: Final = b"LRDF"
VERSION: Final = 1
BITS_PER_USER: Final = 10
PROBES: Final = 7
LOW: Final = 0xFFFFFFFF


def encode_filter(hashes: npt.NDArray[Any]) -> bytes:
    """The bytes of the filter of the users with these key hashes, uint64, in any order."""
    n_bits = max(64, BITS_PER_USER * len(hashes))
    first = hashes.astype(np.uint64) & np.uint64(LOW)
    step = (hashes.astype(np.uint64) >> np.uint64(32)) | np.uint64(1)
    bits = np.zeros(n_bits, dtype=np.bool_)
    for probe in range(PROBES):
        bits[(first + np.uint64(probe) * step) % np.uint64(n_bits)] = True
    return HEAD.pack(MAGIC, VERSION, PROBES, n_bits) + np.packbits(bits, bitorder="little").tobytes()


class UserFilter:
    """Which users may have items of their own in a generation."""

    def __init__(self, data: bytes, where: str) -> None:
        """Reads the bytes of `encode_filter`.

        Raises:
            SnapshotCorrupt: they are not.
        """
        magic, version, self._probes, self._n_bits = (
            HEAD.unpack_from(data) if len(data) >= HEAD.size else (b"", 0, 0, 0)
        )
        self._bits = data[HEAD.size :]
        if magic != MAGIC or version != VERSION or len(self._bits) != (self._n_bits + 7) // 8:
            raise corrupt("The filter of changed users cannot be read", where)

    def may_have(self, key: int) -> bool:
        """False where the user with this key hash certainly has none."""
        at, step = key & LOW, (key >> 32) | 1
        for _ in range(self._probes):
            bit = at % self._n_bits
            if not self._bits[bit >> 3] >> (bit & 7) & 1:
                return False
            at += step
        return True


@dataclass(frozen=True, slots=True)
class Generation:
    """A snapshot whose items hold lists; `users` is None where it has every user."""

    snapshot: str
    users: UserFilter | None


def places(generations: Sequence[Generation], key: int) -> list[str]:
    """Where the user with this key hash may lie, to be looked at in this order; nearly always one."""
    return [one.snapshot for one in generations if one.users is None or one.users.may_have(key)]
