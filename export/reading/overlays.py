"""The overlay that lies beside a store's snapshots: published by itself, read again when it is old."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

from contracts.errors import SnapshotCorrupt, SnapshotMissing, StoreUnreachable
from export.durable import replace_bytes
from export.reading.answers import LOG
from export.reading.breaker import Clock, Guard
from export.reading.overlay import Overlay
from export.reading.tally import Tally
from export.stores.local import LocalStore

NAME: Final = "overlay.bin"
RETRY_SECONDS: Final = 1.0
"""Between two looks at an overlay that cannot be read."""


@runtime_checkable
class Beside(Protocol):
    """Small objects beside the snapshots of a store, each replaced as a whole."""

    @property
    def where(self) -> str:
        """The place, for messages."""
        ...

    def beside(self, name: str) -> bytes | None:
        """The object, None where there is none."""
        ...

    def beside_mark(self, name: str) -> Hashable:
        """A value that changes whenever the object does; never dearer than `beside`."""
        ...

    def put_beside(self, name: str, data: bytes) -> None:
        """The object holds `data`, whole, or what it held before."""
        ...


class Folder:
    """Small objects in the folder of a local store."""

    def __init__(self, root: Path) -> None:
        """Objects in `root`, which is made when first needed."""
        self._root = root
        self.where = str(root)

    def beside(self, name: str) -> bytes | None:
        """The file, None where there is none."""
        try:
            return (self._root / name).read_bytes()
        except FileNotFoundError:
            return None

    def beside_mark(self, name: str) -> tuple[int, int, int]:
        """What changes when the file does."""
        try:
            stat = os.stat(self._root / name)  # noqa: PTH116  a third of the time of Path.stat
        except FileNotFoundError:
            return 0, 0, 0
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def put_beside(self, name: str, data: bytes) -> None:
        """The file holds `data`, whole, or what it held before."""
        replace_bytes(self._root / name, data)


def beside(store: object) -> Beside | None:
    """Where the small objects of a store lie, None for a store that has no place for them."""
    if isinstance(store, LocalStore):
        return Folder(store.root)
    return store if isinstance(store, Beside) else None


class Overlays:
    """The overlay of now. Safe to share between threads: one of them looks for a new one, the others go on."""

    def __init__(self, store: Beside, guard: Guard, *, max_age_seconds: float, clock: Clock, tally: Tally) -> None:
        """Overlays of `store`, looked at when the last look was `max_age_seconds` ago.

        `failed_overlays` of `tally` counts those that could not be read: the last good one goes on.
        """
        self._store, self._guard, self._max_age, self._clock, self._tally = store, guard, max_age_seconds, clock, tally
        self._overlay: Overlay | None = None
        self._mark: Hashable = None
        self._look_at = float("-inf")
        self._lock: Final = threading.Lock()

    def now(self) -> Overlay | None:
        """The overlay, None where there is none."""
        if self._clock() >= self._look_at and self._lock.acquire(blocking=self._look_at == float("-inf")):
            try:
                if self._clock() >= self._look_at:
                    self._look()
            finally:
                self._lock.release()
        return self._overlay

    def _look(self) -> None:
        self._look_at = self._clock() + self._max_age
        try:
            mark = self._guard.call(lambda: self._store.beside_mark(NAME))
            if mark == self._mark:
                return
            data = self._guard.call(lambda: self._store.beside(NAME))
            self._overlay = None if data is None else Overlay(data, where=f"{self._store.where} {NAME}")
            self._mark = mark
        except (SnapshotCorrupt, SnapshotMissing, StoreUnreachable) as error:
            self._look_at = self._clock() + max(self._max_age, RETRY_SECONDS)
            self._tally.add("failed_overlays")
            LOG.error("the overlay cannot be read, the last good one goes on: %s", error)


def publish_overlay(store: Beside, data: bytes) -> Overlay:
    """The overlay in `data`, which lies beside the store's snapshots from now on, read back.

    Raises:
        SnapshotCorrupt: `data` is no overlay, or what was read back is not what was written.
    """
    made = Overlay(data, where="the overlay to publish")
    store.put_beside(NAME, data)
    found = store.beside(NAME)
    if found != data:
        raise SnapshotCorrupt(
            "The overlay that was read back is not the one that was written",
            where=store.where,
            todo="See that only one publisher runs, then publish the overlay again.",
        )
    return made
