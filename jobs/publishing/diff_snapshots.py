"""What would change if another snapshot was served; found without a Java process."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts.errors import SnapshotMissing
from contracts.layout import Layout
from contracts.settings import Settings
from export.comparing.result import Diff
from export.comparing.snapshots import Extent, compare
from export.format.manifest import FILE_NAME, read_manifest
from export.stores.base import Reader, Store
from export.stores.mapped import MappedReader
from export.stores.opening import store_of
from jobs.paths import layout_of

DATE_LENGTH: Final = len("2026-01-01")
NAMES: Final = "Name a snapshot that `larder status` lists, a date that is staged, or a snapshot directory."


def run(settings: Settings, *, before: str | None, after: str | None, extent: Extent) -> Diff:
    """What changes for the users if the snapshot `after` is served in place of `before`. Nothing is written.

    Args:
        settings: root and store.
        before: a snapshot as `Shelves.open` takes it, the current one where None is given.
        after: the same, or None for `Shelves.newest`.
        extent: how much is compared.

    Raises:
        SnapshotMissing: one of them is not there.
        SnapshotCorrupt: one is damaged.
        InputInvalid: they have no placement in common.
    """
    layout = layout_of(settings)
    shelves = Shelves(store_of(settings.store, layout), layout)
    return compare(shelves.open(before or shelves.current()), shelves.open(after or shelves.newest()), extent)


@dataclass(frozen=True, slots=True)
class Shelves:
    """The snapshots of a shop: those in the store, those that are staged, and any directory."""

    store: Store
    layout: Layout

    def current(self) -> str:
        """Id of the snapshot served now.

        Raises:
            SnapshotMissing: none was served yet.
        """
        pointer = self.store.pointer()
        if pointer is None:
            raise SnapshotMissing(
                "No snapshot is served yet", where=self.store.where, todo="Name both snapshots to compare, or flip one."
            )
        return pointer.snapshot

    def newest(self) -> str:
        """The published or staged snapshot of the latest date but the current one; a staged one goes first.

        Raises:
            SnapshotMissing: there is none of the current one's date or a later one.
        """
        current = self.current()
        staged = {read_manifest(folder).snapshot_id: folder for folder in self._staged()}
        found = [(name[:DATE_LENGTH], 0, name, name) for name in self.store.snapshots()]
        found += [(name[:DATE_LENGTH], 1, name, str(folder)) for name, folder in staged.items()]
        later = [one for one in found if one[2] != current and one[0] >= current[:DATE_LENGTH]]
        if not later:
            raise SnapshotMissing(
                f"Nothing newer than the current snapshot {current} is published or staged",
                where=self.store.where,
                todo=f"Stage a night, or name two snapshots. {NAMES}",
            )
        return max(later)[-1]

    def open(self, name: str) -> Reader:
        """The snapshot in the store of that id, else what is staged for that date, else the directory of that name.

        Raises:
            SnapshotMissing: it is none of these.
        """
        if name in self.store.snapshots():
            return self.store.open(name)
        folders = {folder.name: folder for folder in self._staged()}
        folder = folders.get(name, Path(name))
        if not (folder / FILE_NAME).is_file():
            raise SnapshotMissing(f"There is no snapshot {name!r}", where=self.store.where, todo=NAMES)
        return MappedReader(folder)

    def _staged(self) -> list[Path]:
        folder = self.layout.root / "staging"
        found = (path.parent for path in folder.glob(f"*/{FILE_NAME}"))
        return sorted(path for path in found if _is_date(path.name))


def _is_date(name: str) -> bool:
    try:
        dt.date.fromisoformat(name)
    except ValueError:
        return False
    return len(name) == DATE_LENGTH
