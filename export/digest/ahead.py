"""Users read a batch ahead, so that a store behind a network is not waited for once a user."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from export.digest.audience import Candidate
from export.stores.base import Reader, UserLists
from export.stores.prefetching import find_all

BATCH: Final = 500
Found = tuple[Candidate, UserLists | None]


def read_ahead(snapshot: Reader, candidates: Iterable[Candidate]) -> Iterator[Found]:
    """Each candidate with what the snapshot holds for the user, None where it does not know the user, in their order.

    Raises:
        SnapshotCorrupt: a user's record is damaged.
        StoreUnreachable: the store did not answer in time.
    """
    source = iter(candidates)
    while batch := list(islice(source, BATCH)):
        yield from zip(batch, find_all(snapshot, [candidate.user_id for candidate in batch]), strict=True)
