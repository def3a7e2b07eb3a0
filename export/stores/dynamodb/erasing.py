"""One user's lists deleted from every snapshot of the table, counted so that a later check still adds up.

pk `larder#<snapshot>#erased`, sk id of the request: placements L, the lists that the snapshot had
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from export.stores.dynamodb.checking import USERS
from export.stores.dynamodb.lists import is_possible
from export.stores.dynamodb.service.table import Table


def note(table: Table, snapshot: str, placements: Collection[str], *, request: str) -> None:
    """It is known that a request takes a user's lists for these placements from a snapshot; the first note holds.

    Made before anything is deleted: a crash in between leaves a note of lists that the next run deletes.
    """
    names = [{"S": name} for name in sorted(placements)]
    item = {"pk": {"S": _pk(snapshot)}, "sk": {"S": request}, "placements": {"L": names}}
    table.put(item, condition="attribute_not_exists(pk)")


def erase(lists: Table, snapshot: str, user_id: str) -> int:
    """Items of the user deleted that the snapshot itself wrote."""
    if not is_possible(user_id):
        return 0
    pk = f"{snapshot}#{user_id}"
    found = [item["sk"]["S"] for item in lists.query(pk, is_consistent=True)]
    for name in found:
        lists.delete((pk, name))
    return len(found)


def erased(table: Table, snapshot: str) -> Counter[str]:
    """Lists taken from a snapshot by placement, and users under `USERS`."""
    total: Counter[str] = Counter()
    for item in table.query(_pk(snapshot), is_consistent=True):
        total[USERS] += 1
        total.update(one["S"] for one in item["placements"]["L"])
    return total


def _pk(snapshot: str) -> str:
    return f"larder#{snapshot}#erased"
