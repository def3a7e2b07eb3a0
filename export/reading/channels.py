"""Which users read the canary: a stable hash of user and salt, so that a higher exposure only adds users."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final

SPAN: Final = 2.0**53
"""Places that a float tells apart: 1.0 itself is never reached."""


@lru_cache(maxsize=16)
def _key(salt: str) -> bytes:
    return hashlib.blake2b(salt.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def place(user_id: str, salt: str) -> float:
    """Where the user stands in [0, 1): the same for the same id and salt on every machine, uniform over users.

    It is the 8-byte BLAKE2b of the id, keyed with the salt's own 16-byte BLAKE2b, read little-endian, over 2**64.
    """
    name = user_id.encode("utf-8", "surrogatepass")
    drawn = int.from_bytes(hashlib.blake2b(name, digest_size=8, key=_key(salt)).digest(), "little")
    return (drawn >> 11) / SPAN


def is_exposed(user_id: str, salt: str, exposure: int) -> bool:
    """Whether a user reads the canary at an exposure in percent; who does at one exposure does at every higher one."""
    return exposure > 0 and place(user_id, salt) * 100 < exposure
