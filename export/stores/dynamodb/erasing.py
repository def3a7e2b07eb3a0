"""One user's lists deleted from every snapshot of the table, counted so that a later check still adds up.

pk `larder#<snapshot>#erased`, sk keyed hash of the user: placements L, the lists that the snapshot had
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from msgspec.structs import replace

from contracts.errors import InputMissing
from export.stores.dynamodb.catalogue import STOPPED, Catalogue, Entry
from export.stores.dynamodb.checking import USERS
from export.stores.dynamodb.lists import is_possible, open_lists
from export.stores.dynamodb.publishing import Pace
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import delete_request


def take_out(table: Table, catalogue: Catalogue, users: Mapping[str, str], *, seconds: float) -> dict[str, int]:
    """Users taken out of each complete snapshot, by id; their items are deleted from the others too.

    Args:
        table: with the deadline of all of it.
        catalogue: of the table.
        users: keyed hash by user id.
        seconds: deadline of one call.
    """
    found: Counter[str] = Counter()
    _stop_publishers(catalogue)
    entries = catalogue.entries()
    for entry in entries:
        if entry.phase == "complete":
            lists = open_lists(table, table, catalogue, entry, (), seconds=seconds)
            for user, hashed in users.items():
                items = lists.find(user, is_consistent=True)
                if items:
                    note(table, entry.snapshot, items, hashed=hashed)
                    found[entry.snapshot] += 1
    for entry in entries:
        for user in users:
            erase(table.named(entry.table), entry.snapshot, user)
    return dict(found)


def _stop_publishers(catalogue: Catalogue) -> None:
    """No snapshot becomes complete whose writing has begun: who writes it may have the users, and starts again."""
    for entry in catalogue.entries():
        now: Entry | None = entry
        while now is not None and now.phase == "incoming" and now.erasures != STOPPED:
            catalogue.replace(now, replace(now, erasures=STOPPED))
            now = catalogue.get(entry.snapshot)


def wipe(table: Table, snapshot: str, pace: Pace) -> None:
    """No item of a snapshot that never was complete is left: whoever wrote it may have written an erased user."""
    keys = table.scan_keys([f"{snapshot}#"])
    pace.writer(table).write(map(delete_request, keys), expected=None)


def note(table: Table, snapshot: str, placements: Collection[str], *, hashed: str) -> None:
    """It is known that a user's lists for these placements are taken from a snapshot; the first note holds.

    Made before anything is deleted: a crash in between leaves a note of lists that the next run deletes.
    """
    names = [{"S": name} for name in sorted(placements)]
    item = {"pk": {"S": _pk(snapshot)}, "sk": {"S": hashed}, "placements": {"L": names}}
    table.put(item, condition="attribute_not_exists(pk)")


def erase(lists: Table, snapshot: str, user_id: str) -> int:
    """Items of the user deleted that the snapshot itself wrote."""
    if not is_possible(user_id):
        return 0
    pk = f"{snapshot}#{user_id}"
    try:
        found = [item["sk"]["S"] for item in lists.query(pk, is_consistent=True)]
    except InputMissing:
        return 0  # the table of a snapshot that is still to be imported, or is being dropped
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
