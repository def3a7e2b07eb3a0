"""The store on a local disk: snapshots side by side, one pointer, swapped by rename under a lock.

root/snapshots/<id>/    complete before it is visible
root/pointer.json       the whole state
root/history.jsonl      one line a move
root/.moves             how often the pointer was moved; see `export.stores.watching`
root/.lock              held while the pointer is swapped
root/.publishing        held while snapshots are copied or deleted, so that a rollback never waits for a copy
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import SnapshotCorrupt, SnapshotMissing
from export.blessing import check_blessed
from export.durable import empty_folder, replace_bytes, sync_file, sync_folder, writing
from export.erasing import snapshots
from export.format.manifest import FILE_NAME, Manifest, read_manifest
from export.stores import state, watching
from export.stores.base import Published
from export.stores.mapped import MappedReader
from export.stores.pointers import MovedStore
from export.stores.sameness import check_same
from export.stores.state import Event, Pointer
from export.verification import verify

POINTER_NAME: Final = "pointer.json"
HISTORY_NAME: Final = "history.jsonl"
SNAPSHOTS_NAME: Final = "snapshots"


class FileCell:
    """A pointer in a file, and the history as a file of lines beside it."""

    def __init__(self, root: Path) -> None:
        """The cell in the folder `root`."""
        self.root = root
        self.where = str(root)

    def read(self) -> tuple[Pointer | None, bytes]:
        """The pointer and its bytes."""
        path = self.root / POINTER_NAME
        try:
            raw = path.read_bytes()
        except FileNotFoundError:
            return None, b""
        return state.decode(raw, str(path)), raw

    def swap(self, pointer: Pointer, token: bytes) -> bool:
        """Whether the file still held the bytes `token`, and so was replaced."""
        with locked(self.root, ".lock"):
            if self.read()[1] != token:
                return False
            with watching.moving(self.root):
                replace_bytes(self.root / POINTER_NAME, state.encode(pointer))
            return True

    def record(self, event: Event) -> None:
        """The event stands in the history, once; nothing is left of a line that a crash cut short."""
        path = self.root / HISTORY_NAME
        with locked(self.root, ".lock"):
            whole = _whole_lines(path)
            events = _events(whole)
            if events and events[-1].sequence >= event.sequence:
                return
            with path.open("r+b" if path.exists() else "w+b") as file:
                file.truncate(len(whole))
                file.seek(len(whole))
                file.write(msgspec.json.encode(event) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self.root)

    def recorded(self, last: int | None = None) -> list[Event]:
        """The whole lines of the history."""
        return _events(_whole_lines(self.root / HISTORY_NAME))[-last if last else 0 :]


class LocalStore(MovedStore):
    """Snapshots below one folder. Any number of processes may use it at once."""

    def __init__(self, root: Path) -> None:
        """The store at `root`; folders are made when first needed."""
        self.root = root
        self._pointer = str(root / POINTER_NAME)
        self.cell = FileCell(root)

    def directory(self, snapshot: str) -> Path:
        """Where a snapshot lies.

        Raises:
            SnapshotMissing: it is not a snapshot of this store.
        """
        self.check_present(snapshot)
        return self.root / SNAPSHOTS_NAME / snapshot

    def check_present(self, snapshot: str) -> None:
        """Passes where the store has the complete snapshot.

        Raises:
            SnapshotMissing: it does not.
        """
        path = self.root / SNAPSHOTS_NAME / snapshot
        if snapshot != path.name or snapshot.startswith(".") or not (path / FILE_NAME).is_file():
            raise SnapshotMissing(
                f"Snapshot {snapshot!r} is not in the store", where=self.where, todo="Name one that `status` lists."
            )

    def snapshots(self) -> list[str]:
        """Ids of the complete snapshots, oldest date first."""
        folder = self.root / SNAPSHOTS_NAME
        return sorted(p.parent.name for p in folder.glob(f"*/{FILE_NAME}") if not p.parent.name.startswith("."))

    def mark(self) -> tuple[int, int, int]:
        """What changes when the pointer's file does."""
        try:
            stat = os.stat(self._pointer)  # noqa: PTH116  every lookup asks, and Path.stat takes three times as long
        except FileNotFoundError:
            return 0, 0, 0
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def open(self, snapshot: str) -> MappedReader:
        """The snapshot, memory-mapped: it can be read to its end also when retention takes its files away."""
        return MappedReader(self.directory(snapshot))

    def verify(self, snapshot: str) -> Manifest:
        """The manifest of a snapshot, which its files agree with."""
        return verify(self.directory(snapshot))

    def publish(self, build: Path, *, blessing: Path) -> Published:
        """The snapshot built in `build`, copied into the store, read back and counted; not yet current."""
        manifest = read_manifest(build)
        check_blessed(blessing, manifest)
        snapshot = manifest.snapshot_id
        folder = self.root / SNAPSHOTS_NAME
        with locked(self.root, ".publishing"):
            self.check_publishable(snapshot)
            folder.mkdir(exist_ok=True)
            if (folder / snapshot / FILE_NAME).exists():
                found = check_same(verify(folder / snapshot), manifest, str(folder / snapshot))
                return Published(snapshot, found, is_new=False)
            incoming = folder / f".incoming-{snapshot}"
            try:
                _copy(build, empty_folder(incoming), manifest)
                incoming.rename(folder / snapshot)
            except BaseException:
                shutil.rmtree(incoming, ignore_errors=True)
                raise
            sync_folder(folder)
        return Published(snapshot, manifest, is_new=True, numbers={"bytes": float(manifest.n_bytes)})

    def take_out(self, users: Mapping[str, str]) -> dict[str, int]:
        """Users taken out of each snapshot, by id."""
        folder = self.root / SNAPSHOTS_NAME
        with locked(self.root, ".publishing"):
            self._clear()
            counts = {name: snapshots.take_out(folder / name, users) for name in self.snapshots()}
        return {name: n for name, n in counts.items() if n}

    def sweep(self, check_mine: Callable[[], None]) -> None:
        """The shards that were written anew are gone as they were."""
        del check_mine  # under the lock no other erasure is writing
        with locked(self.root, ".publishing"):
            for name in self.snapshots():
                snapshots.sweep(self.root / SNAPSHOTS_NAME / name)

    def remove(self, names: list[str], *, at: str, grace_seconds: float) -> None:
        """The snapshots are deleted, each at once for whoever looks, and so is what crashes left half-made."""
        del at, grace_seconds  # under the lock nobody is publishing, so whatever is half-made was left behind
        folder = self.root / SNAPSHOTS_NAME
        if not folder.exists():
            return
        with locked(self.root, ".publishing"):
            for name in names:
                if (folder / name).exists():
                    (folder / name).rename(folder / f".trash-{name}")
            self._clear()

    def _clear(self) -> None:
        """What crashes left half-made is gone; the lock is held, so nobody is making it."""
        folder = self.root / SNAPSHOTS_NAME
        for leftover in (*folder.glob(".trash-*"), *folder.glob(".incoming-*")):
            shutil.rmtree(leftover)


@contextmanager
def locked(root: Path, name: str) -> Iterator[None]:
    """A block that one process at a time is in; the lock falls with the process that holds it.

    Raises:
        EnvironmentUnfit: the disk is full, read-only or not ours to write to.
    """
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        with (root / name).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


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
            "The build changed while it was published", where=str(build), todo="Publish again when it is finished."
        )


def _whole_lines(path: Path) -> bytes:
    data = path.read_bytes() if path.exists() else b""
    return data[: data.rfind(b"\n") + 1]


def _events(lines: bytes) -> list[Event]:
    return [msgspec.json.decode(line, type=Event) for line in lines.splitlines()]
