"""One key read: a user's list, else the segment's, else the popular one; and which, from which snapshot, how old."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import msgspec

from contracts.errors import InputInvalid, SnapshotCorrupt, SnapshotMissing
from export.format.manifest import EVERYONE, FILE_NAME
from export.stores.base import Reader, Rows, Store
from export.stores.local import LocalStore
from export.stores.mapped import MappedReader
from export.stores.packed import LOG

Kind = Literal["personal", "segment", "popular"]


class TopN(msgspec.Struct, frozen=True, kw_only=True):
    """A list as it is served. The five lists are parallel, best first.

    Attributes:
        items: item ids.
        scores: comparable within the list only.
        reasons: as a shopper reads them.
        sources: names of the sources that the reasons stand for.
        snapshot: id of the snapshot that all of it comes from.
        age_days: days from `as_of` to the day given by the caller, None where none was given.
        source: whose list it is.
        segment: the segment that was known for the user, None for a user without one.
        is_degraded: the user's own list was there but damaged.
    """

    user_id: str
    placement: str
    items: list[str]
    titles: list[str | None]
    scores: list[float]
    reasons: list[str]
    sources: list[str]
    snapshot: str
    as_of: dt.date
    age_days: int | None
    source: Kind
    segment: str | None
    is_degraded: bool = False


class Lists:
    """The lists of a store's current snapshot, or of one snapshot. Safe to share between threads.

    Attributes:
        counts: answers by kind (`personal`, `segment`, `popular`), and `corrupt_records`, `corrupt_items`,
            `failed_opens`.
    """

    def __init__(self, source: Store | Reader | Path) -> None:
        """Lists of `source`: a store, one open snapshot, the root folder of a local store, or a snapshot directory."""
        if isinstance(source, Path):
            source = MappedReader(source) if (source / FILE_NAME).exists() else LocalStore(source)
        self._store: Final = None if isinstance(source, Reader) else source
        self._open: tuple[Hashable, Reader] | None = (None, source) if isinstance(source, Reader) else None
        self._lock: Final = threading.Lock()
        self.counts: Counter[str] = Counter()

    def current(self) -> Reader:
        """The snapshot that the next answer comes from, opened anew when the pointer has moved.

        Raises:
            SnapshotMissing: none was ever published.
            SnapshotCorrupt: it is damaged and no earlier one is open.
        """
        seen = self._open
        mark = None if self._store is None else self._store.mark()
        if seen is not None and seen[0] == mark:
            return seen[1]
        with self._lock:
            if self._open is not None and self._open[0] == mark:
                return self._open[1]
            try:
                self._open = mark, self._open_current()
            except (SnapshotMissing, SnapshotCorrupt):
                if self._open is None:
                    raise
                self.counts["failed_opens"] += 1
                LOG.exception("the current snapshot cannot be opened: still serving %s", self._open[1].id)
            return self._open[1]

    def get(
        self, user_id: str, k: int, placement: str, *, segment: str | None = None, today: dt.date | None = None
    ) -> TopN:
        """The user's best `k` items for a placement; always answers once a snapshot was published.

        Args:
            user_id: any text; a user without a list gets the segment's or the popular list.
            k: at least 1; the list is shorter where the snapshot's is.
            placement: one that the snapshot has.
            segment: used where the snapshot does not know the user.
            today: the caller's date, for `age_days`.

        Raises:
            InputInvalid: `k` or `placement` is wrong.
            SnapshotMissing: no snapshot was ever published.
        """
        return self._answer(self.check(k, placement), user_id, k, placement, segment, today)

    def get_many(
        self,
        user_ids: Sequence[str],
        k: int,
        placement: str,
        *,
        segments: Mapping[str, str] | None = None,
        today: dt.date | None = None,
    ) -> list[TopN]:
        """`get` for each user, in order, all from one snapshot; `segments` gives unknown users' segments by user id."""
        snapshot = self.check(k, placement)
        known = segments or {}
        return [self._answer(snapshot, user, k, placement, known.get(user), today) for user in user_ids]

    def check(self, k: int, placement: str) -> Reader:
        """The current snapshot, which can answer for `k` and `placement`.

        Raises:
            InputInvalid: `k` or `placement` is wrong.
            SnapshotMissing: no snapshot was ever published.
        """
        snapshot = self.current()
        if k < 1:
            raise InputInvalid(f"k is {k}", where="k", todo="Ask for at least 1 item.")
        if placement not in snapshot.placements:
            raise InputInvalid(
                f"There is no placement {placement!r}",
                where=snapshot.id,
                todo=f"Use one of {list(snapshot.placements)}.",
            )
        return snapshot

    def _open_current(self) -> Reader:
        try:
            return self._open_pointed()
        except SnapshotMissing:
            return self._open_pointed()  # the pointer may have moved on while retention took its snapshot

    def _open_pointed(self) -> Reader:
        pointer = None if self._store is None else self._store.pointer()
        if self._store is None or pointer is None:
            raise SnapshotMissing(
                "No snapshot was published yet",
                where=self._store.where if self._store else "lists",
                todo="Run a night, or publish and flip a snapshot.",
            )
        return self._store.open(pointer.snapshot)

    def _answer(
        self, snapshot: Reader, user_id: str, k: int, placement: str, hint: str | None, today: dt.date | None
    ) -> TopN:
        segment, rows, is_degraded = self._personal(snapshot, user_id, k, placement, hint)
        kind: Kind = "personal"
        if rows is None:
            owner, rows = snapshot.fallback(placement, segment, k)
            kind = "popular" if owner == EVERYONE else "segment"
        self.counts[kind] += 1
        if rows.n_damaged:
            self.counts["corrupt_items"] += rows.n_damaged
        return TopN(
            user_id=user_id,
            placement=placement,
            items=rows.items,
            titles=rows.titles,
            scores=rows.scores,
            reasons=rows.reasons,
            sources=rows.sources,
            snapshot=snapshot.id,
            as_of=snapshot.manifest.as_of,
            age_days=None if today is None else (today - snapshot.manifest.as_of).days,
            source=kind,
            segment=segment,
            is_degraded=is_degraded,
        )

    def _personal(
        self, snapshot: Reader, user_id: str, k: int, placement: str, hint: str | None
    ) -> tuple[str | None, Rows | None, bool]:
        """The user's segment, own list if there is one, and whether it was there but damaged."""
        try:
            user = snapshot.find(user_id)
        except SnapshotCorrupt as error:
            self.counts["corrupt_records"] += 1
            LOG.error("snapshot %s: %s (%s); a fallback list is served", snapshot.id, error.what, error.where)
            return hint, None, True
        if user is None:
            return hint, None, False
        return user.segment, user.rows(placement, k), False
