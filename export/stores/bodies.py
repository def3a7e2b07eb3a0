"""Bodies of S3's requests and answers: their checksum, and whether they are whole."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from contracts.errors import SnapshotMissing
from export.stores.retrying import Truncated


def sha256_of(data: bytes) -> str:
    """The SHA-256 of a body as S3 wants it, base64."""
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def absent(where: str) -> SnapshotMissing:
    """The error for an object of a snapshot that is not there."""
    return SnapshotMissing(
        "A file of the snapshot is not in the store", where=where, todo="Read the pointer again: retention took it."
    )


def whole(answer: dict[str, Any]) -> bytes:
    """All bytes of an answer.

    Raises:
        Truncated: they are fewer than it said.
    """
    data: bytes = answer["Body"].read()
    if len(data) != answer["ContentLength"]:
        raise Truncated
    return data
