"""One user's answer from one snapshot: the own list, else what was kept here, else a fallback list; and which."""

from __future__ import annotations

import datetime as dt
from typing import Final

import msgspec
from msgspec.structs import replace

from contracts.errors import LarderError, SnapshotCorrupt, StoreUnreachable
from export.format.manifest import EVERYONE
from export.reading.answers import LOG, Channel, Excluded, Kind, TopN, age_hours, cut
from export.reading.breaker import Guard
from export.reading.last_good import Kept
from export.reading.tally import Tally
from export.stores.base import Reader, Rows

MORE: Final = 20
"""Places read beyond twice those wanted, where some may fall away."""
WHOLE: Final = 65_535


class Ask(msgspec.Struct, frozen=True):
    """What is asked for, whoever the user is.

    Attributes:
        k: places wanted.
        excluded: sets of item ids that must not show.
        overlay: id of the overlay that is one of them.
        now: the caller's time.
    """

    k: int
    placement: str
    excluded: Excluded = ()
    overlay: str | None = None
    now: dt.datetime | None = None


class Choosing:
    """Makes answers. Safe to share between threads."""

    def __init__(self, guard: Guard | None, kept: Kept | None, tally: Tally, *, stale_after_hours: float) -> None:
        """Answers from readers, asked through `guard` where there is one, and from `kept` when they are away."""
        self._guard, self._kept, self._tally, self._stale_after = guard, kept, tally, stale_after_hours

    def answer(
        self,
        reader: Reader,
        channel: Channel,
        user_id: str,
        ask: Ask,
        hint: str | None,
        *,
        may_mix: bool,
        is_closed: bool = False,
    ) -> TopN:
        """The user's answer.

        Args:
            reader: whose placements include the one asked for.
            channel: what it is read as.
            user_id: any text.
            ask: what is asked for.
            hint: the segment of a user whom the snapshot does not know.
            may_mix: whether a kept answer, which may be of another snapshot, can stand in.
            is_closed: no more can be read of the snapshot than what was when it was opened.

        Raises:
            SnapshotMissing: the snapshot is in the store no more.
        """
        segment, rows, is_degraded = hint, None, True
        try:
            if not is_closed:
                segment, rows = self._own(reader, user_id, ask, hint)
                is_degraded = False
        except (SnapshotCorrupt, StoreUnreachable) as error:
            self._alarm(reader, error)
            if isinstance(error, StoreUnreachable) and may_mix and (kept := self._kept_own(user_id, ask)) is not None:
                return kept
        kind: Kind = "personal"
        if rows is None:
            kind, rows = self._fallback(reader, ask, segment)
        return self._made(reader, channel, user_id, ask, kind, segment, rows, is_degraded)

    def _alarm(self, reader: Reader, error: LarderError) -> None:
        self._tally.add("corrupt_records" if isinstance(error, SnapshotCorrupt) else "unreachable")
        LOG.error("snapshot %s: %s (%s); another list is served", reader.id, error.what, error.where)

    def without_store(self, user_id: str, ask: Ask, hint: str | None, *, may_mix: bool = True) -> TopN | None:
        """What is kept here for the user, None where there is nothing; all of one snapshot unless `may_mix`."""
        made = self._kept_own(user_id, ask) if may_mix else None
        if made is None and self._kept is not None:
            found = self._kept.fallback(user_id, ask.k, ask.placement, hint, ask.excluded)
            made = None if found is None else self._stamped(found, ask)
        return made

    def _kept_own(self, user_id: str, ask: Ask) -> TopN | None:
        if self._kept is None:
            return None
        found = self._kept.personal(user_id, ask.k, ask.placement, ask.excluded)
        return None if found is None else self._stamped(found, ask)

    def _stamped(self, found: TopN, ask: Ask) -> TopN:
        self._tally.add("last_good")
        age, is_stale = self._age(found.as_of, ask.now)
        return replace(found, age_hours=age, is_stale=is_stale, overlay=ask.overlay)

    def _own(self, reader: Reader, user_id: str, ask: Ask, hint: str | None) -> tuple[str | None, Rows | None]:
        """The user's segment, and own list if there is one of which something may show."""
        user = reader.find(user_id) if self._guard is None else self._guard.call(lambda: reader.find(user_id))
        if user is None:
            return hint, None
        if not ask.excluded:
            return user.segment, user.rows(ask.placement, ask.k)
        n = ask.k * 2 + MORE
        rows = user.rows(ask.placement, n)
        left = None if rows is None else cut(rows, ask.k, ask.excluded)
        if rows is not None and left is not None and len(left.items) < ask.k and len(rows.items) + rows.n_damaged == n:
            rows = user.rows(ask.placement, WHOLE)
            left = None if rows is None else cut(rows, ask.k, ask.excluded)
        return user.segment, left if left is not None and left.items else None

    @staticmethod
    def _fallback(reader: Reader, ask: Ask, segment: str | None) -> tuple[Kind, Rows]:
        """The segment's list, the popular one where there is none or nothing of it may show."""
        n = ask.k if not ask.excluded else WHOLE
        owner, rows = reader.fallback(ask.placement, segment, n)
        rows = cut(rows, ask.k, ask.excluded)
        if owner != EVERYONE and not rows.items:
            owner, rows = reader.fallback(ask.placement, None, n)
            rows = cut(rows, ask.k, ask.excluded)
        return "popular" if owner == EVERYONE else "segment", rows

    def _made(
        self,
        reader: Reader,
        channel: Channel,
        user_id: str,
        ask: Ask,
        kind: Kind,
        segment: str | None,
        rows: Rows,
        is_degraded: bool,  # noqa: FBT001  one of many fields of one answer
    ) -> TopN:
        self._tally.add(kind)
        if rows.n_damaged:
            self._tally.add("corrupt_items", rows.n_damaged)
        as_of = reader.manifest.as_of
        age, is_stale = self._age(as_of, ask.now) if ask.now is not None else (None, None)
        made = TopN(  # by position: seventeen names cost as much as finding the record
            user_id, ask.placement, rows.items, rows.titles, rows.scores, rows.reasons, rows.sources, reader.id, as_of,
            age, is_stale, kind, segment, is_degraded, ask.overlay, channel,
        )  # fmt: skip
        if kind == "personal" and self._kept is not None:
            self._kept.remember(made)
        return made

    def _age(self, as_of: dt.date, now: dt.datetime | None) -> tuple[float | None, bool | None]:
        if now is None:
            return None, None
        age = age_hours(as_of, now)
        return round(age, 4), age > self._stale_after
