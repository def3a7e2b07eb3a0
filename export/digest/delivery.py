"""A written digest put into a bucket, in the order that its readers rely on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from export.digest.lines import DigestManifest
from export.digest.writing import MANIFEST, SUCCESS

if TYPE_CHECKING:
    from export.stores.objects import Objects


def deliver(folder: Path, objects: Objects, name: str, *, part_bytes: int) -> int:
    """Objects that were sent: the digest in `folder`, below `name`.

    `_SUCCESS` is taken away first; the manifest comes after all files, and `_SUCCESS` last. Files of an earlier digest
    that this one does not have are deleted, so that a reader who takes all of them takes one digest.

    Args:
        folder: a complete digest.
        objects: each body is sent with its SHA-256, which the server checks.
        name: below the objects' prefix; a slash is put after it.
        part_bytes: larger files are sent in parts of this size.

    Raises:
        StoreUnreachable: the server does not answer in time; `_SUCCESS` is not there then.
    """
    manifest = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=DigestManifest)
    objects.delete([f"{name}/{SUCCESS}"])
    for file in sorted(manifest.files):
        objects.upload(f"{name}/{file}", folder / file, part_bytes=part_bytes)
    wanted = {f"{name}/{file}" for file in (*manifest.files, MANIFEST)}
    stale = [entry.name for entry in objects.list(f"{name}/") if entry.name not in wanted]
    if stale:
        objects.delete(stale)
    objects.upload(f"{name}/{MANIFEST}", folder / MANIFEST, part_bytes=part_bytes)
    objects.put(f"{name}/{SUCCESS}", b"", replaces=None)
    return len(manifest.files) + 2
