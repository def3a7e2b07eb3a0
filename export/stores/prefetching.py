"""Many users of one snapshot read at once: requests side by side, a failure for whom it concerns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Protocol, TypeVar, runtime_checkable

from contracts.errors import LarderError, SnapshotCorrupt, StoreUnreachable
from export.stores.base import Reader, UserLists

T = TypeVar("T")
R = TypeVar("R")
READS_AT_ONCE: Final = 16
"""Requests of one reader that may wait for their answers; the clients keep as many connections."""


@runtime_checkable
class Prefetching(Protocol):
    """A snapshot whose users are read many at once."""

    def prefetched(self, user_ids: Collection[str], *, is_brief: bool = False) -> Reader:
        """A reader of the same snapshot that has read these users.

        Its `find` raises for a user who could not be read, and only for such a one.

        Args:
            user_ids: any texts.
            is_brief: all of it ends within the deadline of one lookup.

        Raises:
            SnapshotMissing: the snapshot is in the store no more.
            LarderError: not one of them could be reached.
        """
        ...


class ReadPool:
    """Threads for reading side by side, made when first needed; they end when nobody holds the pool any more."""

    def __init__(self, n: int = READS_AT_ONCE) -> None:
        """At most `n` reads at once, whoever asks."""
        self._n = n
        self._threads: ThreadPoolExecutor | None = None
        self._lock: Final = threading.Lock()

    def map(self, work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
        """`work` of each part, in order; one part alone is done by the caller's own thread."""
        if len(parts) <= 1:
            return [work(part) for part in parts]
        with self._lock:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(self._n, thread_name_prefix="larder-ahead")
        return list(self._threads.map(work, parts))


def find_all(snapshot: Reader, user_ids: Sequence[str]) -> list[UserLists | None]:
    """What a snapshot holds for each user, in order, None where it does not know the user.

    Raises:
        SnapshotCorrupt: a user's record is damaged.
        SnapshotMissing: the snapshot is in the store no more.
        StoreUnreachable: the store did not answer in time.
    """
    ahead = snapshot.prefetched(user_ids) if user_ids and isinstance(snapshot, Prefetching) else snapshot
    return [ahead.find(user) for user in user_ids]


def raise_if_all(errors: Sequence[LarderError], n_users: int) -> None:
    """Raises the first error where none of the users could be reached: then it is the store that is away."""
    away = [error for error in errors if not isinstance(error, SnapshotCorrupt)]
    if away and len(away) == n_users:
        raise away[0]


def failure_of(error: LarderError) -> LarderError:
    """What a lookup of a user raises whose read ended with `error`: damage stays damage, all else is unreachable."""
    if isinstance(error, SnapshotCorrupt | StoreUnreachable):
        return error
    return StoreUnreachable(error.what, where=error.where, todo=error.todo)
