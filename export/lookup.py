"""One key read: a user's list, else the segment's, else the popular one; and which, from which snapshot, how old."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Protocol

import msgspec

from contracts.errors import InputInvalid, SnapshotCorrupt, SnapshotMissing
from export import reasons
from export.format.items import Item
from export.format.manifest import EVERYONE, FILE_NAME
from export.format.records import PackedList
from export.open_snapshot import LOG, OpenSnapshot
from export.pointer import POINTER_NAME, SNAPSHOTS_NAME, read_pointer

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


class HasRoot(Protocol):
    """Something that lies in a folder, such as a local store."""

    @property
    def root(self) -> Path:
        """The folder."""
        ...


class Lists:
    """The lists of a store's current snapshot, or of one snapshot directory. Safe to share between threads.

    Attributes:
        counts: answers by kind (`personal`, `segment`, `popular`), and `corrupt_records`, `corrupt_items`,
            `failed_opens`.
    """

    def __init__(self, source: HasRoot | Path) -> None:
        """Lists of `source`: a store, the root folder of a store, or a snapshot directory. Nothing is read yet."""
        self._root = source if isinstance(source, Path) else source.root
        self._is_snapshot = (self._root / FILE_NAME).exists()
        self._open: tuple[tuple[int, int, int], OpenSnapshot] | None = None
        self._lock: Final = threading.Lock()
        self.counts: Counter[str] = Counter()

    def current(self) -> OpenSnapshot:
        """The snapshot that the next answer comes from, opened anew when the pointer has moved.

        Raises:
            SnapshotMissing: none was ever published.
            SnapshotCorrupt: it is damaged and no earlier one is open.
        """
        seen = self._open
        mark = self._mark()
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

    def check(self, k: int, placement: str) -> OpenSnapshot:
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

    def _mark(self) -> tuple[int, int, int]:
        """What changes when the pointer does."""
        if self._is_snapshot:
            return 0, 0, 0
        try:
            stat = (self._root / POINTER_NAME).stat()
        except FileNotFoundError:
            return 0, 0, 0
        return stat.st_ino, stat.st_mtime_ns, stat.st_size

    def _open_current(self) -> OpenSnapshot:
        if self._is_snapshot:
            return OpenSnapshot(self._root)
        try:
            return OpenSnapshot(self._directory())
        except SnapshotMissing:
            return OpenSnapshot(self._directory())  # the pointer may have moved on while retention took its snapshot

    def _directory(self) -> Path:
        pointer = read_pointer(self._root)
        if pointer is None:
            raise SnapshotMissing(
                "No snapshot was published yet",
                where=str(self._root),
                todo="Run a night, or publish and flip a snapshot.",
            )
        return self._root / SNAPSHOTS_NAME / pointer.snapshot

    def _answer(
        self, snapshot: OpenSnapshot, user_id: str, k: int, placement: str, hint: str | None, today: dt.date | None
    ) -> TopN:
        segment, made, is_degraded = self._personal(snapshot, user_id, k, placement, hint)
        kind: Kind = "personal"
        names: Sequence[str] = snapshot.manifest.reasons
        if made is None:
            owner, fallback = snapshot.fallback(placement, segment)
            kind = "popular" if owner == EVERYONE else "segment"
            n = min(k, len(fallback.items))
            names = (kind,)
            made = PackedList(list(fallback.items[:n]), list(fallback.scores[:n]), [0] * n, [-1] * n)
        self.counts[kind] += 1
        rows = list(self._rows(snapshot, made, names, segment))
        return TopN(
            user_id=user_id,
            placement=placement,
            items=[row[0].item_id for row in rows],
            titles=[row[0].title for row in rows],
            scores=[row[1] for row in rows],
            reasons=[row[3] for row in rows],
            sources=[row[2] for row in rows],
            snapshot=snapshot.id,
            as_of=snapshot.manifest.as_of,
            age_days=None if today is None else (today - snapshot.manifest.as_of).days,
            source=kind,
            segment=segment,
            is_degraded=is_degraded,
        )

    def _personal(
        self, snapshot: OpenSnapshot, user_id: str, k: int, placement: str, hint: str | None
    ) -> tuple[str | None, PackedList | None, bool]:
        """The user's segment, own list if there is one, and whether it was there but damaged."""
        try:
            record = snapshot.find(user_id)
        except SnapshotCorrupt as error:
            self.counts["corrupt_records"] += 1
            LOG.error("snapshot %s: %s (%s); a fallback list is served", snapshot.id, error.what, error.where)
            return hint, None, True
        if record is None:
            return hint, None, False
        return snapshot.segment(record), snapshot.personal(record, placement, k), False

    def _rows(
        self, snapshot: OpenSnapshot, made: PackedList, names: Sequence[str], segment: str | None
    ) -> Iterator[tuple[Item, float, str, str]]:
        """Item, score, source and reason of each place; an item whose entry is damaged is left out."""
        for index, score, source, anchor in zip(made.items, made.scores, made.sources, made.anchors, strict=True):
            item = self._item(snapshot, index)
            if item is None:
                continue
            explains = self._item(snapshot, anchor) if anchor >= 0 else None
            text = reasons.render(
                names[source],
                anchor_title=explains.title if explains else None,
                segment=segment,
                category=item.category,
            )
            yield item, score, names[source], text

    def _item(self, snapshot: OpenSnapshot, index: int) -> Item | None:
        try:
            return snapshot.item(index)
        except SnapshotCorrupt as error:
            self.counts["corrupt_items"] += 1
            LOG.error("snapshot %s: %s; the item is left out", snapshot.id, error.what)
            return None
