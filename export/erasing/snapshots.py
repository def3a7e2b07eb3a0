"""Users taken out of a snapshot directory: their shards written anew, then a manifest that says so.

The new manifest has the old one's id and the hash of the one that was blessed (`origin_sha256`). A shard that was
written anew has a part of its hash in its name, so that whoever has the old manifest open reads the old bytes whole
until `sweep` takes them away. The same users taken out of the same snapshot give the same bytes, in one go or in many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from export.durable import replace_bytes, replacing, sync_folder, writing
from export.format.manifest import FILE_NAME, FileEntry, Manifest, read_manifest, shard_name
from export.format.records import Record, shard_key
from export.format.shards import ShardFile
from export.verification import file_entry


class Rewritten(NamedTuple):
    """One shard without some users.

    Attributes:
        old: name of its file before.
        new: name of its file now.
        removed: the users' records, None for a damaged one.
    """

    old: str
    new: str
    entry: FileEntry
    removed: list[Record | None]


def take_out(
    directory: Path, user_ids: Collection[str], *, before_manifest: Callable[[Manifest, Manifest], None] | None = None
) -> int:
    """Users taken out of the snapshot in `directory`; what it had before lies beside it until `sweep`.

    Killed anywhere and run again, it ends in the same state.

    Args:
        directory: a complete snapshot.
        user_ids: any texts.
        before_manifest: called with the old and the new manifest before the new one takes its place.

    Raises:
        SnapshotMissing: there is none.
        SnapshotCorrupt: the manifest or a shard's index is damaged.
    """
    manifest = read_manifest(directory)
    names = {user.encode("utf-8", "surrogatepass") for user in user_ids}
    made = []
    for number in sorted({shard_key(name) % manifest.shards for name in names}):
        shard = rewritten(directory, manifest, number, names)
        if shard is not None:
            made.append(shard)
    if not made:
        return 0
    sync_folder(directory)
    revised = revised_manifest(manifest, made)
    if before_manifest is not None:
        before_manifest(manifest, revised)
    replace_bytes(directory / FILE_NAME, revised.encode())
    return revised.n_erased - manifest.n_erased


def rewritten(directory: Path, manifest: Manifest, number: int, names: Collection[bytes]) -> Rewritten | None:
    """A shard written anew beside the old one, without the users `names`; None where it has none of them."""
    old = manifest.shard_names[number]
    shard = ShardFile(directory / old, manifest.widths, expected_bytes=manifest.files[old].bytes)
    stem = shard_name(number).removesuffix(".bin")
    with writing(directory):
        draft = directory / f".{stem}.erasing"
        with draft.open("wb") as file:
            removed = shard.write_without(file, number, names)
        if not removed:
            draft.unlink()
            return None
        entry = file_entry(draft, shard.n - len(removed))
        new = f"{stem}.{entry.sha256[:8]}.bin"
        with replacing(directory / new) as path:
            draft.rename(path)
    return Rewritten(old, new, entry, removed)


def revised_manifest(manifest: Manifest, made: Collection[Rewritten]) -> Manifest:
    """The manifest of the snapshot with these shards in place of the old ones."""
    files = {name: entry for name, entry in manifest.files.items() if name not in {one.old for one in made}}
    files |= {one.new: one.entry for one in made}
    lists: Counter[int] = Counter()
    n = 0
    for one in made:
        n += len(one.removed)
        for record in one.removed:
            lists.update(record.lists.keys() if record is not None else ())
    placements = {
        name: replace(entry, lists=entry.lists - lists[index])
        for index, (name, entry) in enumerate(manifest.placements.items())
    }
    return replace(
        manifest,
        files=dict(sorted(files.items())),
        placements=placements,
        n_users=manifest.n_users - n,
        n_eligible_users=manifest.n_eligible_users - n,
        n_erased=manifest.n_erased + n,
        origin_sha256=manifest.origin,
    ).sealed()


def sweep(directory: Path) -> int:
    """Files taken away that the manifest does not name: what the erased users' shards were before."""
    manifest = read_manifest(directory)
    gone = [path for path in directory.iterdir() if path.name not in {FILE_NAME, *manifest.files}]
    for path in gone:
        path.unlink()
    if gone:
        sync_folder(directory)
    return len(gone)
