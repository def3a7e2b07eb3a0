"""Calls to a store that may be away: bounded in time, tried twice, and not tried at all while it keeps failing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import Final, TypeVar

from contracts.errors import InputInvalid, LarderError, SnapshotCorrupt, SnapshotMissing, StoreUnreachable

T = TypeVar("T")
Clock = Callable[[], float]
ANSWERS: Final = (InputInvalid, SnapshotCorrupt, SnapshotMissing)
"""Errors by which a store that works tells what it has; another try would say the same."""
MAX_THREADS: Final = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a reader waits for its store.

    Attributes:
        try_seconds: for one call; None where the store cannot hang, such as a local disk.
        tries: of one call; 1 for a store that tries again by itself.
        failures: calls in a row that failed before the breaker opens.
        open_seconds: so long no call is made; then one caller tries.
    """

    try_seconds: float | None = None
    tries: int = 2
    failures: int = 5
    open_seconds: float = 10.0


class Breaker:
    """Says whether a call is worth making. Safe to share between threads.

    Attributes:
        opened: how often it opened.
    """

    def __init__(self, *, failures: int, open_seconds: float, clock: Clock) -> None:
        """Closed. `clock` is monotonic, in seconds."""
        self._failures, self._open_seconds, self._clock = failures, open_seconds, clock
        self._in_row = 0
        self._until: float | None = None
        self._lock: Final = threading.Lock()
        self.opened = 0

    @property
    def is_open(self) -> bool:
        """Whether callers are sent away now, but for the one that tries."""
        return self._until is not None

    def allows(self) -> bool:
        """Whether this caller may call; while it is open, one caller in `open_seconds` may, to try."""
        if not self.is_open:
            return True
        with self._lock:
            if self._until is not None and self._clock() < self._until:
                return False
            self._until = self._clock() + self._open_seconds
            return True

    def succeeded(self) -> None:
        """The store answered: everyone may call."""
        if self._in_row or self._until is not None:
            with self._lock:
                self._in_row, self._until = 0, None

    def failed(self) -> None:
        """The store did not answer, after all tries."""
        with self._lock:
            self._in_row += 1
            if self._in_row >= self._failures:
                self.opened += self._until is None
                self._until = self._clock() + self._open_seconds


class Guard:
    """Makes calls within the limits."""

    def __init__(self, limits: Limits, clock: Clock) -> None:
        """`clock` is monotonic, in seconds."""
        self.breaker = Breaker(failures=limits.failures, open_seconds=limits.open_seconds, clock=clock)
        self._seconds, self._tries = limits.try_seconds, limits.tries
        self._threads: ThreadPoolExecutor | None = None
        if self._seconds is not None:
            self._threads = ThreadPoolExecutor(MAX_THREADS, thread_name_prefix="larder-read")

    def call(self, work: Callable[[], T]) -> T:
        """What `work` returns, of its first try that ends well.

        Raises:
            StoreUnreachable: all of them failed or took too long, or the breaker is open.
            LarderError: what a store that works tells: `InputInvalid`, `SnapshotCorrupt`, `SnapshotMissing`.
        """
        if not self.breaker.allows():
            raise _unreachable("The store failed so often that it is not asked for now", None)
        last: Exception | None = None
        for _ in range(self._tries):
            try:
                made = self._bounded(work)
            except ANSWERS:
                self.breaker.succeeded()
                raise
            except (LarderError, OSError, FutureTimeout) as error:
                last = error
                continue
            self.breaker.succeeded()
            return made
        self.breaker.failed()
        raise _unreachable(f"The store did not answer: {type(last).__name__}: {str(last).partition(chr(10))[0]}", last)

    def behind(self, work: Callable[[], None]) -> None:
        """Does `work` behind the caller's back where there are threads, else at once; it handles its own failures."""
        if self._threads is None:
            work()
        elif not self.breaker.is_open:
            self._threads.submit(work)

    def close(self) -> None:
        """Lets the threads go; calls still running are not waited for."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _bounded(self, work: Callable[[], T]) -> T:
        if self._threads is None:
            return work()
        running = self._threads.submit(work)
        try:
            return running.result(self._seconds)
        except FutureTimeout:
            running.cancel()
            raise


def _unreachable(what: str, cause: Exception | None) -> StoreUnreachable:
    error = StoreUnreachable(
        what,
        where="the snapshot store",
        todo="Look at the store and the network; lists are answered from what is here.",
    )
    error.__cause__ = cause
    return error
