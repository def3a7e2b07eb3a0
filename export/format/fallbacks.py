"""The fallback lists: MessagePack, placement -> segment -> (item indices, scores), keys in ascending order."""

from __future__ import annotations

from pathlib import Path

import msgspec

from export.format.manifest import corrupt


class FallbackList(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The list of a segment, best first."""

    items: tuple[int, ...]
    scores: tuple[float, ...]


Fallbacks = dict[str, dict[str, FallbackList]]


def encode_fallbacks(fallbacks: Fallbacks) -> bytes:
    """The bytes of the file."""
    return msgspec.msgpack.encode(fallbacks, order="deterministic")


def read_fallbacks(path: Path) -> Fallbacks:
    """The fallback lists in a file.

    Raises:
        SnapshotCorrupt: it cannot be read.
    """
    try:
        return decode_fallbacks(path.read_bytes(), path)
    except OSError as error:
        raise corrupt(f"The fallback lists cannot be read: {error}", path) from error


def decode_fallbacks(data: bytes, path: Path | str) -> Fallbacks:
    """The fallback lists in the bytes of their file at `path`.

    Raises:
        SnapshotCorrupt: they cannot be read.
    """
    try:
        return msgspec.msgpack.decode(data, type=Fallbacks)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise corrupt(f"The fallback lists cannot be read: {error}", path) from error
