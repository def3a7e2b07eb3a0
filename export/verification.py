"""A snapshot read back: every file's size and hash, every record and every count, against the manifest."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path

from export.format.fallbacks import read_fallbacks
from export.format.items import ItemDictionary
from export.format.manifest import (
    EVERYONE,
    FALLBACKS_NAME,
    FILE_NAME,
    ITEMS_NAME,
    FileEntry,
    Manifest,
    corrupt,
    read_manifest,
)
from export.format.records import shard_key
from export.format.shards import ShardFile


def file_entry(path: Path, records: int) -> FileEntry:
    """Size and SHA-256 of a file as it lies on the disk."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest, records=records)


def verify(directory: Path) -> Manifest:
    """The manifest of the snapshot in `directory`, all of whose bytes and counts were found to agree with it.

    Raises:
        SnapshotMissing: there is no manifest.
        SnapshotCorrupt: a file is absent, unknown or changed, or a count differs.
    """
    manifest = read_manifest(directory)
    found = {path.name for path in directory.iterdir()} - {FILE_NAME}
    if found != set(manifest.files):
        raise corrupt(f"Files differ from the manifest: {sorted(found ^ set(manifest.files))}", directory)
    for name, entry in sorted(manifest.files.items()):
        if file_entry(directory / name, entry.records) != entry:
            raise corrupt("The file's size or SHA-256 differs from the manifest", directory / name)
    _count_lists(directory, manifest)
    if sum(1 for _ in ItemDictionary(directory / ITEMS_NAME).entries()) != manifest.n_items:
        raise corrupt("The number of items differs from the manifest", directory / ITEMS_NAME)
    fallbacks = read_fallbacks(directory / FALLBACKS_NAME)
    if sum(map(len, fallbacks.values())) != manifest.files[FALLBACKS_NAME].records:
        raise corrupt("The number of fallback lists differs from the manifest", directory / FALLBACKS_NAME)
    if any(EVERYONE not in fallbacks.get(placement, {}) for placement in manifest.placements):
        raise corrupt("A placement has no popular list", directory / FALLBACKS_NAME)
    return manifest


def _count_lists(directory: Path, manifest: Manifest) -> None:
    lists: Counter[int] = Counter()
    users = 0
    for shard, name in enumerate(manifest.shard_names):
        path = directory / name
        entry = manifest.files[path.name]
        n = 0
        for record in ShardFile(path, manifest.widths, expected_bytes=entry.bytes).records():
            if shard_key(record.user_id) % manifest.shards != shard:
                raise corrupt("A record lies in another user's shard", path)
            lists.update(record.lists.keys())
            n += 1
        if n != entry.records:
            raise corrupt(f"The shard has {n} records, the manifest says {entry.records}", path)
        users += n
    if users != manifest.n_users:
        raise corrupt(f"The snapshot has {users} users, the manifest says {manifest.n_users}", directory)
    for index, (placement, made) in enumerate(manifest.placements.items()):
        if lists[index] != made.lists:
            raise corrupt(f"{placement} has {lists[index]} lists, the manifest says {made.lists}", directory)
