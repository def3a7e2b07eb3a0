from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import pytest

from contracts.errors import SnapshotCorrupt
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import Key, Request
from tests.stores.places import InTable, new_place
from tests.stores.servers import faults, processes
from tests.stores.tables import AT, Build, Publish, answers, keys_of, opened, publisher, rows


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> InTable:
    """An empty table."""
    made = new_place("dynamodb", request, tmp_path)()
    assert isinstance(made, InTable)
    return made


@pytest.fixture
def publish(tmp_path: Path, build: Build) -> Publish:
    """Builds, blesses and publishes the night of a day, and flips to it."""
    return publisher(tmp_path, build)


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


def test_a_whole_chunk_of_other_bytes_is_found(place: InTable, publish: Publish) -> None:
    """Its own checksum is right and the manifest's is not: neither opened nor verified."""
    store = opened(place)
    made = publish(store, 1, rows())
    (key,) = keys_of(place, f"larder#{made.snapshot}#items.bin")
    client = processes.client("dynamodb", place.endpoint)
    data = b"x" * made.manifest.files["items.bin"].bytes
    item = {"pk": {"S": key[0]}, "sk": {"S": key[1]}, "data": {"B": data}, "crc": {"N": str(zlib.crc32(data))}}
    client.put_item(TableName=place.table, Item=item)
    for look in (store.open, store.verify):
        with pytest.raises(SnapshotCorrupt, match="differs from the manifest"):
            look(made.snapshot)
