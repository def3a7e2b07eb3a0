"""A snapshot's way through the catalogue while it is published, and which earlier snapshot it may point back to."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from contracts.errors import PublishRefused
from export.format.manifest import Manifest
from export.stores.dynamodb.catalogue import Catalogue, Entry
from export.stores.publishable import erased_meanwhile
from export.stores.state import Pointer

MAX_GENERATIONS: Final = 7
MAX_ROUNDS: Final = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """The publishing of one snapshot.

    Attributes:
        wanted: the entry of a snapshot that points back to nothing.
        where: the table, for messages.
    """

    catalogue: Catalogue
    wanted: Entry
    where: str

    def begin(self, base: Entry | None, wipe: Callable[[Entry], None]) -> Entry:
        """The snapshot's entry: complete already, or incoming from now on.

        An entry that another publisher, or a killed one, began keeps what it points back to: both then write the same.

        Args:
            base: the snapshot to point back to, if this call makes the entry.
            wipe: deletes what a publisher left behind who began before users were erased.

        Raises:
            PublishRefused: retention is deleting the snapshot.
        """
        for _ in range(MAX_ROUNDS):
            old = self.catalogue.get(self.wanted.snapshot)
            if old is not None and old.phase == "complete":
                return old
            if old is not None and old.phase == "deleting":
                raise self._refused("is being deleted by retention", "Let retention finish, then publish again.")
            if old is not None and old.phase == "incoming":
                if old.erasures != self.wanted.erasures:
                    wipe(old)
                    old = self.catalogue.get(self.wanted.snapshot) or old
                new = replace(
                    old, seen_at="", erasures=self.wanted.erasures, manifest_sha256=self.wanted.manifest_sha256,
                    manifest_bytes=self.wanted.manifest_bytes,
                )  # fmt: skip
            else:
                more = base.generations if base is not None else ()
                new = replace(self.wanted, generations=(self.wanted.snapshot, *more))
            if new == old or self.catalogue.replace(old, new):
                return self._safe(new)
        raise self._refused("is being changed by others all the time", "Look who publishes it, then try again.")

    def complete(self, entry: Entry, *, filter_bytes: int) -> bool:
        """Whether this call made the snapshot complete; False where another publisher of the same bytes was faster.

        Raises:
            PublishRefused: retention took it for left behind meanwhile, or users were erased from what was written.
        """
        for _ in range(MAX_ROUNDS):
            now = self.catalogue.get(entry.snapshot)
            if now is not None and now.generations == entry.generations:
                if now.phase == "complete":
                    return False
                if now.erasures != entry.erasures:
                    raise erased_meanwhile(entry.snapshot, self.where)
                if now.phase == "incoming" and self.catalogue.replace(
                    now, replace(now, phase="complete", filter_bytes=filter_bytes, seen_at="")
                ):
                    return True
                if now.phase == "incoming":
                    continue
            break
        raise self._refused("was deleted by retention while it was published", "Publish again.")

    def _safe(self, entry: Entry) -> Entry:
        """The entry, which points back to nothing if what it pointed to has begun to be deleted.

        Retention marks first and then looks who needs what; this looks after the entry says what it needs. So one of
        the two sees the other.
        """
        others = [self.catalogue.get(name) for name in entry.generations[1:]]
        if all(one is not None and one.phase != "deleting" for one in others):
            return entry
        alone = replace(entry, generations=(entry.snapshot,))
        if not self.catalogue.replace(entry, alone):
            raise self._refused("was changed by another publisher", "Publish again.")
        return alone

    def _refused(self, what: str, todo: str) -> PublishRefused:
        return PublishRefused(f"{self.wanted.snapshot} {what}", where=self.where, todo=todo)


def possible_base(catalogue: Catalogue, pointer: Pointer | None, manifest: Manifest, *, days: int) -> Entry | None:
    """The current snapshot, where the one of `manifest` may point back to it.

    Not where that would reach back `days` or more, over too many snapshots, to another table, or to one that leaves.
    """
    if pointer is None:
        return None
    base = catalogue.get(pointer.snapshot)
    if base is None or base.phase != "complete" or manifest.snapshot_id in base.generations:
        return None
    age = (manifest.as_of - dt.date.fromisoformat(base.generations[-1][:10])).days
    is_far = not 0 <= age < days or len(base.generations) >= MAX_GENERATIONS
    return None if is_far or {*base.generations} & {*pointer.removing} else base
