"""The users of two snapshots side by side, a batch at a time: memory does not grow with the number of users."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Final, NamedTuple

from export.format.manifest import corrupt
from export.stores.base import Reader, UserLists
from export.stores.prefetching import find_all

BATCH: Final = 500


class Pair(NamedTuple):
    """What two snapshots hold for one user, None where one does not know the user; never None twice."""

    user_id: str
    before: UserLists | None
    after: UserLists | None


def pairs(before: Reader, after: Reader, is_chosen: Callable[[str], bool]) -> Iterator[Pair]:
    """Each chosen user of either snapshot, once, in no particular order.

    Both snapshots' ids are read to the end. A chosen user costs up to three reads of one record: none where the
    snapshot is memory-mapped, range requests in S3; a batch of users is one batch read in DynamoDB.

    Raises:
        SnapshotCorrupt: a record is damaged, or a user that was listed is not found.
        SnapshotMissing: a snapshot is in its store no more.
        StoreUnreachable: a store did not answer in time.
    """
    for ids in _batches(before, is_chosen):
        yield from map(Pair, ids, _listed(before, ids), find_all(after, ids))
    for ids in _batches(after, is_chosen):
        known = find_all(before, ids)
        new = [user for user, lists in zip(ids, known, strict=True) if lists is None]
        yield from (Pair(user, None, lists) for user, lists in zip(new, _listed(after, new), strict=True))


def _batches(snapshot: Reader, is_chosen: Callable[[str], bool]) -> Iterator[list[str]]:
    chosen = filter(is_chosen, snapshot.user_ids())
    while batch := list(islice(chosen, BATCH)):
        yield batch


def _listed(snapshot: Reader, ids: Sequence[str]) -> list[UserLists]:
    found = [lists for lists in find_all(snapshot, ids) if lists is not None]
    if len(found) < len(ids):
        raise corrupt(f"{len(ids) - len(found)} users that the snapshot lists are not found in it", snapshot.where)
    return found
