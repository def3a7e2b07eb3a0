"""Keyed hashes: tracking ids, unsubscribe tokens, the holdout group. Nothing personal can be read out of them."""

from __future__ import annotations

import hashlib
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


def tracking_id(key: bytes, *parts: str) -> str:
    """The id of one slot, the same for the same parts: `t`, so that it never reads as a number, and 24 hex digits.

    Args:
        key: 16 to 64 bytes.
        parts: what the slot is: campaign, snapshot, placement, user, rank, item.
    """
    return f"t{_keyed(key, b'slot', parts, size=12)}"


def unsubscribe_token(key: bytes, user_id: str) -> str:
    """The token of one recipient: `u` and 32 hex digits."""
    return f"u{_keyed(key, b'unsubscribe', (user_id,), size=16)}"


def is_held_out(user_id: str, *, salt: str, share: float) -> bool:
    """Whether the user belongs to the share of all users that the salt draws."""
    drawn = _keyed(salt.encode()[:MAX_KEY_BYTES], b"holdout", (user_id,), size=8)
    return int(drawn, 16) < share * 2**64


def _keyed(key: bytes, purpose: bytes, parts: tuple[str, ...], *, size: int) -> str:
    """BLAKE2b over the parts, each with its length before it, so that no two lists of parts are one text."""
    made = hashlib.blake2b(key=key, digest_size=size, person=purpose)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        made.update(len(data).to_bytes(8, "little"))
        made.update(data)
    return made.hexdigest()
