"""The store on a local disk: snapshots side by side, one pointer, swapped by rename under a lock.

    root/snapshots/<id>/    complete before it is visible
    root/pointer.json       the current snapshot
    root/history.jsonl      one line a move of the pointer
    root/quarantined.json   snapshots that were rolled back: never current again
    root/pinned.json        snapshots that retention must keep

The pointer carries the move that made it, so that a history line lost to a crash is written by the next move.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import msgspec

from contracts.errors import PublishRefused, SnapshotCorrupt, SnapshotMissing
from export.blessing import check_blessed
from export.durable import empty_folder, replace_json, sync_file, sync_folder, writing
from export.format.manifest import FILE_NAME, Manifest, read_manifest
from export.history import read_history, write_history
from export.pointer import POINTER_NAME, SNAPSHOTS_NAME, Event, Pointer, read_pointer
from export.verification import verify

MAX_PREVIOUS: Final = 100


@dataclass(frozen=True, slots=True)
class Published:
    """A snapshot that lies in the store, read back and counted.

    Attributes:
        is_new: False where the very same snapshot lay there before.
    """

    snapshot: str
    manifest: Manifest
    is_new: bool


class LocalStore:
    """Snapshots below one folder. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        """The store at `root`; folders are made when first needed."""
        self.root = root

    def directory(self, snapshot: str) -> Path:
        """Where a snapshot lies.

        Raises:
            SnapshotMissing: it is not a snapshot of this store.
        """
        path = self.root / SNAPSHOTS_NAME / snapshot
        if snapshot != path.name or snapshot.startswith(".") or not (path / FILE_NAME).is_file():
            raise SnapshotMissing(
                f"Snapshot {snapshot!r} is not in the store",
                where=str(self.root),
                todo="Name one that `snapshots` lists.",
            )
        return path

    def snapshots(self) -> list[str]:
        """Ids of the complete snapshots, oldest date first."""
        folder = self.root / SNAPSHOTS_NAME
        return sorted(p.parent.name for p in folder.glob(f"*/{FILE_NAME}") if not p.parent.name.startswith("."))

    def pointer(self) -> Pointer | None:
        """The pointer, None where nothing was flipped yet."""
        return read_pointer(self.root)

    def publish(self, build: Path, *, blessing: Path) -> Published:
        """The snapshot built in `build`, copied into the store, read back and counted; not yet current.

        Args:
            build: a snapshot directory; left as it is.
            blessing: the gates' verdict on it.

        Raises:
            PublishRefused: no blessing names these bytes.
            SnapshotCorrupt: bytes or counts differ from the manifest, before or after the copy.
        """
        manifest = read_manifest(build)
        check_blessed(blessing, manifest)
        snapshot = manifest.snapshot_id
        folder = self.root / SNAPSHOTS_NAME
        with self._locked():
            if (folder / snapshot / FILE_NAME).exists():
                if verify(folder / snapshot) != manifest:
                    raise SnapshotCorrupt(
                        f"Snapshot {snapshot} lies in the store with another manifest",
                        where=str(folder / snapshot),
                        todo="Move the damaged snapshot away and publish again.",
                    )
                return Published(snapshot, manifest, is_new=False)
            incoming = folder / f".incoming-{snapshot}"
            try:
                self._copy(build, empty_folder(incoming), manifest)
                incoming.rename(folder / snapshot)
            except BaseException:
                shutil.rmtree(incoming, ignore_errors=True)
                raise
            sync_folder(folder)
        return Published(snapshot, manifest, is_new=True)

    @staticmethod
    def _copy(build: Path, incoming: Path, manifest: Manifest) -> None:
        """Copies, flushes, reads back and counts."""
        for name in (*sorted(manifest.files), FILE_NAME):
            try:
                shutil.copyfile(build / name, incoming / name)
            except FileNotFoundError as error:
                raise SnapshotCorrupt(
                    f"The build lacks {name}", where=str(build), todo="Build the snapshot again."
                ) from error
            sync_file(incoming / name)
        sync_folder(incoming)
        if verify(incoming) != manifest:
            raise SnapshotCorrupt(
                "The build changed while it was published",
                where=str(build),
                todo="Publish again when it is finished.",
            )

    def flip(self, snapshot: str, *, expected: Pointer | None, reason: str, at: str) -> Pointer:
        """The pointer, which now names `snapshot`; a snapshot that already is current leaves it as it is.

        Args:
            snapshot: lies in the store.
            expected: the pointer as last read; the move is made only if it still is so.
            reason: for the history.
            at: ISO time.

        Raises:
            SnapshotMissing: the store does not have it.
            PublishRefused: the pointer moved, the flip is held, or the snapshot was rolled back before.
        """
        with self._locked():
            self.directory(snapshot)
            current = self.pointer()
            if current is not None and current.snapshot == snapshot:
                return current
            self._check_flip(snapshot, current, expected)
            previous = () if current is None else (current.snapshot, *current.previous)
            kept = tuple(name for name in previous if name != snapshot)[:MAX_PREVIOUS]
            return self._move(current, snapshot, kept, held="", kind="flip", reason=reason, at=at)

    def rollback(self, *, reason: str, at: str) -> Pointer:
        """The pointer, moved back to the latest good snapshot; the bad one is quarantined and the next flip held.

        Raises:
            SnapshotMissing: nothing was published yet.
            PublishRefused: there is no earlier snapshot to go back to.
        """
        with self._locked():
            current = self._current()
            bad = {*self.quarantined(), current.snapshot}
            good = self._good_previous(current)
            if not good:
                raise self._refused(
                    "There is no earlier snapshot to roll back to", "Run a night that makes a good one."
                )
            replace_json(self.root / "quarantined.json", sorted(bad))
            return self._move(
                current, good[0], tuple(good[1:]), held=f"rolled back: {reason}", kind="rollback", reason=reason, at=at
            )

    def release(self, *, reason: str, at: str) -> Pointer:
        """The pointer with its hold lifted; one that is not held is left as it is.

        Raises:
            SnapshotMissing: nothing was published yet.
        """
        with self._locked():
            current = self._current()
            if not current.held:
                return current
            return self._move(
                current, current.snapshot, current.previous, held="", kind="release", reason=reason, at=at
            )

    def retain(self, *, keep: int) -> list[str]:
        """Ids deleted: neither the current, the pinned, the `keep` before it, nor any of its date or later."""
        with self._locked():
            current = self.pointer()
            if current is None:
                return []
            kept = {current.snapshot, *self.pinned(), *self._good_previous(current)[:keep]}
            day = current.snapshot[:10]
            gone = [name for name in self.snapshots() if name not in kept and name[:10] < day]
            folder = self.root / SNAPSHOTS_NAME
            for name in gone:
                (folder / name).rename(folder / f".trash-{name}")
            for leftover in (*folder.glob(".trash-*"), *folder.glob(".incoming-*")):
                shutil.rmtree(leftover)
            return gone

    def pin(self, snapshot: str) -> None:
        """Retention keeps this snapshot until `unpin`.

        Raises:
            SnapshotMissing: the store does not have it.
        """
        with self._locked():
            self.directory(snapshot)
            replace_json(self.root / "pinned.json", sorted({*self.pinned(), snapshot}))

    def unpin(self, snapshot: str) -> None:
        """Retention may delete this snapshot again."""
        with self._locked():
            replace_json(self.root / "pinned.json", sorted({*self.pinned()} - {snapshot}))

    def pinned(self) -> list[str]:
        """Ids of the pinned snapshots."""
        return self._ids("pinned.json")

    def quarantined(self) -> list[str]:
        """Ids of the snapshots that were rolled back."""
        return self._ids("quarantined.json")

    def history(self) -> list[Event]:
        """Every move of the pointer, oldest first, the latest included even where a crash kept it from its file."""
        return read_history(self.root)

    def _check_flip(self, snapshot: str, current: Pointer | None, expected: Pointer | None) -> None:
        if current != expected:
            raise self._refused(
                f"The pointer moved: it names {current and current.snapshot}, not {expected and expected.snapshot}",
                "Look at the history, then flip again if this snapshot should still win.",
            )
        if current is not None and current.held:
            raise self._refused(f"The flip is held: {current.held}", "Release the hold with a reason, then flip.")
        if snapshot in self.quarantined():
            raise self._refused(f"{snapshot} was rolled back before", "Build a snapshot that differs from it.")

    def _current(self) -> Pointer:
        current = self.pointer()
        if current is None:
            raise SnapshotMissing("No snapshot was published yet", where=str(self.root), todo="Publish and flip one.")
        return current

    def _good_previous(self, pointer: Pointer) -> list[str]:
        """What a rollback may go to, latest first."""
        bad, present = {*self.quarantined(), pointer.snapshot}, set(self.snapshots())
        return [name for name in pointer.previous if name in present and name not in bad]

    def _move(
        self,
        current: Pointer | None,
        snapshot: str,
        previous: tuple[str, ...],
        *,
        held: str,
        kind: Literal["flip", "rollback", "release"],
        reason: str,
        at: str,
    ) -> Pointer:
        write_history(self.root)
        event = Event(
            sequence=1 if current is None else current.last.sequence + 1,
            kind=kind,
            at=at,
            reason=reason,
            snapshot=snapshot,
            replaced="" if current is None else current.snapshot,
        )
        pointer = Pointer(snapshot=snapshot, previous=previous, held=held, last=event)
        replace_json(self.root / POINTER_NAME, pointer)
        write_history(self.root)
        return pointer

    def _ids(self, name: str) -> list[str]:
        path = self.root / name
        return msgspec.json.decode(path.read_bytes(), type=list[str]) if path.exists() else []

    def _refused(self, what: str, todo: str) -> PublishRefused:
        return PublishRefused(what, where=str(self.root), todo=todo)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time; the lock falls with the process that holds it."""
        with writing(self.root):
            (self.root / SNAPSHOTS_NAME).mkdir(parents=True, exist_ok=True)
            with (self.root / ".lock").open("ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
