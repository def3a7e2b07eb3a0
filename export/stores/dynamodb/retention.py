"""Snapshots deleted from the table: nothing that a kept snapshot still points to, and again until nothing is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from msgspec.structs import replace

from export.stores import state
from export.stores.dynamodb.catalogue import Catalogue, Entry
from export.stores.dynamodb.publishing import Pace
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import delete_request
from export.stores.dynamodb.service.writer import Written


@dataclass(frozen=True, slots=True)
class Retention:
    """Deletes within the deadline of `table`; what it does not reach, the next one finds."""

    table: Table
    catalogue: Catalogue
    pace: Pace

    def leave(self, names: Iterable[str]) -> None:
        """These snapshots are in the store no more, though their lists may still be needed."""
        for name in names:
            entry = self.catalogue.get(name)
            if entry is not None and entry.phase in {"incoming", "complete"}:
                self.catalogue.replace(entry, replace(entry, phase="leaving"))

    def leave_incomplete(self, *, at: str, grace_seconds: float) -> None:
        """What was begun and not finished leaves once it was seen so for longer than the grace."""
        for entry in self.catalogue.entries():
            if entry.phase != "incoming":
                continue
            if not entry.seen_at:
                self.catalogue.replace(entry, replace(entry, seen_at=at))
            elif state.seconds(at) - state.seconds(entry.seen_at) >= grace_seconds:
                self.catalogue.replace(entry, replace(entry, phase="leaving"))

    def delete(self) -> Written:
        """All items of the snapshots that left and that nobody needs are gone.

        Raises:
            StoreUnreachable: the deadline passed; the rest is deleted by the next retention.
        """
        gone = [entry for entry in self._unneeded() if self._is_deleting(entry)]
        if not gone:
            return Written()
        for entry in gone:
            if entry.table != self.table.name:
                self.table.named(entry.table).drop()
        prefixes = [prefix for entry in gone for prefix in (f"{entry.snapshot}#", f"larder#{entry.snapshot}#")]
        keys = self.table.scan_keys(prefixes)
        written = self.pace.writer(self.table).write(map(delete_request, keys), expected=None)
        for entry in gone:
            self.catalogue.delete(replace(entry, phase="deleting"))
        return written

    def _unneeded(self) -> list[Entry]:
        entries = self.catalogue.entries()
        needed = _needed(entries)
        return [one for one in entries if one.phase in {"leaving", "deleting"} and one.snapshot not in needed]

    def _is_deleting(self, entry: Entry) -> bool:
        """Whether the snapshot is being deleted from now on; a publisher who looks later finds it so."""
        deleting = replace(entry, phase="deleting")
        if not self.catalogue.replace(entry, deleting):
            return False
        if entry.snapshot not in _needed(self.catalogue.entries()):
            return True
        self.catalogue.replace(deleting, replace(entry, phase="leaving"))  # a publisher was faster
        return False


def _needed(entries: Iterable[Entry]) -> set[str]:
    return {name for one in entries if one.phase in {"incoming", "complete"} for name in one.generations}
