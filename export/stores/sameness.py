"""Whether the snapshot in a store is the one that is to be published again."""

from __future__ import annotations

from contracts.errors import PublishRefused, SnapshotCorrupt
from export.format.manifest import Manifest


def check_same(found: Manifest, manifest: Manifest, where: str, *, n_noted: int | None = None) -> Manifest:
    """The manifest in the store, which is the build's, but that more users may have been erased there.

    Args:
        found: of the store.
        manifest: of the build.
        where: the store, for messages.
        n_noted: users erased whom the store's manifest still counts; None where it would not.

    Raises:
        SnapshotCorrupt: it is of other bytes.
        PublishRefused: users were erased from the build and not yet from the store.
    """
    if found == manifest or (
        found.origin == manifest.origin and found.n_erased + (n_noted or 0) >= manifest.n_erased + (n_noted is None)
    ):
        return found
    if found.origin == manifest.origin:
        raise PublishRefused(
            "Users were erased from the build who are still in the store", where=where, todo="Run the erasure again."
        )
    raise SnapshotCorrupt(
        f"Snapshot {manifest.snapshot_id} lies in the store with another manifest",
        where=where,
        todo="Move the damaged snapshot away and publish again.",
    )
