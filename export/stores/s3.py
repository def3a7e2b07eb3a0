"""The store in S3: the same bytes as on a disk, the manifest put last, one pointer swapped by a conditional put.

prefix/snapshots/<id>/<file>         complete when its manifest.json is there
prefix/pointer.json                  the whole state, put with If-Match or If-None-Match
prefix/history/<sequence>.json       one object a move, never overwritten
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from contracts.errors import PublishRefused, SnapshotCorrupt, SnapshotMissing
from export.blessing import check_blessed
from export.format.manifest import FILE_NAME, Manifest, read_manifest
from export.stores import s3_erasing, state
from export.stores.base import Published
from export.stores.objects import Bucket, Objects
from export.stores.pointers import MovedStore
from export.stores.s3_reader import S3Reader, fetch_manifest
from export.stores.sameness import check_same
from export.stores.side_by_side import each
from export.stores.state import Event, Pointer
from export.verification import verify

POINTER_NAME: Final = "pointer.json"
HISTORY: Final = "history/"
SNAPSHOTS: Final = "snapshots/"
BESIDE: Final = "beside/"
NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}-[0-9a-f]{12}")


class S3Cell:
    """A pointer in one object, its ETag the token, and the history as one object a move."""

    def __init__(self, bucket: Bucket, deadline_seconds: float) -> None:
        """The cell in a bucket; each call ends within so many seconds."""
        self._bucket = bucket
        self._deadline = deadline_seconds
        self.where = f"s3://{bucket.name}/{bucket.prefix}"

    def read(self) -> tuple[Pointer | None, str]:
        """The pointer and its ETag."""
        objects = self._objects()
        found = objects.get(POINTER_NAME)
        if found is None:
            return None, ""
        return state.decode(found[0], objects.where(POINTER_NAME)), found[1]

    def swap(self, pointer: Pointer, token: str) -> bool:
        """Whether the object still had the ETag `token`, and so was replaced."""
        return self._objects().put(POINTER_NAME, state.encode(pointer), replaces=token)

    def record(self, event: Event) -> None:
        """The event stands in the history, once."""
        data = msgspec.json.encode(event) + b"\n"
        objects = self._objects()
        name = _event_name(event.sequence)
        if objects.put(name, data, replaces=""):
            return
        found = objects.get(name)
        if found is None or found[0] != data:
            raise PublishRefused(
                f"The history has another move {event.sequence}",
                where=objects.where(name),
                todo="The pointer was put back by hand: move the history objects from this number on away.",
            )

    def recorded(self, last: int | None = None) -> list[Event]:
        """The moves recorded, oldest first."""
        objects = self._objects()
        names = [entry.name for entry in objects.list(HISTORY)]
        found = [objects.get(name) for name in (names if last is None else names[-last:])]
        return [msgspec.json.decode(one[0], type=Event) for one in found if one is not None]

    def _objects(self) -> Objects:
        return self._bucket.within(self._deadline)


class S3Store(MovedStore):
    """Snapshots below one prefix of a bucket. Any number of processes may use it at once."""

    def __init__(
        self,
        bucket: Bucket,
        reading: Bucket,
        *,
        part_bytes: int,
        connections: int,
        publish_seconds: float,
        move_seconds: float,
        read_seconds: float,
        pointer_cache_seconds: float,
    ) -> None:
        """The store in `bucket`.

        Args:
            bucket: for whoever writes, with patient timeouts.
            reading: the same for lookups, with short ones.
            part_bytes: larger files are sent in parts of this size.
            connections: files sent or read back side by side; a part of each is in memory.
            publish_seconds: deadline of a publish, a verification or a retention.
            move_seconds: deadline of one call that moves the pointer.
            read_seconds: deadline of one lookup.
            pointer_cache_seconds: `mark` asks at most so often.
        """
        self._bucket, self._reading = bucket, reading
        self._part_bytes, self._connections = part_bytes, connections
        self._publish_seconds, self._move_seconds = publish_seconds, move_seconds
        self._read_seconds, self._cache_seconds = read_seconds, pointer_cache_seconds
        self._marked: tuple[float, str | None] | None = None
        self._lock: Final = threading.Lock()
        self.cell = S3Cell(bucket, move_seconds)

    def check_present(self, snapshot: str) -> None:
        """Passes where the store has the complete snapshot.

        Raises:
            SnapshotMissing: it does not.
        """
        objects = self._bucket.within(self._move_seconds)
        if not NAME.fullmatch(snapshot) or objects.etag(f"{_folder(snapshot)}{FILE_NAME}") is None:
            raise SnapshotMissing(
                f"Snapshot {snapshot!r} is not in the store", where=self.where, todo="Name one that `status` lists."
            )

    def snapshots(self) -> list[str]:
        """Ids of the complete snapshots, oldest date first."""
        ends = f"/{FILE_NAME}"
        names = (entry.name for entry in self._bucket.within(self._move_seconds).list(SNAPSHOTS))
        return sorted(name[len(SNAPSHOTS) : -len(ends)] for name in names if name.endswith(ends))

    def mark(self) -> Hashable:
        """The pointer's ETag, asked for again once the pointer's cache is over."""
        clock = self._reading.retrying.waiting.clock
        with self._lock:
            if self._marked is None or clock() - self._marked[0] >= self._cache_seconds:
                asked = clock()
                self._marked = asked, self._reading.within(self._read_seconds).etag(POINTER_NAME)
            return self._marked[1]

    def open(self, snapshot: str) -> S3Reader:
        """The snapshot, its item dictionary and fallback lists in memory."""
        objects = self._bucket.within(self._move_seconds)
        return S3Reader(_folder(snapshot), objects, lambda: self._reading.within(self._read_seconds))

    def verify(self, snapshot: str) -> Manifest:
        """The manifest of a snapshot, every file of which was read back and agrees with it."""
        self.check_present(snapshot)
        return self._verified(self._bucket.within(self._publish_seconds, in_turn=True), snapshot)

    def _verified(self, objects: Objects, snapshot: str) -> Manifest:
        manifest = fetch_manifest(objects, _folder(snapshot))
        _check_id(snapshot, manifest, objects)
        return self._read_back(objects, manifest)

    def publish(self, build: Path, *, blessing: Path) -> Published:
        """The snapshot built in `build`, uploaded, read back and counted; not yet current."""
        objects = self._bucket.within(self._publish_seconds, in_turn=True)
        manifest = read_manifest(build)
        check_blessed(blessing, manifest)
        snapshot, folder = manifest.snapshot_id, _folder(manifest.snapshot_id)
        erasures = self.check_publishable(snapshot)
        is_new = objects.etag(f"{folder}{FILE_NAME}") is None
        if is_new:
            if verify(build) != manifest:
                raise SnapshotCorrupt(
                    "The build changed while it was published",
                    where=str(build),
                    todo="Publish again when it is finished.",
                )
            self._send(objects, build, manifest)
            with self.unless_erased(snapshot, erasures):
                self._read_back(objects, manifest)
            if manifest.n_erased:
                s3_erasing.sweep(objects, folder, manifest)
            self.check_publishable(snapshot, erasures=erasures)
            is_new = objects.put(f"{folder}{FILE_NAME}", manifest.encode(), replaces="")
            if is_new:
                self._check_not_erased(objects, snapshot, erasures)
            found = fetch_manifest(objects, folder)
        else:
            with self.unless_erased(snapshot, erasures):
                found = self._verified(objects, snapshot)
        check_same(found, manifest, objects.where(folder))
        numbers = {"requests": float(objects.calls.n), "bytes": float(manifest.n_bytes)}
        return Published(snapshot, manifest, is_new=is_new, numbers=numbers)

    def _send(self, objects: Objects, build: Path, manifest: Manifest) -> None:
        """The manifest's files are in the store as they lie in the folder `build`."""
        folder = _folder(manifest.snapshot_id)

        def send(name: str) -> None:
            objects.upload(f"{folder}{name}", build / name, part_bytes=self._part_bytes)

        each(send, sorted(manifest.files), at_once=self._connections)

    def _check_not_erased(self, objects: Objects, snapshot: str, erasures: int) -> None:
        """Takes the snapshot back where users were erased since the publish began: nobody can have read it yet."""
        try:
            self.check_publishable(snapshot, erasures=erasures)
        except PublishRefused:
            objects.delete([f"{_folder(snapshot)}{FILE_NAME}"])
            raise

    def take_out(self, users: Mapping[str, str]) -> dict[str, int]:
        """Users taken out of each snapshot, by id."""
        objects = self._bucket.within(self._publish_seconds)
        present = self.snapshots()
        counts = {name: s3_erasing.take_out(objects, _folder(name), users, self._part_bytes) for name in present}
        s3_erasing.clear(objects, SNAPSHOTS, present)
        return {name: n for name, n in counts.items() if n}

    def sweep(self, check_mine: Callable[[], None]) -> None:
        """The shards that were written anew are gone as they were."""
        objects = self._bucket.within(self._publish_seconds)
        for name in self.snapshots():
            s3_erasing.sweep(objects, _folder(name), check_mine=check_mine)

    def _read_back(self, objects: Objects, manifest: Manifest) -> Manifest:
        """The manifest, which the files in the store agree with, byte for byte and record for record."""
        folder = _folder(manifest.snapshot_id)
        with TemporaryDirectory(prefix="larder-") as temporary:
            directory = Path(temporary)
            (directory / FILE_NAME).write_bytes(manifest.encode())

            def fetch(name: str) -> None:
                try:
                    objects.download(f"{folder}{name}", directory / name)
                except SnapshotMissing as error:
                    raise SnapshotCorrupt(
                        f"The snapshot lacks {name}", where=objects.where(folder), todo="Publish it again."
                    ) from error

            each(fetch, sorted(manifest.files), at_once=self._connections)
            return verify(directory)

    def remove(self, names: list[str], *, at: str, grace_seconds: float) -> None:
        """The snapshots are deleted, manifests first, and so is what crashes left longer than the grace ago."""
        objects = self._bucket.within(self._publish_seconds)
        before = state.seconds(at) - grace_seconds
        folders: dict[str, list[str]] = {}
        newest: dict[str, float] = {}
        for entry in objects.list(SNAPSHOTS):
            snapshot, _, _ = entry.name.removeprefix(SNAPSHOTS).partition("/")
            folders.setdefault(snapshot, []).append(entry.name)
            newest[snapshot] = max(entry.modified, newest.get(snapshot, 0.0))
        for snapshot, files in folders.items():
            manifest = f"{_folder(snapshot)}{FILE_NAME}"
            if snapshot in names and manifest in files:
                objects.delete([manifest])
            if snapshot in names or (manifest not in files and newest[snapshot] < before):
                objects.delete([name for name in files if name != manifest])
        objects.abort_uploads(SNAPSHOTS, before=before)

    def beside(self, name: str) -> bytes | None:
        """A small object beside the snapshots, None where there is none."""
        found = self._reading.within(self._read_seconds).get(f"{BESIDE}{name}")
        return None if found is None else found[0]

    def beside_mark(self, name: str) -> Hashable:
        """Its ETag."""
        return self._reading.within(self._read_seconds).etag(f"{BESIDE}{name}")

    def put_beside(self, name: str, data: bytes) -> None:
        """The small object holds `data`."""
        self._bucket.within(self._move_seconds).put(f"{BESIDE}{name}", data, replaces=None)


def _folder(snapshot: str) -> str:
    return f"{SNAPSHOTS}{snapshot}/"


def _event_name(sequence: int) -> str:
    return f"{HISTORY}{sequence:010d}.json"


def _check_id(snapshot: str, manifest: Manifest, objects: Objects) -> None:
    if manifest.snapshot_id != snapshot:
        raise SnapshotCorrupt(
            f"The manifest is of {manifest.snapshot_id}",
            where=objects.where(_folder(snapshot)),
            todo="Move the damaged snapshot away and publish again.",
        )
