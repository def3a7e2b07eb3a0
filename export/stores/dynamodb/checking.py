"""A snapshot in the table read back without its build: every list whole, and as many as the manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from export.format.manifest import Manifest, corrupt
from export.stores.dynamodb.builds import grouped, in_parallel
from export.stores.dynamodb.items import decode
from export.stores.dynamodb.lists import ListTable
from export.stores.dynamodb.service.sizes import MAX_BATCH_KEYS

USERS: Final = "larder#users"


def check_lists(lists: ListTable, manifest: Manifest, erased: Counter[str], threads: int) -> None:
    """Passes where users and lists are those of the manifest, and each list is what was written.

    Args:
        lists: of the snapshot; reads the whole table twice.
        manifest: of the snapshot.
        erased: lists erased since, by placement, and users under `USERS`.
        threads: connections used.

    Raises:
        SnapshotCorrupt: a list is damaged, or a count differs.
    """

    def count(users: Sequence[str]) -> Counter[str]:
        found = lists.find_many(users, is_consistent=True)
        made = Counter({USERS: len(found)})
        for items in found.values():
            for placement, item in items.items():
                decode(item)
                made[placement] += 1
        return made

    total = Counter(erased)
    per_read = max(1, MAX_BATCH_KEYS // (len(manifest.placements) + 1))
    for part in in_parallel(count, grouped(lists.user_ids(), per_read), threads):
        total.update(part)
    wanted = {USERS: manifest.n_users, **{name: made.lists for name, made in manifest.placements.items()}}
    for name, n in wanted.items():
        if total[name] != n:
            raise corrupt(f"There are {total[name]} of {name}, the manifest says {n}", lists.table.where)
