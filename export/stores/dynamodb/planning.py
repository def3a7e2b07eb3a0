"""Which users of a build are written, when those whose lists lie in the table already are left out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np

from contracts.errors import SnapshotCorrupt
from export.format.records import Record, key_hash
from export.stores.dynamodb.builds import Build, grouped, in_parallel
from export.stores.dynamodb.changes import encode_filter
from export.stores.dynamodb.items import decode
from export.stores.dynamodb.lists import ListTable, hash_of
from export.stores.dynamodb.service.sizes import MAX_BATCH_KEYS, write_units

ChangedOnly = Literal["off", "exact", "order"]
"""Which lists count as unchanged: none, those with the same scores too, or those that show the same in one order."""


READ_UNITS_PER_KEY: Final = 0.5


@dataclass(slots=True)
class Plan:
    """Which users are written.

    Attributes:
        changed: key hashes of the users whose items are written; None for everybody.
        dropped: users of the base that the snapshot has no more.
        skipped_lists: lists that lie in the base already, read and compared.
        skipped_units: write units saved by that.
        n_compared: users of the build whom the base has.
        read_units: of the comparison, at least.
    """

    changed: set[int] | None = None
    dropped: list[str] = field(default_factory=list)
    skipped_lists: int = 0
    skipped_units: int = 0
    n_compared: int = 0
    read_units: float = 0.0

    def filter(self) -> bytes:
        """The filter of the users with items of their own; empty where everybody has."""
        if self.changed is None:
            return b""
        return encode_filter(np.fromiter(self.changed, dtype=np.uint64, count=len(self.changed)))


def plan(build: Build, base: ListTable, n_base_users: int, how: ChangedOnly, threads: int) -> Plan:
    """What is written over `base`, whose every list is read and compared.

    Args:
        build: has the placements of the base.
        base: the lists of the current snapshot.
        n_base_users: users it had when it was published.
        how: which lists count as the same; not `off`.
        threads: connections used.

    Raises:
        StoreUnreachable: the table does not answer.
    """

    def compare(records: Sequence[Record]) -> Plan:
        return _compare(build, base, records, is_exact=how == "exact")

    changed: set[int] = set()
    made = Plan(changed)
    per_read = max(1, MAX_BATCH_KEYS // (len(build.placements) + 1))
    for part in in_parallel(compare, grouped(build.records(), per_read), threads):
        changed |= part.changed or set()
        made.skipped_lists += part.skipped_lists
        made.skipped_units += part.skipped_units
        made.n_compared += part.n_compared
        made.read_units += part.read_units
    if made.n_compared != n_base_users:
        users = {record.user_id for record in build.records()}
        made.dropped = sorted(user for user in base.user_ids() if user.encode() not in users)
        changed |= {hash_of(user) for user in made.dropped}
    return made


def _compare(build: Build, base: ListTable, records: Sequence[Record], *, is_exact: bool) -> Plan:
    changed: set[int] = set()
    made = Plan(changed)
    # Not consistent, at half the price: what is missed is written again.
    found = base.find_many([record.user_id.decode() for record in records])
    made.read_units = len(records) * len(build.placements) * READ_UNITS_PER_KEY
    for record in records:
        items = found.get(record.user_id.decode())
        made.n_compared += items is not None
        if items is not None and _is_same(build, record, items, is_exact=is_exact):
            sizes = [one.n_bytes for one in build.of(record)]
            made.skipped_lists += len(sizes)
            made.skipped_units += sum(map(write_units, sizes))
        else:
            changed.add(key_hash(record.user_id))
    return made


def _is_same(build: Build, record: Record, items: Mapping[str, Mapping[str, Any]], *, is_exact: bool) -> bool:
    """Whether the user's items are whole, for the same placements, and show what the record does."""
    if set(items) != {build.placements[number] for number in record.lists}:
        return False
    try:
        for item in items.values():
            decode(item)
    except SnapshotCorrupt:
        return False  # written anew, which mends it for this snapshot
    return all(
        build.encoder.is_same(record, number, items[build.placements[number]], with_scores=is_exact)
        for number in record.lists
    )
