"""Small nights in a table, for tests of what only the DynamoDB store does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from export.format.manifest import Manifest
from export.lookup import Lists
from export.stores.base import Published
from export.stores.dynamodb.service.wire import Key
from export.stores.dynamodb.store import TableStore
from tests.stores.conftest import bless
from tests.stores.places import InTable
from tests.stores.servers import processes

AT: Final = "2026-01-02T03:04:05Z"
LATER: Final = "2026-01-02T05:04:05Z"
Build = Callable[..., Manifest]
Publish = Callable[..., Published]
HOME = [("ann", [2, 1, 0]), ("bob", [3]), ("cat", [1, 2])]


def row(user: str, items: Sequence[int], *, placement: str = "home", scale: float = 1.0) -> dict[str, Any]:
    """One list."""
    n = len(items)
    return {
        "user_id": user, "placement": placement, "segment": "north", "item_idx": list(items),
        "scores": [scale * (n - place) for place in range(n)], "reasons": [1] * n, "anchors": [-1] * n,
    }  # fmt: skip


def rows(changed: dict[str, list[int]] | None = None, *, scale: float = 1.0) -> list[dict[str, Any]]:
    """The lists of three users, one of them with two, with some changed."""
    made = [row(user, (changed or {}).get(user, items), scale=scale) for user, items in HOME]
    return [*made, row("ann", [3], placement="discover", scale=scale)]


def publisher(folder: Path, build: Build) -> Publish:
    """Builds, blesses and publishes the night of a day, and flips to it."""

    def run(store: TableStore, day: int, lists: list[dict[str, Any]], *, is_flipped: bool = True) -> Published:
        manifest = build(folder / "build", day=day, rows=lists)
        made = store.publish(folder / "build", blessing=bless(folder / "blessing.json", manifest))
        if is_flipped:
            store.flip(made.snapshot, expected=store.pointer(), by=f"night-{day}", reason="night", at=AT)
        return made

    return run


def opened(place: InTable, **more: Any) -> TableStore:
    """The store of the place with other settings."""
    store = InTable(place.endpoint, place.table, more=more).store()
    assert isinstance(store, TableStore)
    return store


def keys_of(place: InTable, prefix: str) -> list[Key]:
    """Keys of all items whose partition key begins so."""
    found = processes.client("dynamodb", place.endpoint).scan(TableName=place.table, ConsistentRead=True)["Items"]
    keys = [(item["pk"]["S"], item["sk"]["S"]) for item in found]
    return sorted(key for key in keys if key[0].startswith(prefix))


def answers(place: InTable, users: Sequence[str] = ("ann", "bob", "cat")) -> dict[str, list[str]]:
    """What a fresh reader answers; all from one snapshot."""
    made = Lists(opened(place)).get_many(users, 9, "home")
    assert len({one.snapshot for one in made}) == 1
    return {one.user_id: one.items for one in made if one.source == "personal"}
