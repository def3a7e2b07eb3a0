"""Users read a batch ahead, so that a store behind a network is not waited for once a user."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, Protocol, runtime_checkable

from export.digest.audience import Candidate
from export.stores.base import Reader, UserLists
from export.stores.mapped import MappedReader

BATCH: Final = 500
THREADS: Final = 16
Found = tuple[Candidate, UserLists | None]


@runtime_checkable
class Prefetching(Protocol):
    """A snapshot whose users are read many a request."""

    def prefetched(self, user_ids: Collection[str]) -> Reader:
        """A reader of the same snapshot that has read these users."""
        ...


def read_ahead(snapshot: Reader, candidates: Iterable[Candidate]) -> Iterator[Found]:
    """Each candidate with what the snapshot holds for the user, None where it does not know the user, in their order.

    Raises:
        SnapshotCorrupt: a user's record is damaged.
        StoreUnreachable: the store did not answer in time.
    """
    if isinstance(snapshot, MappedReader):
        yield from ((candidate, snapshot.find(candidate.user_id)) for candidate in candidates)
        return
    source = iter(candidates)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="digest") as pool:
        while batch := list(islice(source, BATCH)):
            ids = [candidate.user_id for candidate in batch]
            if isinstance(snapshot, Prefetching):
                found = list(map(snapshot.prefetched(ids).find, ids))
            else:
                found = list(pool.map(snapshot.find, ids))
            yield from zip(batch, found, strict=True)
