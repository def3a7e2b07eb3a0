"""A table a snapshot by import, against moto: no other stand-in at hand imports."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import msgspec
import pytest
from botocore.client import BaseClient

from contracts.errors import LarderError, SnapshotMissing, StoreUnreachable
from contracts.store_section import Store as Section
from export.lookup import Lists
from export.stores.dynamodb import importing
from export.stores.dynamodb.catalogue import Catalogue, Entry
from export.stores.dynamodb.importing import Importing
from export.stores.dynamodb.service import table
from export.stores.dynamodb.store import TableStore
from export.stores.retrying import Waiting
from tests.stores import nights
from tests.stores.nights import AT, LATER, USERS, Night
from tests.stores.places import InTable
from tests.stores.servers import processes
from tests.stores.servers.faults import Time

FOLDER: Final = Path(__file__).parents[2] / "docs" / "iam"
NUMBERS: Final = itertools.count(1)
WHO: Final[dict[str, Any]] = {"by": "x", "reason": "ticket", "at": AT}


@pytest.fixture
def place(moto_server: str) -> InTable:
    """An empty table, and a bucket beside it."""
    name = f"each-{os.getpid()}-{next(NUMBERS)}"
    table.create(processes.client("dynamodb", moto_server), name)
    return InTable(moto_server, name, more={"layout": "table_each", "bucket": processes.BUCKET, "prefix": name})


@pytest.fixture
def made(tmp_path: Path) -> list[Night]:
    """Four nights, built for this test alone."""
    return [nights.night(tmp_path, day) for day in (1, 2, 3, 4)]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server imports in milliseconds."""
    monkeypatch.setattr(importing, "POLL_SECONDS", 0.02)


def tables_of(place: InTable) -> list[str]:
    """Names of the tables of the place."""
    names = processes.client("dynamodb", place.endpoint).list_tables()["TableNames"]
    return sorted(name for name in names if name.startswith(place.table))


def files_of(place: InTable) -> list[str]:
    """Keys of the files to be imported."""
    found = processes.client("s3", place.endpoint).list_objects_v2(
        Bucket=processes.BUCKET, Prefix=f"{place.table}/imports/"
    )
    return [one["Key"] for one in found.get("Contents", ())]


def entry_of(place: InTable, night: Night) -> Entry:
    """The catalogue's entry of a night."""
    store = place.store()
    assert isinstance(store, TableStore)
    found = Catalogue(store._table, seconds=60).get(night.id)
    assert found is not None
    return found


def test_a_snapshot_is_a_table_of_its_own(place: InTable, made: list[Night]) -> None:
    """Imported, counted, read back, named by the catalogue; readers read it, and no file is left."""
    store = place.store()
    published = store.publish(made[0].build, blessing=made[0].blessing)
    nights.flip(store, made[0])
    assert tables_of(place) == [place.table, f"{place.table}-{made[0].id}"]
    assert entry_of(place, made[0]).table == f"{place.table}-{made[0].id}"
    assert published.numbers["items_imported"] == 24 + 3
    assert (published.numbers["lists_written"], files_of(place)) == (0, [])
    lists = Lists(place.store())
    assert [one.items for one in lists.get_many(USERS, 3, "home")] == [made[0].items(user) for user in USERS]
    assert lists.get("user-03", 3, "home").items == made[0].items("user-03")
    assert store.verify(made[0].id) == made[0].manifest
    again = store.publish(made[0].build, blessing=made[0].blessing)
    assert (again.is_new, again.numbers["items_imported"]) == (False, 0)


def test_rollback_and_retention_know_the_tables(place: InTable, made: list[Night]) -> None:
    """A rollback is a move of the pointer as ever; what nobody needs is dropped as a whole, what is pinned is not."""
    store = place.store()
    for night in made[:3]:
        nights.run(store, night)
    assert store.rollback(**WHO).snapshot == made[1].id
    assert Lists(place.store()).get("user-03", 3, "home").items == made[1].items("user-03")
    store.release(**WHO)
    nights.run(store, made[3])
    store.pin(made[0].id, **WHO)
    reader = store.open(made[2].id)
    assert store.retain(keep=1, grace_seconds=0, by="r", at=LATER) == [made[2].id]
    assert tables_of(place) == [place.table, *(f"{place.table}-{made[i].id}" for i in (0, 1, 3))]
    for look in (lambda: reader.find("user-03"), lambda: reader.prefetched(USERS, is_brief=True)):  # type: ignore[attr-defined]
        with pytest.raises(SnapshotMissing):
            look()


@pytest.mark.parametrize("step", ["uploaded", "started", "noted", "imported"])
def test_killed_and_run_again(place: InTable, made: list[Night], step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that is known is waited for and not made again; one that nobody noted is dropped and made anew."""
    starts = []
    real_start, real_kept, real_ended = Importing._start, Importing._kept, Importing._ended

    def die(*_: Any) -> Any:
        raise KeyboardInterrupt

    def start(self: Importing) -> Any:
        starts.append(self.table.name)
        return real_start(self)

    def start_and_die(self: Importing) -> Any:
        real_start(self)
        raise KeyboardInterrupt

    def end_and_die(self: Importing, entry: Entry) -> Any:
        real_ended(self, entry)
        raise KeyboardInterrupt

    def kept_and_die(self: Importing, entry: Entry, arn: str) -> Any:
        real_kept(self, entry, arn)
        raise KeyboardInterrupt

    name, dying = {
        "uploaded": ("_start", die), "started": ("_start", start_and_die), "noted": ("_kept", kept_and_die),
        "imported": ("_ended", end_and_die),
    }[step]  # fmt: skip
    with mock.patch.object(Importing, name, dying), pytest.raises(KeyboardInterrupt):
        nights.publish(place.store(), made[0])
    assert place.store().snapshots() == []
    monkeypatch.setattr(Importing, "_start", start)
    nights.run(place.store(), made[0])
    assert len(starts) == {"uploaded": 1, "started": 2, "noted": 0, "imported": 0}[step]
    assert place.store().verify(made[0].id) == made[0].manifest
    assert files_of(place) == []


def test_an_import_that_takes_too_long_ends_at_the_deadline(place: InTable, made: list[Night]) -> None:
    """Looked at every few seconds, by the given clock; the next publish waits on."""
    time = Time()
    store = place.store(Waiting(time.clock, time.sleep))
    real = table.Table.call

    def call(self: table.Table, operation: str, **asked: Any) -> Any:
        answer = real(self, operation, **asked)
        if operation == "describe_import":
            answer["ImportTableDescription"]["ImportStatus"] = "IN_PROGRESS"
        return answer

    with (
        mock.patch.object(importing, "POLL_SECONDS", 5.0),
        mock.patch.object(table.Table, "call", call),
        pytest.raises(StoreUnreachable, match="has not ended"),
    ):
        nights.publish(store, made[0])
    assert 1790 <= sum(time.sleeps) <= 1800
    assert set(time.sleeps) == {5.0}
    nights.run(place.store(), made[0])


def test_an_import_that_fails_is_made_again_once(place: InTable, made: list[Night]) -> None:
    """A half-made table is dropped before; failing twice is an error that names the service's code."""
    real = Importing._ended

    def failed(self: Importing, entry: Entry) -> Any:
        return {**real(self, entry), "ImportStatus": "FAILED", "FailureCode": "ItemValidationError"}

    with mock.patch.object(Importing, "_ended", failed), pytest.raises(LarderError, match="ItemValidationError"):
        nights.publish(place.store(), made[0])
    assert tables_of(place) == [place.table]
    answers = iter([failed, real])

    def ended(self: Importing, entry: Entry) -> Any:
        return next(answers)(self, entry)

    with mock.patch.object(Importing, "_ended", ended):
        nights.run(place.store(), made[0])
    assert place.store().verify(made[0].id) == made[0].manifest


def test_fewer_items_than_the_build_has_are_refused(place: InTable, made: list[Night]) -> None:
    """The import's own counts are held to the manifest."""
    real = Importing._ended
    with (
        mock.patch.object(Importing, "_ended", lambda self, entry: {**real(self, entry), "ImportedItemCount": 26}),
        pytest.raises(LarderError, match="the build has 27 items"),
    ):
        nights.publish(place.store(), made[0])
    assert place.store().snapshots() == []


def test_an_erased_user_is_in_no_table_and_no_file(place: InTable, made: list[Night]) -> None:
    """Published tables, and the files of a publish that was killed."""
    nights.run(place.store(), made[0])
    with mock.patch.object(Importing, "_start", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        nights.publish(place.store(), made[1])
    assert files_of(place)
    assert place.store().erase({"user-07": "hash"}, **WHO) == {made[0].id: 1}
    assert files_of(place) == []
    items = processes.client("dynamodb", place.endpoint).scan(TableName=f"{place.table}-{made[0].id}")["Items"]
    assert len(items) == 23 + 3
    assert Lists(place.store()).get("user-07", 3, "home").source == "popular"
    assert place.store().verify(made[0].id).snapshot_id == made[0].id


def test_settings_that_cannot_be_are_refused() -> None:
    """A bucket is needed, and every night writes everybody."""
    for more in ({}, {"bucket": "b", "changed_only": "exact"}, {"bucket": "b", "kind": "s3"}):
        with pytest.raises(msgspec.ValidationError, match="table_each"):
            msgspec.convert({"kind": "dynamodb", "table": "t", "layout": "table_each", **more}, Section)


@contextmanager
def noted(place: InTable, seen: set[str]) -> Iterator[None]:
    """A block whose calls on tables of snapshots and on files to be imported are noted as a policy names them."""
    real = BaseClient._make_api_call
    own = {"ListObjectsV2": "s3:ListBucket", "DeleteObjects": "s3:DeleteObject"}

    def call(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        where = repr({name: one for name, one in asked.items() if name not in {"Item", "ExpressionAttributeValues"}})
        if f"{place.table}-" in where or f"{place.table}/imports" in where:
            seen.add(own.get(operation, f"{client.meta.service_model.service_name}:{operation}"))
        return real(client, operation, asked)

    with mock.patch.object(BaseClient, "_make_api_call", call):
        yield


def test_the_policies_grant_what_is_called_and_nothing_else(place: InTable, made: list[Night]) -> None:
    """Of a table each: beside logging, which the service does, every call on tables and files is granted, and used."""
    seen: dict[str, set[str]] = {"loader": set(), "eraser": set()}
    with noted(place, seen["loader"]):
        nights.publish(place.store(), made[0])
        with (
            mock.patch.object(Importing, "_ended", return_value={"ImportStatus": "FAILED"}),
            pytest.raises(LarderError),
        ):
            nights.publish(place.store(), made[1])
    nights.flip(place.store(), made[0])
    nights.run(place.store(), made[2])
    nights.run(place.store(), made[3])
    with mock.patch.object(Importing, "_start", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        nights.publish(place.store(), made[1])
    with noted(place, seen["eraser"]):
        place.store().retain(keep=0, grace_seconds=0, by="e", at=LATER)
        place.store().erase({"user-07": "hash"}, **WHO)
    for role, used in seen.items():
        policy = json.loads((FOLDER / f"dynamodb-import-{role}.json").read_text())
        lists = [one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in policy["Statement"]]
        granted = {action for actions in lists for action in actions if not action.startswith("logs:")}
        by_service = {"s3:GetObject", "s3:AbortMultipartUpload"}  # read by the import; sent in parts where large
        assert granted - by_service == used, role
