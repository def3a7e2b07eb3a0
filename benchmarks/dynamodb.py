"""Client CPU of writing lists to DynamoDB: our batches against boto3's `batch_writer`, the same items, one server."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import boto3
import numpy as np
from boto3.dynamodb.types import TypeDeserializer
from botocore.config import Config

from benchmarks.results import Result, result
from benchmarks.sizes import SEED, Sizes, versions
from export.format.manifest import Manifest, PlacementEntry
from export.format.packing import Columns, pack_lists
from export.format.records import Record, Widths, join_record, split_record
from export.stores.dynamodb.items import LETTERS, ItemEncoder
from export.stores.dynamodb.publishing import Pace
from export.stores.dynamodb.service.table import Table, create
from export.stores.retrying import Retrying, Waiting
from tests.stores.servers import processes

USERS_PER_RANKED: Final = 8
LENGTH: Final = 50
ANCHORS: Final = 10
WIDTHS: Final = Widths(20, 4)
TABLE: Final = "larder-bench"
UNITS_PER_SECOND: Final = 1e9


def run(sizes: Sizes) -> Result:
    """The result of the stage `dynamodb_cpu`: CPU seconds of this process, not of the server."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name, processes.dynalite(Path(name)) as endpoint:
        create(_client(endpoint), TABLE)
        return _measure(sizes, endpoint)


def _measure(sizes: Sizes, endpoint: str) -> Result:
    ids = [f"i{number:09d}" for number in range(sizes.items)]
    records = _records(sizes.ranked_users * USERS_PER_RANKED, sizes.items)
    encoder = ItemEncoder(_manifest(len(records)), ids, expires_at=1_798_761_600)
    table = Table(_client(endpoint), TABLE, Retrying("bench", Waiting()).within(3600))
    pace = Pace(threads=1, write_units_per_second=UNITS_PER_SECOND)
    plain = [_plain(encoder.encode(record, "home", 0).body) for record in records]
    peer_table = boto3.resource("dynamodb", **_connection(endpoint)).Table(TABLE)

    def ours() -> None:
        requests = (encoder.encode(record, "home", 0) for record in records)
        pace.writer(table).write(requests, expected=len(records))

    def peer() -> None:
        with peer_table.batch_writer() as batch:
            for item in plain:
                batch.put_item(Item=item)

    samples: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(sizes.repeats):
        samples["ours"].append(_cpu_seconds(ours))
        samples["peer"].append(_cpu_seconds(peer))
    n_bytes = sum(encoder.encode(record, "home", 0).n_bytes for record in records) / len(records)
    return result(
        "dynamodb_cpu", samples, peer_name="boto3 Table.batch_writer", ratio_is="ours / peer", goal=0.5,
        about=f"CPU seconds of the client for {len(records):,} lists of {LENGTH} ids of 10 characters and {ANCHORS} "
        "anchors over loopback; ours also makes the items from packed records, the peer's are ready",
        versions=versions("boto3", "botocore", "numpy"),
        facts={
            "item_bytes": n_bytes,
            "ours_us_per_item": min(samples["ours"]) / len(records) * 1e6,
            "peer_us_per_item": min(samples["peer"]) / len(records) * 1e6,
        },
    )  # fmt: skip


def _cpu_seconds(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _connection(endpoint: str) -> dict[str, Any]:
    os.environ.setdefault("AWS_EC2_METADATA_DISABLED", "true")
    return {
        "endpoint_url": endpoint, "region_name": processes.REGION, "aws_access_key_id": processes.ACCESS_KEY,
        "aws_secret_access_key": processes.SECRET_KEY,
    }  # fmt: skip


def _client(endpoint: str) -> Any:
    return boto3.client("dynamodb", **_connection(endpoint), config=Config(retries={"max_attempts": 1}))


def _records(n: int, n_items: int) -> list[Record]:
    """Users with one list each; sources and anchors as mixed as they get."""
    random = np.random.default_rng(SEED)
    anchors = np.stack([random.choice(n_items, ANCHORS, replace=False) for _ in range(n)])
    columns = Columns(
        np.zeros(n, dtype=np.uint8),
        np.full(n, LENGTH, dtype=np.int64),
        random.integers(0, n_items, n * LENGTH).astype(np.int32),
        -np.sort(-random.random((n, LENGTH)), axis=1).ravel(),
        random.integers(0, len(LETTERS), n * LENGTH).astype(np.int32),
        np.tile(anchors, LENGTH // ANCHORS).astype(np.int32).ravel(),
    )
    packed = pack_lists(columns, WIDTHS).to_pylist()
    made = [split_record(join_record(b"u%09d" % i, 0, [data]), WIDTHS) for i, data in enumerate(packed)]
    return [record for record in made if record is not None]


def _manifest(n: int) -> Manifest:
    return Manifest(
        format_version=1, as_of=dt.date(2026, 11, 24), shards=1, item_bits=WIDTHS.item_bits,
        source_bits=WIDTHS.source_bits, n_eligible_users=n, n_users=n, n_items=1, n_item_indices=1,
        reasons=tuple(LETTERS), segments=("35-44",),
        placements={"home": PlacementEntry(lists=n, length=LENGTH, shortest=LENGTH)}, files={},
    ).sealed()  # fmt: skip


def _plain(body: bytes) -> dict[str, Any]:
    """An item as the resource API takes it."""
    deserialize = TypeDeserializer().deserialize
    typed = json.loads(body)
    return {
        name: deserialize({"B": base64.b64decode(value["B"])} if "B" in value else value)
        for name, value in typed.items()
    }
