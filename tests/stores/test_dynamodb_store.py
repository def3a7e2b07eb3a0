from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from contracts.errors import SnapshotCorrupt, SnapshotMissing
from export.format.manifest import Manifest
from export.lookup import Lists
from export.stores.base import Published
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import Key, Request
from export.stores.dynamodb.store import TableStore
from tests.stores.places import InTable, Place, new_place
from tests.stores.servers import faults, processes

AT = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T05:04:05Z"
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


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> InTable:
    """An empty table."""
    made = new_place("dynamodb", request, tmp_path)()
    assert isinstance(made, InTable)
    return made


@pytest.fixture
def publish(tmp_path: Path, build: Build) -> Publish:
    """Builds, blesses and publishes the night of a day, and flips to it."""
    from tests.stores.conftest import bless

    def run(store: TableStore, day: int, lists: list[dict[str, Any]], *, is_flipped: bool = True) -> Published:
        manifest = build(tmp_path / "build", day=day, rows=lists)
        made = store.publish(tmp_path / "build", blessing=bless(tmp_path / "blessing.json", manifest))
        if is_flipped:
            store.flip(made.snapshot, expected=store.pointer(), by=f"night-{day}", reason="night", at=AT)
        return made

    return run


def opened(place: Place, **more: Any) -> TableStore:
    """The store of the place with other settings."""
    assert isinstance(place, InTable)
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


def test_any_sdk_reads_a_list_without_this_library(place: InTable, publish: Publish) -> None:
    """Two GetItem calls with boto3 alone: the pointer names the snapshot, the snapshot and the user name the list."""
    publish(opened(place), 1, rows())
    table = boto3.resource("dynamodb", endpoint_url=place.endpoint).Table(place.table)
    snapshot = table.get_item(Key={"pk": "larder#pointer", "sk": "-"})["Item"]["snapshot"]
    item = table.get_item(Key={"pk": f"{snapshot}#ann", "sk": "home"})["Item"]
    assert (item["items"], item["as_of"], item["snapshot"], item["segment"]) == (
        ["jam", "milk", "bread"], "2026-01-01", snapshot, "north",
    )  # fmt: skip
    low, high = item["low"], item["high"]
    assert [float(low + step * (high - low) / 255) for step in item["scores"].value] == pytest.approx(
        [3, 2, 1], abs=0.01
    )
    assert item["reasons"] == "aaa"
    assert item["expires_at"] == 1767312000 + 30 * 86400  # the end of 2026-01-01, and thirty days


def test_a_lookup_is_one_query(place: InTable, publish: Publish) -> None:
    """All placements of a user in one request; a page of users in one too; a user who is not there costs a second."""
    publish(opened(place), 1, rows())
    store = opened(place, connections=2)
    pointer = store.pointer()
    assert pointer is not None
    reader = store.open(pointer.snapshot)
    with faults.watched() as requests:
        user = reader.find("ann")
    assert user is not None
    made = [user.rows("home", 9), user.rows("discover", 9)]
    assert [one and one.items for one in made] == [["jam", "milk", "bread"], ["tea"]]
    assert [request.headers["X-Amz-Target"] for request in requests] == [b"DynamoDB_20120810.Query"]
    with faults.watched() as requests:
        page = reader.prefetched(["ann", "bob", "cat"])
        assert [page.find(user) is None for user in ("ann", "bob", "cat")] == [False, False, False]
    assert [request.headers["X-Amz-Target"] for request in requests] == [b"DynamoDB_20120810.BatchGetItem"]
    with faults.watched() as requests:
        assert [reader.find("nobody"), reader.find("nobody else"), reader.find("\ud800"), reader.find("x" * 9000)] == [
            None, None, None, None,
        ]  # fmt: skip
    assert len(requests) == 3


def test_keys_left_unprocessed_are_read_again(place: InTable, publish: Publish) -> None:
    """A server that answers one key a call is asked until every key was."""
    publish(opened(place), 1, rows())
    store = opened(place)
    calls = []

    def leave(parsed: dict[str, Any], **_: Any) -> None:
        items = parsed["Responses"][place.table]
        calls.append(len(items))
        left = [{"pk": item["pk"], "sk": item["sk"]} for item in items[1:]]
        parsed["Responses"] = {place.table: items[:1]}
        parsed["UnprocessedKeys"] = {place.table: {"Keys": left}} if left else {}

    store._reading.client.meta.events.register("after-call.dynamodb.BatchGetItem", leave)
    pointer = store.pointer()
    assert pointer is not None
    page = store.open(pointer.snapshot).prefetched(["ann", "bob", "cat"])
    assert [page.find(user) is not None for user in ("ann", "bob", "cat")] == [True, True, True]
    assert calls == [4, 3, 2, 1]


def test_items_left_unprocessed_are_counted_and_sent_again(
    place: InTable, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table that takes half of each batch ends with every item, and the report says how many were sent again."""
    real = Table.send

    def half(table: Table, batch: Sequence[Request]) -> set[Key]:
        n = (len(batch) + 1) // 2
        real(table, batch[:n])
        return {(one.pk, one.sk) for one in batch[n:]}

    monkeypatch.setattr(Table, "send", half)
    made = publish(opened(place), 1, rows())
    assert made.numbers["lists_written"] == 4
    assert made.numbers["items_sent_again"] == (2 + 1) + (1 + 0)  # of four lists, of three chunks
    assert answers(place) == {"ann": ["jam", "milk", "bread"], "bob": ["tea"], "cat": ["milk", "jam"]}


def test_only_changed_users_are_written(place: InTable, publish: Publish) -> None:
    """Bob alone changed: one list written, three skipped with their write units; every reader sees its own night."""
    first = publish(opened(place), 1, rows())
    store = opened(place, changed_only="exact")
    second = publish(store, 2, rows({"bob": [0, 1]}))
    assert first.numbers["lists_written"] == 4
    assert (
        second.numbers["lists_written"], second.numbers["lists_skipped"], second.numbers["write_units_saved"],
    ) == (1, 3, 3)  # fmt: skip
    assert keys_of(place, second.snapshot) == [(f"{second.snapshot}#bob", "home")]
    assert answers(place) == {"ann": ["jam", "milk", "bread"], "bob": ["bread", "milk"], "cat": ["milk", "jam"]}
    old = store.open(first.snapshot).find("bob")
    assert old is not None
    kept = old.rows("home", 9)
    assert kept is not None
    assert kept.items == ["tea"]
    assert store.verify(second.snapshot) == second.manifest
    assert sorted(store.open(second.snapshot).user_ids()) == ["ann", "bob", "cat"]
    reader = store.open(second.snapshot)
    with faults.watched() as requests:
        assert [reader.find(user) is not None for user in ("ann", "bob", "cat")] == [True, True, True]
    assert len(requests) == 3
    assert publish(store, 2, rows({"bob": [0, 1]})).is_new is False


@pytest.mark.parametrize(("how", "written"), [("exact", 4), ("order", 0)])
def test_new_scores_of_the_same_lists_count_or_not(place: InTable, publish: Publish, how: str, written: int) -> None:
    """`exact` writes a list whose scores alone changed, `order` does not and shows the scores it had."""
    publish(opened(place), 1, rows())
    made = publish(opened(place, changed_only=how), 2, rows(scale=2.0))
    assert made.numbers["lists_written"] == written
    assert Lists(opened(place)).get("bob", 1, "home").scores == [2.0 if how == "exact" else 1.0]


def test_a_change_of_one_placement_writes_the_whole_user(place: InTable, publish: Publish) -> None:
    """So that one read still finds all of them; a placement that is gone counts as a change."""
    publish(opened(place), 1, rows())
    store = opened(place, changed_only="exact")
    assert publish(store, 2, rows({"ann": [0]})).numbers["lists_written"] == 2
    made = publish(store, 3, [one for one in rows({"ann": [0]}) if one["placement"] == "home"])
    assert made.numbers["lists_written"] == 1
    user = store.open(made.snapshot).find("ann")
    assert user is not None
    assert user.rows("discover", 1) is None


def test_a_user_who_is_no_more_is_gone_from_the_new_snapshot_only(place: InTable, publish: Publish) -> None:
    """Ann is not in the third night, whose lists lie in the first; the second still has her, the fourth again."""
    publish(opened(place), 1, rows())
    store = opened(place, changed_only="exact")
    second = publish(store, 2, rows())
    third = publish(store, 3, [one for one in rows() if one["user_id"] != "ann"])
    assert third.numbers["lists_written"] == 0
    assert answers(place) == {"bob": ["tea"], "cat": ["milk", "jam"]}
    assert store.open(second.snapshot).find("ann") is not None
    assert store.open(third.snapshot).prefetched(["ann"]).find("ann") is None
    assert sorted(store.open(third.snapshot).user_ids()) == ["bob", "cat"]
    assert store.verify(third.snapshot) == third.manifest
    fourth = publish(store, 4, rows())
    assert fourth.numbers["lists_written"] == 2
    assert set(answers(place)) == {"ann", "bob", "cat"}


def test_a_snapshot_points_back_over_a_week_at_most(place: InTable, publish: Publish) -> None:
    """The night seven days after the last full one writes everybody."""
    store = opened(place, changed_only="exact")
    written = [publish(store, day, rows()).numbers["lists_written"] for day in (1, 2, 7, 8, 9)]
    assert written == [4, 0, 0, 4, 0]


def test_retention_keeps_the_lists_that_a_kept_snapshot_points_to(place: InTable, publish: Publish) -> None:
    """The first night leaves and its lists stay for the third; once nothing points to them no item is left."""
    store = opened(place, changed_only="exact")
    names = [publish(store, day, rows({"bob": [day % 3]})).snapshot for day in (1, 2, 3)]
    assert store.retain(keep=1, grace_seconds=0, by="x", at=LATER) == [names[0]]
    assert store.snapshots() == names[1:]
    with pytest.raises(SnapshotMissing):
        store.open(names[0])
    users = [key[0].partition("#")[2] for key in keys_of(place, f"{names[0]}#")]
    assert users == ["ann", "ann", "bob", "cat"]
    assert answers(place) == {"ann": ["jam", "milk", "bread"], "bob": ["bread"], "cat": ["milk", "jam"]}
    full = publish(opened(place), 4, rows()).snapshot
    assert store.retain(keep=0, grace_seconds=0, by="y", at=LATER) == names[1:]
    for name in names:
        assert keys_of(place, f"{name}#") == keys_of(place, f"larder#{name}") == []
    assert keys_of(place, "larder#snapshots") == [("larder#snapshots", full)]
    assert store.verify(full).snapshot_id == full


def test_what_a_crash_left_goes_after_the_grace(
    place: InTable, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Begun and never finished: seen by one retention, taken by one later than the grace; its publisher is told."""
    store = opened(place)
    publish(store, 2, rows())

    def dies(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("export.stores.dynamodb.publishing.read_back", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(store, 1, rows())
    assert len(keys_of(place, "2026-01-01")) == 4
    for at, n in ((AT, 4), ("2026-01-02T03:30:00Z", 4), ("2026-01-02T04:04:05Z", 0)):
        assert store.retain(keep=3, grace_seconds=3600, by="x", at=at) == []
        assert len(keys_of(place, "2026-01-01")) == n
    assert publish(store, 1, rows(), is_flipped=False).is_new is True


def test_an_erased_user_is_in_no_snapshot(place: InTable, publish: Publish) -> None:
    """Every item of the user goes, older generations included; the rest still adds up; a second run finds nothing."""
    store = opened(place, changed_only="exact")
    names = [publish(store, day, rows({"bob": [day % 3]})).snapshot for day in (1, 2)]
    assert store.delete_user("ann", request="r-1") == 2
    assert store.delete_user("ann", request="r-1") == 0
    assert store.delete_user("bob", request="r-2") == 2
    assert store.delete_user("nobody", request="r-3") == 0
    assert {key[0].partition("#")[2] for key in keys_of(place, "2026")} == {"cat"}
    assert answers(place) == {"cat": ["milk", "jam"]}
    for name in names:
        assert store.verify(name).n_users == 3
    assert publish(store, 3, rows()[2:3]).numbers["lists_written"] == 0


def test_an_item_that_is_gone_is_found(place: InTable, publish: Publish) -> None:
    """The store no longer verifies, and publishing the same again says so."""
    store = opened(place)
    made = publish(store, 1, rows())
    client = processes.client("dynamodb", place.endpoint)
    client.delete_item(TableName=place.table, Key={"pk": {"S": f"{made.snapshot}#bob"}, "sk": {"S": "home"}})
    with pytest.raises(SnapshotCorrupt, match="There are 2 of larder#users, the manifest says 3"):
        store.verify(made.snapshot)
    with pytest.raises(SnapshotCorrupt, match="differs from the build"):
        publish(store, 1, rows())
