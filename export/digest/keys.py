"""Keyed hashes: tracking ids, unsubscribe tokens, the holdout group. Nothing personal can be read out of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from contracts.errors import InputInvalid

MIN_KEY_BYTES: Final = 16
MAX_KEY_BYTES: Final = 64


def key_of(text: str, *, where: str) -> bytes:
    """The bytes of a key given as text.

    Raises:
        InputInvalid: it is shorter than 16 or longer than 64 bytes; the text itself is not told.
    """
    key = text.encode("utf-8", "surrogateescape")
    if not MIN_KEY_BYTES <= len(key) <= MAX_KEY_BYTES:
        raise InputInvalid(
            f"The key has {len(key)} bytes",
            where=where,
            todo=f"Give {MIN_KEY_BYTES} to {MAX_KEY_BYTES} bytes of chance, such as those of `openssl rand -hex 32`.",
        )
    return key


def key_name(key: bytes) -> str:
    """Eight hex digits that tell one key from another without giving it away."""
    return _keyed(key, b"key", (), size=4)


def tracking_ids(key: bytes, about: Sequence[str], item_ids: Sequence[str]) -> list[str]:
    """The ids of a list's slots, best first; the same for the same slot.

    An id is `t`, so that no spreadsheet takes it for a number, and 24 hex digits.

    Args:
        key: 16 to 64 bytes.
        about: what all slots share: campaign, snapshot, placement, user.
        item_ids: one a slot; rank and item are part of what is hashed.
    """
    shared = hashlib.blake2b(key=key, digest_size=12, person=b"slot")
    _feed(shared, about)
    found = []
    for rank, item_id in enumerate(item_ids, start=1):
        made = shared.copy()
        _feed(made, (str(rank), item_id))
        found.append(f"t{made.hexdigest()}")
    return found


def unsubscribe_token(key: bytes, user_id: str) -> str:
    """The token of one recipient: `u` and 32 hex digits."""
    return f"u{_keyed(key, b'unsubscribe', (user_id,), size=16)}"


def is_held_out(user_id: str, *, salt: str, share: float) -> bool:
    """Whether the user belongs to the share of all users that the salt draws."""
    drawn = _keyed(salt.encode()[:MAX_KEY_BYTES], b"holdout", (user_id,), size=8)
    return int(drawn, 16) < share * 2**64


def _keyed(key: bytes, purpose: bytes, parts: Sequence[str], *, size: int) -> str:
    made = hashlib.blake2b(key=key, digest_size=size, person=purpose)
    _feed(made, parts)
    return made.hexdigest()


def _feed(made: hashlib.blake2b, parts: Sequence[str]) -> None:
    """Hashes each part with its length before it, so that no two lists of parts are one text."""
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        made.update(len(data).to_bytes(8, "little") + data)
