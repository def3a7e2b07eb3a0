"""Which snapshots are read now: the pointer, cached for a bounded time, and its snapshots, opened."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final, Protocol

from contracts.errors import LarderError, SnapshotCorrupt, SnapshotMissing, StoreUnreachable
from export.reading.answers import LOG, Channel
from export.reading.breaker import Clock, Guard
from export.reading.channels import is_exposed
from export.reading.tally import Tally
from export.stores.base import Reader
from export.stores.state import Channels, Pointer

NONE: Final = Channels()
RETRY_SECONDS: Final = 1.0
"""Between two looks at a pointer or snapshot that cannot be read."""


class Readable(Protocol):
    """What a reader needs of a store; see `export.stores.base.Store`."""

    @property
    def where(self) -> str:
        """The place, for messages."""
        ...

    def pointer(self) -> Pointer | None:
        """The pointer, None where nothing was flipped yet."""
        ...

    def mark(self) -> Hashable:
        """A value that changes whenever the pointer does."""
        ...

    def open(self, snapshot: str) -> Reader:
        """The snapshot, opened."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """What one request reads. Immutable: a request that took it keeps it, whatever is flipped meanwhile.

    Attributes:
        canary: None where there is none, or it cannot be opened.
        shadow: the same.
        erasures: of the pointer, when the snapshots were opened.
    """

    stable: Reader
    canary: Reader | None = None
    shadow: Reader | None = None
    channels: Channels = NONE
    erasures: int = 0

    @property
    def is_alone(self) -> bool:
        """Whether everybody reads the stable snapshot, and nothing is read beside it."""
        return self.canary is None and self.shadow is None

    def of(self, visitor: str | None) -> tuple[Reader, Channel]:
        """The snapshot that a visitor reads, and the channel that it is of; stable where nobody is named.

        Where lists are interleaved nobody reads the canary alone: see `interleaves`.
        """
        is_canary = not self.channels.interleave and self._is_exposed(visitor)
        return (self.canary, "canary") if is_canary and self.canary is not None else (self.stable, "stable")

    def interleaves(self, visitor: str | None) -> Reader | None:
        """The canary whose items a visitor reads among the stable ones, None where it reads one snapshot."""
        return self.canary if self.channels.interleave and self._is_exposed(visitor) else None

    def _is_exposed(self, visitor: str | None) -> bool:
        known = self.canary is not None and visitor is not None
        return known and is_exposed(str(visitor), self.channels.salt, self.channels.exposure)


class Views:
    """The view of now. Safe to share between threads: one of them looks at the pointer, the others go on."""

    def __init__(
        self,
        store: Readable,
        guard: Guard,
        *,
        max_age_seconds: float,
        clock: Clock,
        tally: Tally,
        on_open: Callable[[Reader], None] | None = None,
        on_erased: Callable[[], object] | None = None,
        quick_mark: Callable[[], Hashable] | None = None,
    ) -> None:
        """Views of `store`, whose pointer is looked at when it was last seen `max_age_seconds` ago.

        `on_open` is told of each snapshot that becomes the stable one, `on_erased` when users were erased from them;
        `quick_mark` is as good as the store's `mark`, and cheap enough to be asked at each question: while it is the
        same, nothing else is done; `failed_pointers` and `failed_opens` of `tally` count what could not be read.
        """
        self._store, self._guard, self._max_age, self._clock = store, guard, max_age_seconds, clock
        self._tally, self._on_open, self._on_erased, self._quick_mark = tally, on_open, on_erased, quick_mark
        self._view: View | None = None
        self._mark: Hashable = None
        self._quickly: Hashable = None
        self._look_at = float("-inf")
        self._lock: Final = threading.Lock()

    @property
    def seen(self) -> View | None:
        """The view as last seen; no call to the store."""
        return self._view

    def now(self) -> View:
        """The view; where the store is away or the new snapshot cannot be opened, the one before.

        Raises:
            SnapshotMissing: nothing was ever published.
            SnapshotCorrupt: the current snapshot is damaged and no earlier one is open.
            StoreUnreachable: the store does not answer and never did.
        """
        seen = self._view
        if seen is not None:
            if self._is_same():
                return seen
            if self._clock() < self._look_at or not self._lock.acquire(blocking=False):
                return seen
            try:
                return self._look(seen)
            finally:
                self._lock.release()
        with self._lock:
            return self._view or self._look(None)

    def _is_same(self) -> bool:
        """Whether the pointer is the one last seen; an error is left to the guarded look, which counts and logs it."""
        try:
            return self._quick_mark is not None and self._quick_mark() == self._quickly
        except OSError:
            return False

    def again(self, missed: View) -> View:
        """The view after `missed`, whose snapshot is in the store no more: the pointer is read again, once."""
        with self._lock:
            if self._view is not missed:
                return self._view or missed
            self._mark = None
            return self._look(missed)

    def _look(self, seen: View | None) -> View:
        try:
            quickly = None if self._quick_mark is None else self._guard.call(self._quick_mark)
            mark = self._guard.call(self._store.mark)
            if seen is None or mark != self._mark:
                seen = self._view = self._opened(seen)
                self._mark = mark
            self._quickly = quickly
        except (SnapshotMissing, SnapshotCorrupt, StoreUnreachable) as error:
            if seen is None:
                raise
            self._tally.add("failed_pointers" if isinstance(error, StoreUnreachable) else "failed_opens")
            LOG.error("the pointer's snapshot cannot be opened: still serving %s; %s", seen.stable.id, error)
            self._look_at = self._clock() + max(self._max_age, RETRY_SECONDS)
            return seen
        self._look_at = self._clock() + self._max_age
        return seen

    def _opened(self, seen: View | None) -> View:
        try:
            return self._open(self._pointer(), seen)
        except SnapshotMissing:
            return self._open(self._pointer(), seen)  # retention may have taken it since the pointer was read

    def _pointer(self) -> Pointer:
        pointer = self._guard.call(self._store.pointer)
        if pointer is None:
            raise SnapshotMissing(
                "No snapshot was published yet",
                where=self._store.where,
                todo="Run a night, or publish and flip a snapshot.",
            )
        return pointer

    def _open(self, pointer: Pointer, seen: View | None) -> View:
        is_same = seen is not None and seen.erasures == pointer.erasures
        readers = (seen.stable, seen.canary, seen.shadow) if seen is not None and is_same else ()
        if seen is not None and not is_same and self._on_erased is not None:
            self._on_erased()
        known = {reader.id: reader for reader in readers if reader is not None}
        stable = known.get(pointer.snapshot) or self._guard.call(lambda: self._store.open(pointer.snapshot))
        if self._on_open is not None and stable.id not in known:
            self._on_open(stable)
        known[stable.id] = stable
        canary, shadow = (self._beside(name, known) for name in (pointer.channels.canary, pointer.channels.shadow))
        return View(stable, canary, shadow, pointer.channels, pointer.erasures)

    def _beside(self, snapshot: str, known: dict[str, Reader]) -> Reader | None:
        """The canary or the shadow, None where it cannot be opened: its users read the stable one."""
        if not snapshot:
            return None
        try:
            return known.get(snapshot) or self._guard.call(lambda: self._store.open(snapshot))
        except LarderError as error:
            self._tally.add("failed_opens")
            LOG.error("%s cannot be opened, and is not served: %s", snapshot, error)
            return None


class Pinned:
    """One snapshot in place of a store: it never changes."""

    def __init__(self, snapshot: Reader) -> None:
        """`snapshot` is current for good."""
        self.view = View(snapshot)

    @property
    def seen(self) -> View:
        """The view."""
        return self.view

    def now(self) -> View:
        """The view."""
        return self.view

    def again(self, _missed: View) -> View:
        """The view."""
        return self.view
