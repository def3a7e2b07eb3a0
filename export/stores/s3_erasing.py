"""Users taken out of snapshots in S3: new shards beside the old ones, the manifest swapped, the old ones deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from tempfile import TemporaryDirectory

from contracts.errors import PublishRefused
from export.erasing.snapshots import revised_manifest, rewritten
from export.format.manifest import FILE_NAME, Manifest, decode_manifest
from export.format.records import shard_key
from export.stores.bodies import absent
from export.stores.objects import Objects
from export.stores.s3_reader import fetch_manifest


def take_out(objects: Objects, folder: str, user_ids: Collection[str], part_bytes: int) -> int:
    """Users taken out of the snapshot in a folder; what it had before stays beside it until `sweep`.

    Raises:
        SnapshotMissing: it is not there any more.
        PublishRefused: another erasure changed the manifest meanwhile.
    """
    where = objects.where(f"{folder}{FILE_NAME}")
    found = objects.get(f"{folder}{FILE_NAME}")
    if found is None:
        raise absent(where)
    manifest, etag = decode_manifest(found[0], where), found[1]
    names = {user.encode("utf-8", "surrogatepass") for user in user_ids}
    made = []
    with TemporaryDirectory(prefix="larder-") as temporary:
        directory = Path(temporary)
        for number in sorted({shard_key(name) % manifest.shards for name in names}):
            old = manifest.shard_names[number]
            objects.download(f"{folder}{old}", directory / old)
            shard = rewritten(directory, manifest, number, names)
            if shard is not None:
                objects.upload(f"{folder}{shard.new}", directory / shard.new, part_bytes=part_bytes)
                made.append(shard)
    if not made:
        return 0
    revised = revised_manifest(manifest, made)
    if not objects.put(f"{folder}{FILE_NAME}", revised.encode(), replaces=etag):
        now = objects.get(f"{folder}{FILE_NAME}")
        if now is None or now[0] != revised.encode():
            raise PublishRefused("Another erasure is under way", where=where, todo="Let it end, then run this again.")
    return revised.n_erased - manifest.n_erased


def sweep(
    objects: Objects, folder: str, manifest: Manifest | None = None, *, check_mine: Callable[[], None] = lambda: None
) -> None:
    """Objects are gone that the manifest of a folder does not name, or the one that is about to be put there.

    Args:
        check_mine: asked between the look and the deletion: what another erasure wrote since it began stays.
    """
    manifest = manifest or fetch_manifest(objects, folder)
    named = {f"{folder}{name}" for name in (FILE_NAME, *manifest.files)}
    gone = [entry.name for entry in objects.list(folder) if entry.name not in named]
    if gone:
        check_mine()
        objects.delete(gone)


def clear(objects: Objects, below: str, kept: Collection[str]) -> None:
    """Snapshots but those that the users were taken out of, and uploads that were begun, are gone.

    They may hold the users, also where a publisher made one complete meanwhile: it began before the erasure, so that it
    is to take its snapshot back.
    """
    folders = {f"{below}{name}/" for name in kept}
    gone = [entry.name for entry in objects.list(below) if f"{entry.name.rpartition('/')[0]}/" not in folders]
    for names in (
        [name for name in gone if name.endswith(f"/{FILE_NAME}")],
        [name for name in gone if not name.endswith(f"/{FILE_NAME}")],
    ):
        if names:
            objects.delete(names)
    objects.abort_uploads(below, before=float("inf"))
