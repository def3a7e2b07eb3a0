"""One key read: a user's list, else the segment's, else the popular one; and which, from which snapshot, how old."""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from contracts.errors import SnapshotCorrupt, SnapshotMissing, StoreUnreachable
from export.format.manifest import FILE_NAME
from export.reading.answering import Answering, Question, check
from export.reading.answers import LOG, Kind, TopN
from export.reading.breaker import Clock, Guard, Limits
from export.reading.choosing import Ask
from export.reading.interleaving import mixed
from export.reading.last_good import Kept, LastGood, StandIn
from export.reading.options import Options
from export.reading.overlay import Overlay
from export.reading.overlays import Overlays, beside
from export.reading.shadow import Shadow
from export.reading.tally import Tally
from export.reading.views import Pinned, View, Views
from export.stores.base import Reader, Store
from export.stores.local import LocalStore
from export.stores.mapped import MappedReader
from export.stores.watching import Watch

__all__ = ["Kind", "Limits", "Lists", "Options", "TopN"]

OPTIONS: Final = Options()
NOTHING: Final[frozenset[str]] = frozenset()


class Lists:
    """The lists that a store serves, or those of one snapshot. Safe to share between threads."""

    def __init__(
        self,
        source: Store | Reader | Path,
        options: Options = OPTIONS,
        *,
        clock: Clock = time.monotonic,
    ) -> None:
        """Lists of `source`: a store, one open snapshot, the root folder of a local store, or a snapshot directory.

        Nothing is read from a store before the first question.
        """
        if isinstance(source, Path):
            source = MappedReader(source) if (source / FILE_NAME).exists() else LocalStore(source)
        self._tally = Tally()
        self._guard = Guard(options.limits, clock)
        self._shadow = Shadow(options.shadow_share, self._guard, self._tally)
        self._kept = _kept(options, self._tally)
        self._views: Views | Pinned
        self._overlays: Overlays | None = None
        if isinstance(source, Reader):
            self._views = Pinned(source)
        else:
            kept, watch = self._kept, None
            if isinstance(source, LocalStore) and options.is_at_once:
                watch = Watch(source.root, source.mark, clock)
            self._views = Views(
                source, self._guard, max_age_seconds=options.pointer_seconds, clock=clock, tally=self._tally,
                on_open=kept.keep if kept else None, on_erased=kept.forget if kept else None,
                quick_mark=None if watch is None else watch.mark,
            )  # fmt: skip
            if (place := beside(source)) is not None:
                self._overlays = Overlays(
                    place, self._guard, max_age_seconds=options.overlay_seconds, clock=clock, tally=self._tally
                )
        self._answering = Answering(
            self._guard, self._kept, self._tally, is_local=isinstance(source, Reader | LocalStore),
            stale_after_hours=options.stale_after_hours,
        )  # fmt: skip

    @property
    def counts(self) -> Counter[str]:
        """Numbers since this object was made.

        Answers by kind (`personal`, `segment`, `popular`, `last_good`; an interleaved one is two), `corrupt_records`,
        `corrupt_items`, `failed_opens`, `failed_pointers`, `failed_overlays`, `failed_packs`, `missed_snapshots`,
        `unreachable`, and of the shadow `shadow_compared`, `shadow_overlap` (a sum of shares), `shadow_same`,
        `shadow_failed`.
        """
        return self._tally.counts

    @property
    def is_store_away(self) -> bool:
        """Whether the store failed so often that it is not asked for now."""
        return self._guard.breaker.is_open

    @property
    def overlay(self) -> Overlay | None:
        """The eligibility overlay that the next answer heeds."""
        return None if self._overlays is None else self._overlays.now()

    @property
    def seen(self) -> Reader | None:
        """The stable snapshot as last seen, None while nothing is open; never a call to the store."""
        view = self._views.seen
        return None if view is None else view.stable

    def current(self) -> Reader:
        """The snapshot of the channel `stable` that the next answer comes from.

        Raises:
            SnapshotMissing: none was ever published.
            SnapshotCorrupt: it is damaged and no earlier one is open.
            StoreUnreachable: the store does not answer and never did.
        """
        return self._views.now().stable

    def check(self, k: int, placement: str) -> Reader:
        """The current snapshot, which can answer for `k` and `placement`.

        Raises:
            InputInvalid: `k` or `placement` is wrong.
            SnapshotMissing: no snapshot was ever published.
        """
        return check(self.current(), k, placement)

    def get(
        self,
        user_id: str,
        k: int,
        placement: str,
        *,
        segment: str | None = None,
        region: str | None = None,
        without: Collection[str] = NOTHING,
        now: dt.datetime | None = None,
    ) -> TopN:
        """The user's best `k` items for a placement; always answers once a snapshot was published.

        Args:
            user_id: any text; a user without a list gets the segment's or the popular list.
            k: at least 1; the list is shorter where the snapshot's is.
            placement: one that the snapshot has.
            segment: used where the snapshot does not know the user.
            region: whose flags of the eligibility overlay hold too.
            without: ids of items not to show, such as what the user bought since the night; a set is fastest.
            now: the caller's time, with an offset, for the answer's age.

        Raises:
            InputInvalid: `k` or `placement` is wrong.
            SnapshotMissing: no snapshot was ever published.
            StoreUnreachable: the store never answered, and there is no last-good list.
        """
        ask = self._ask(k, placement, region, without, now)
        return self._answers(((user_id, ask, segment),), user_id, may_interleave=True)[0]

    def get_page(
        self,
        user_id: str,
        k: int,
        placements: Sequence[str],
        *,
        segment: str | None = None,
        region: str | None = None,
        without: Collection[str] = NOTHING,
        now: dt.datetime | None = None,
    ) -> list[TopN]:
        """`get` for each placement, in order, all from one snapshot."""
        asks = [self._ask(k, placement, region, without, now) for placement in placements]
        return self._answers([(user_id, ask, segment) for ask in asks], user_id)

    def get_many(
        self,
        user_ids: Sequence[str],
        k: int,
        placement: str,
        *,
        visitor: str | None = None,
        segments: Mapping[str, str] | None = None,
        region: str | None = None,
        without: Collection[str] = NOTHING,
        now: dt.datetime | None = None,
    ) -> list[TopN]:
        """`get` for each user, in order, all from one snapshot.

        A remote store is asked for all of them at once, within the deadline of one lookup: a hundred keys a request of
        a table, range reads side by side of a bucket. Who could not be read gets a fallback list, labelled so.

        Args:
            user_ids: any texts.
            k: at least 1.
            placement: one that the snapshot has.
            visitor: user id that decides between the channels `stable` and `canary` for all of them; None for stable.
            segments: segments of unknown users, by user id.
            region: as in `get`.
            without: as in `get`.
            now: as in `get`.

        Raises:
            As `get`.
        """
        ask = self._ask(k, placement, region, without, now)
        known = segments or {}
        return self._answers([(user, ask, known.get(user)) for user in user_ids], visitor)

    def close(self) -> None:
        """Keeps the last-good lists in their file and lets the threads go."""
        if self._kept is not None:
            self._kept.save()
        self._guard.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(
        self, k: int, placement: str, region: str | None, without: Collection[str], now: dt.datetime | None
    ) -> Ask:
        overlay = self.overlay
        if overlay is None:
            return Ask(k, placement, (without,) if without else (), None, now)
        excluded = [ids for ids in (overlay.excluded(region), without) if ids]
        return Ask(k, placement, excluded, overlay.id, now)

    def _answers(
        self, questions: Sequence[Question], visitor: str | None, *, may_interleave: bool = False
    ) -> list[TopN]:
        """An answer to each question, all from the snapshot that the visitor reads, or interleaved with another."""
        try:
            view = self._views.now()
        except (SnapshotMissing, SnapshotCorrupt, StoreUnreachable):
            kept = self._answering.without_store(questions)
            if kept is None:
                raise
            return kept
        try:
            return self._from(view, questions, visitor, may_interleave=may_interleave)
        except SnapshotMissing:
            self._tally.add("missed_snapshots")
        view = self._views.again(view)
        try:
            return self._from(view, questions, visitor, may_interleave=may_interleave)
        except SnapshotMissing:
            LOG.exception("the snapshot that the pointer names is not there: fallback lists are served")
            return self._from(view, questions, visitor, is_closed=True)

    def _from(
        self,
        view: View,
        questions: Sequence[Question],
        visitor: str | None,
        *,
        may_interleave: bool = False,
        is_closed: bool = False,
    ) -> list[TopN]:
        if view.is_alone:
            return self._answering.answers(view.stable, "stable", questions, is_closed=is_closed)
        other = view.interleaves(visitor) if may_interleave else None
        beside = [] if other is None else self._answering.beside(other, questions)
        reader, channel = view.of(visitor)
        if channel == "canary" and any(ask.placement not in reader.placements for _, ask, _ in questions):
            reader, channel = view.stable, "stable"
        made = self._answering.answers(reader, channel, questions, is_closed=is_closed)
        if view.shadow is not None:
            for one in made:
                self._shadow.compare(view.shadow, one)
        return mixed(made, beside, [ask.k for _, ask, _ in questions], view.channels.salt)


def _kept(options: Options, tally: Tally) -> Kept | None:
    path = options.last_good
    if path is None:
        return None
    if (path / FILE_NAME).exists():
        return StandIn(MappedReader(path))
    return LastGood(path, n_answers=options.last_good_answers, tally=tally)
