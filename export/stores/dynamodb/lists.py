"""The lists of one snapshot in the table, wherever in its generations they lie."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from contracts.errors import InputMissing, LarderError, SnapshotMissing
from export.format.manifest import corrupt
from export.format.records import MAX_ID_BYTES, key_hash
from export.stores.dynamodb import chunks
from export.stores.dynamodb.catalogue import Catalogue, Entry
from export.stores.dynamodb.changes import Generation, UserFilter, places
from export.stores.dynamodb.service.sizes import MAX_BATCH_KEYS, item_bytes
from export.stores.dynamodb.service.table import BatchRead, Item, Table
from export.stores.dynamodb.service.wire import Key, Request
from export.stores.prefetching import ReadPool

DROPPED: Final = "larder#dropped"
"""Sort key of the item that says that a later snapshot has a user no more."""

FILTER_NAME: Final = "changed.filter"
UserItems = dict[str, Item]
"""The items of one user by placement."""


@dataclass(frozen=True, slots=True)
class ListTable:
    """The lists of one snapshot.

    Attributes:
        table: holds them.
        generations: latest first; the last one has every user.
        placements: names of the placements.
        seconds: deadline of one call.
    """

    table: Table
    generations: tuple[Generation, ...]
    placements: tuple[str, ...]
    seconds: float

    def find(self, user_id: str, *, is_consistent: bool = False) -> UserItems | None:
        """The user's items, or None where the snapshot has none: one read, for one in a hundred users two."""
        if not is_possible(user_id):
            return None
        table = self.table.within(self.seconds)
        for snapshot in places(self.generations, hash_of(user_id)):
            try:
                partition = list(table.query(f"{snapshot}#{user_id}", is_consistent=is_consistent))
            except InputMissing as error:
                raise _dropped(snapshot, table) from error
            items = {item["sk"]["S"]: item for item in partition}
            if items:
                return None if DROPPED in items else items
        return None

    def find_many(self, user_ids: Collection[str], *, is_consistent: bool = False) -> dict[str, UserItems]:
        """The items of those users whom the snapshot has."""
        found: dict[str, UserItems] = {}
        for user, items in self.read_many(user_ids, ReadPool(1), is_consistent=is_consistent).items():
            if isinstance(items, LarderError):
                raise items
            found[user] = items
        return found

    def read_many(
        self, user_ids: Collection[str], pool: ReadPool, *, is_consistent: bool = False, is_brief: bool = True
    ) -> dict[str, UserItems | LarderError]:
        """The items of those users whom the snapshot has, and errors of those who could not be read.

        Args:
            user_ids: any texts, each once.
            pool: reads batches of a hundred keys side by side.
            is_consistent: not of a replica that may lag behind; at twice the price.
            is_brief: all of it ends within the deadline of one call; else each batch has as long.
        """
        found: dict[str, UserItems | LarderError] = {}
        left = {user: places(self.generations, hash_of(user)) for user in user_ids if is_possible(user)}
        brief = self.table.within(self.seconds)

        def read(keys: Sequence[Key]) -> BatchRead:
            return (brief if is_brief else self.table.within(self.seconds)).get_batch(keys, is_consistent=is_consistent)

        while left:
            keys = {user: self._keys(where[0], user) for user, where in left.items()}
            wanted = [key for some in keys.values() for key in some]
            parts = [wanted[start : start + MAX_BATCH_KEYS] for start in range(0, len(wanted), MAX_BATCH_KEYS)]
            reads = pool.map(read, parts)
            answered = {key: item for one in reads for key, item in one.found.items()}
            failed = {key: one.error for one in reads for key in one.unread}
            for user, some in keys.items():
                error = next((failed[key] for key in some if key in failed), None)
                if isinstance(error, InputMissing):
                    raise _dropped(left[user][0], brief) from error
                if error is not None:
                    found[user] = error
                elif items := {key[1]: answered[key] for key in some if key in answered}:
                    found[user] = items
            left = {user: where[1:] for user, where in left.items() if user not in found and where[1:]}
        return {user: items for user, items in found.items() if isinstance(items, LarderError) or DROPPED not in items}

    def user_ids(self) -> Iterator[str]:
        """Ids of all users, each once; reads the whole table. Memory grows by the ids where there are generations."""
        newest = {one.snapshot: age for age, one in enumerate(self.generations)}
        seen: dict[str, tuple[int, bool]] = {}
        last = ""
        for pk, sk in self.table.scan_keys([f"{name}#" for name in newest]):
            snapshot, _, user = pk.partition("#")
            if len(newest) == 1:
                if pk != last:
                    yield user
                last = pk
            elif user not in seen or seen[user][0] > newest[snapshot]:
                seen[user] = newest[snapshot], sk == DROPPED
        yield from (user for user, (_, is_dropped) in seen.items() if not is_dropped)

    def _keys(self, snapshot: str, user: str) -> list[Key]:
        is_last = snapshot == self.generations[-1].snapshot
        names: Sequence[str] = self.placements if is_last else (*self.placements, DROPPED)
        return [(f"{snapshot}#{user}", name) for name in names]


def open_lists(
    table: Table, reading: Table, catalogue: Catalogue, entry: Entry, placements: Collection[str], *, seconds: float
) -> ListTable:
    """The lists of the snapshot of `entry`, read through `reading` within so many seconds a call.

    Raises:
        SnapshotCorrupt: a filter is damaged or gone.
    """
    made = []
    for snapshot in entry.generations:
        own = entry if snapshot == entry.snapshot else catalogue.get(snapshot)
        if own is None:
            raise corrupt(f"The lists of {snapshot} are gone, which {entry.snapshot} needs", table.where)
        users = None
        if snapshot != entry.generations[-1]:
            data = chunks.read(table, snapshot, FILTER_NAME, own.filter_bytes)
            users = UserFilter(data, f"{table.where} {snapshot}")
        made.append(Generation(snapshot, users))
    return ListTable(reading.named(entry.table), tuple(made), tuple(placements), seconds)


def _dropped(snapshot: str, table: Table) -> SnapshotMissing:
    return SnapshotMissing(
        f"The table with the lists of {snapshot} is no more", where=table.where, todo="Read the pointer again."
    )


def dropped_request(snapshot: str, user_id: str, *, expires_at: int) -> Request:
    """The item that says that `snapshot` has the user no more."""
    pk = f"{snapshot}#{user_id}"
    item = {"pk": {"S": pk}, "sk": {"S": DROPPED}, "expires_at": {"N": str(expires_at)}, "snapshot": {"S": snapshot}}
    return Request(pk, DROPPED, msgspec.json.encode(item), item_bytes(item))


def is_possible(user_id: str) -> bool:
    """Whether a snapshot can have such a user at all: DynamoDB refuses to be asked for others."""
    try:
        return len(user_id.encode()) <= MAX_ID_BYTES
    except UnicodeEncodeError:
        return False


def hash_of(user_id: str) -> int:
    """The key hash of a user."""
    return key_hash(user_id.encode("utf-8", "surrogatepass"))
