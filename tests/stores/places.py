"""The stores that every promise is tested on. Each is opened anew for each process, and its bytes can be damaged."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

import pytest
from botocore.httpsession import URLLib3Session

from contracts.layout import Layout
from contracts.store_section import Store as Section
from export.stores.base import Store
from export.stores.dynamodb.service import strict, table
from export.stores.dynamodb.store import TableStore
from export.stores.local import LocalStore
from export.stores.opening import store_of
from export.stores.retrying import Waiting
from export.stores.s3 import S3Store
from tests.stores.servers import processes
from tests.stores.servers.strict_s3 import Strict

Steps = Sequence[tuple[Any, str]]
_numbers: Final = itertools.count(1)


class Place(Protocol):
    """An empty store somewhere.

    Attributes:
        steps: owner and name of the functions through which a publisher changes or asks anything outside of itself.
        is_remote: whether there is a server that can fail.
    """

    steps: Steps
    is_remote: bool

    def store(self, waiting: Waiting | None = None) -> Store:
        """The store, opened anew: nothing is shared with another one but what lies in the place."""
        ...

    def flip_byte(self, snapshot: str, name: str, position: int) -> None:
        """One bit of a file of a snapshot is wrong from now on."""
        ...


@dataclass
class OnDisk:
    """A folder."""

    root: Path
    steps: Steps = ((os, "fsync"), (os, "rename"), (os, "replace"), (shutil, "copyfile"), (os, "rmdir"))
    is_remote: bool = False

    def store(self, waiting: Waiting | None = None) -> Store:  # noqa: ARG002  a disk is not asked twice
        """The store."""
        return LocalStore(self.root)

    def flip_byte(self, snapshot: str, name: str, position: int) -> None:
        """One bit of the file."""
        path = self.root / "snapshots" / snapshot / name
        path.write_bytes(flipped(path.read_bytes(), position))


@dataclass
class InS3:
    """A prefix of a bucket; every request is checked against the rules of the service before it is sent."""

    endpoint: str
    prefix: str
    steps: Steps = ((URLLib3Session, "send"),)
    is_remote: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    def store(self, waiting: Waiting | None = None) -> Store:
        """The store."""
        section = Section(
            kind="s3", bucket=processes.BUCKET, prefix=self.prefix, endpoint=self.endpoint, region=processes.REGION,
            pointer_cache_seconds=0, lookup_timeout_seconds=20.0, **self.more,
        )  # fmt: skip
        made = store_of(section, Layout(Path("unused")), waiting)
        assert isinstance(made, S3Store)
        for bucket in (made._bucket, made._reading):
            Strict().attach(bucket.client)
        return made

    def flip_byte(self, snapshot: str, name: str, position: int) -> None:
        """One bit of the object."""
        client, key = processes.client("s3", self.endpoint), f"{self.prefix}/snapshots/{snapshot}/{name}"
        data = client.get_object(Bucket=processes.BUCKET, Key=key)["Body"].read()
        client.put_object(Bucket=processes.BUCKET, Key=key, Body=flipped(data, position))


@dataclass
class InTable:
    """A table of its own; every request is checked against the rules of the service before it is sent."""

    endpoint: str
    table: str
    steps: Steps = ((URLLib3Session, "send"),)
    is_remote: bool = True
    more: dict[str, Any] = field(default_factory=dict)

    def store(self, waiting: Waiting | None = None) -> Store:
        """The store."""
        section = Section(
            kind="dynamodb", table=self.table, endpoint=self.endpoint, region=processes.REGION,
            pointer_cache_seconds=0, lookup_timeout_seconds=20.0, **self.more,
        )  # fmt: skip
        made = store_of(section, Layout(Path("unused")), waiting)
        assert isinstance(made, TableStore)
        for client in (made._table.client, made._reading.client):
            strict.attach(client)
        return made

    def flip_byte(self, snapshot: str, name: str, position: int) -> None:
        """One bit of the file's chunk; of a shard, one bit of the score bytes of one of its lists."""
        client = processes.client("dynamodb", self.endpoint)
        pk = f"{snapshot}#" if name.startswith("shard") else f"larder#{snapshot}#{name}#"
        attribute = "scores" if name.startswith("shard") else "data"
        found = client.scan(
            TableName=self.table, FilterExpression="begins_with(pk, :p)",
            ExpressionAttributeValues={":p": {"S": pk}}, ConsistentRead=True,
        )["Items"]  # fmt: skip
        item = min(found, key=lambda one: one["pk"]["S"])
        data = item[attribute]["B"]
        item[attribute] = {"B": flipped(data, position % len(data))}
        client.put_item(TableName=self.table, Item=item)


def flipped(data: bytes, position: int) -> bytes:
    """The bytes with one bit wrong; a negative position counts from the end."""
    changed = bytearray(data)
    changed[position] ^= 0x10
    return bytes(changed)


NewPlace = Callable[[], Place]
KINDS: Final = ("local", "s3", "dynamodb")


def new_place(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    """Makes empty places of a kind; its server is started when the first one is asked for."""
    name = f"{os.getpid()}-{next(_numbers)}"
    inner = itertools.count(1)

    def local() -> Place:
        return OnDisk(tmp_path / f"place-{next(inner)}")

    def s3() -> Place:
        return InS3(request.getfixturevalue("s3_server"), f"{name}-{next(inner)}")

    def dynamodb() -> Place:
        made = InTable(request.getfixturevalue("dynamodb_server"), f"larder-{name}-{next(inner)}")
        table.create(processes.client("dynamodb", made.endpoint), made.table)
        return made

    return {"local": local, "s3": s3, "dynamodb": dynamodb}[kind]
