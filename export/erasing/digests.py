"""Recipients taken out of a digest that lies in a folder: lists, holdout, a sender's format; and the manifest mended.

A sender's lines that cannot be told to be whose (no id, no tracking id in them) are taken away as a whole file: the
mail was sent, and nobody reads it again.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import msgspec
import pyarrow as pa
from msgspec.structs import replace

from contracts.errors import InputInvalid
from export.digest.formats.registry import SHAPES
from export.digest.lines import DigestManifest, Recipient
from export.digest.output import HOLDOUT, LISTS
from export.digest.writing import KINDS, MANIFEST, SUCCESS
from export.durable import replace_bytes, replace_json
from export.erasing.rows import take_rows
from export.format.manifest import FileEntry
from export.verification import file_entry

ERASED: Final = "erased"
UNDER_WAY: Final = ".erasing"
"""Stands in a folder whose `_SUCCESS` was taken away by an erasure, which puts it back."""


def digest_folders(root: Path) -> list[Path]:
    """Folders below `root` that hold a digest."""
    return sorted(path.parent for path in root.rglob(MANIFEST)) if root.is_dir() else []


def take_recipients(folder: Path, users: Collection[str]) -> int:
    """Recipients taken out of a digest, whose manifest counts them as dropped, by the reason `erased`.

    Killed anywhere and run again, it ends in the same state. Meanwhile `_SUCCESS` is away.

    Raises:
        InputInvalid: the manifest or a file cannot be read.
    """
    manifest = _manifest(folder)
    theirs = [one for stem in (LISTS, HOLDOUT) for one in _recipients(folder, manifest, stem) if one.user_id in users]
    marker, success = folder / UNDER_WAY, folder / SUCCESS
    if not theirs and not marker.exists():
        return 0
    if success.exists():
        replace_bytes(marker, b"")
        success.unlink()
    if not marker.exists() or not marker.read_bytes():
        marks = [slot.tracking_id for one in theirs for slot in one.items if slot.tracking_id is not None]
        _mend_formats(folder, manifest, users, marks, len(theirs))
    if marker.exists():
        replace_bytes(marker, b"formats done")
    for name in manifest.files:
        if name.partition(".")[0] in {LISTS, HOLDOUT}:
            take_rows(folder / name, users)
    replace_json(folder / MANIFEST, _counted(folder, manifest))
    if marker.exists():
        replace_bytes(success, b"")
        marker.unlink()
    return len(theirs)


def _mend_formats(
    folder: Path, manifest: DigestManifest, users: Collection[str], marks: Collection[str], n_theirs: int
) -> None:
    for name in manifest.files:
        path = folder / name
        if name.partition(".")[0] in SHAPES and path.exists():
            n_held = sum(one.user_id in users for one in _recipients(folder, manifest, HOLDOUT))
            if take_rows(path, users, marks=marks) != n_theirs - n_held:
                path.unlink()


def _manifest(folder: Path) -> DigestManifest:
    path = folder / MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=DigestManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputInvalid(
            f"The manifest of a digest cannot be read: {error}", where=str(path), todo="Delete the folder, or mend it."
        ) from error


def _counted(folder: Path, old: DigestManifest) -> DigestManifest:
    """The manifest of what lies in the folder now."""
    kinds = Counter(one.list for one in _recipients(folder, old, LISTS))
    n_holdout = sum(1 for _ in _recipients(folder, old, HOLDOUT))
    dropped = {name: n for name, n in old.dropped.items() if name != ERASED}
    n_erased = old.n_considered - kinds.total() - n_holdout - sum(dropped.values())
    files: dict[str, FileEntry] = {}
    for name, entry in old.files.items():
        if not (folder / name).exists():
            continue
        stem, is_table = name.partition(".")[0], name.endswith(".csv")
        records = entry.records
        if stem in {LISTS, *SHAPES}:
            records = kinds.total()
        if stem == HOLDOUT:
            records = n_holdout
        if is_table and stem in {LISTS, HOLDOUT}:
            records = _n_rows(folder / name)
        files[name] = file_entry(folder / name, records)
    return replace(
        old,
        n_recipients=kinds.total(),
        recipients={kind: kinds[kind] for kind in KINDS},
        n_holdout=n_holdout,
        dropped=dict(sorted({**dropped, ERASED: n_erased}.items())),
        n_rows=files[f"{LISTS}.csv"].records,
        files=files,
    )


def _recipients(folder: Path, manifest: DigestManifest, stem: str) -> Iterator[Recipient]:
    for name in manifest.files:
        if name.startswith(f"{stem}.jsonl") and (folder / name).exists():
            codec = "zstd" if name.endswith(".zst") else None
            with pa.input_stream(str(folder / name), compression=codec) as source:
                for line in source.read().splitlines():
                    yield msgspec.json.decode(line, type=Recipient)


def _n_rows(path: Path) -> int:
    with path.open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1
