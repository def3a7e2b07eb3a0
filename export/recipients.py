"""The lists of all users of one snapshot, in the order of the user ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from export.lookup import Lists, TopN
from export.stores.base import Reader, Store


def pinned_lists(source: Store | Reader | Path) -> Lists:
    """The lists of the snapshot that is current now; they stay on it when the pointer moves.

    Raises:
        SnapshotMissing: no snapshot was published yet.
    """
    return Lists(Lists(source).current())


def user_ids(snapshot: Reader) -> list[str]:
    """Ids of all users with a record, ascending by code point. Memory grows by the ids, not by the lists.

    Raises:
        SnapshotCorrupt: a record is damaged, so that its user would be lost.
    """
    return sorted(snapshot.user_ids())


def all_lists(lists: Lists, users: Iterable[str], k: int, placement: str) -> Iterator[TopN]:
    """The users' lists, one at a time, in the order given."""
    return (lists.get(user, k, placement) for user in users)
