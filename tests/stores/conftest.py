"""A hand-made shop of five items and three users, built, published and current."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from export.blessing import Blessing, write_blessing
from export.snapshot import Manifest, write_snapshot
from export.stores.local import LocalStore
from tests.stores import places
from tests.stores.places import KINDS, NewPlace, Place
from tests.stores.servers import processes

REASONS = ("own", "als", "covisit", "content", "segment")
AT = "2026-01-02T03:04:05Z"
WEIRD = "../ünï/\0🌽" + "é" * 121  # 256 bytes

ITEMS = pa.table(
    {
        "item_idx": pa.array([3, 0, 1, 2, 5], pa.int32()),
        "item_id": ["tea", "bread", "milk", "jam", "-pear"],
        "title": ["=Tea", "Bread", "Milk", "Jam, red", None],
        "category": ["Pantry", "Bakery", "Dairy", "Pantry", None],
        "price": [2.5, 1.25, 0.99, 3.0, None],
        "image_url": ["https://shop/tea.png", None, None, None, None],
        "brand": ["b", "b", "b", "b", "b"],
    }
)
FALLBACKS = pa.table(
    {
        "placement": ["home", "discover", "home"],
        "segment": ["all", "all", "35-44"],
        "item_idx": pa.array([[1, 0], [2], [3, 1]], pa.list_(pa.int32())),
        "scores": pa.array([[0.5, 0.25], [0.125], [0.75, 0.5]], pa.list_(pa.float32())),
    }
)
ROWS: list[dict[str, Any]] = [
    {"user_id": "ann", "placement": "home", "segment": "35-44", "item_idx": [2, 1, 0], "scores": [255.0, 51.0, 0.0],
     "reasons": [2, 1, 0], "anchors": [0, -1, -1]},
    {"user_id": "bob", "placement": "home", "segment": "north", "item_idx": [3], "scores": [1.5], "reasons": [4],
     "anchors": [-1]},
    {"user_id": WEIRD, "placement": "home", "segment": "35-44", "item_idx": [5, 0], "scores": [1.0, -1.0],
     "reasons": [3, 3], "anchors": [5, 2]},
    {"user_id": "ann", "placement": "discover", "segment": "35-44", "item_idx": [3], "scores": [0.5], "reasons": [3],
     "anchors": [2]},
]  # fmt: skip
SCHEMA = pa.schema(
    {
        "user_id": pa.string(),
        "placement": pa.string(),
        "segment": pa.string(),
        "item_idx": pa.list_(pa.int32()),
        "scores": pa.list_(pa.float32()),
        "reasons": pa.list_(pa.int32()),
        "anchors": pa.list_(pa.int32()),
    }
)

Build = Callable[..., Manifest]


def batches(rows: Sequence[dict[str, Any]], size: int = 2) -> list[pa.RecordBatch]:
    """The rows as record batches of so many rows."""
    return [pa.RecordBatch.from_pylist(rows[i : i + size], schema=SCHEMA) for i in range(0, len(rows), size)]


def build_snapshot(directory: Path, *, day: int = 1, rows: Sequence[dict[str, Any]] = ROWS, **other: Any) -> Manifest:
    """A snapshot of the shop, as of a day of January 2026."""
    given = {"items": ITEMS, "fallbacks": FALLBACKS, "shards": 2, "reasons": REASONS, "n_eligible_users": 4, **other}
    lists = given.pop("lists", None) or batches(rows)
    return write_snapshot(directory, lists=lists, as_of=dt.date(2026, 1, day), **given)


def bless(path: Path, manifest: Manifest) -> Path:
    """A blessing of the snapshot at `path`."""
    write_blessing(path, Blessing(as_of=manifest.as_of, manifest_sha256=manifest.sha256, verdict="blessed"))
    return path


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """What the soak counted, one line a test, with its seconds."""
    for report in (one for outcome in ("passed", "failed") for one in terminalreporter.stats.get(outcome, ())):
        for counts in (value for name, value in report.user_properties if name == "soak"):
            told = ", ".join(f"{value:,} {name}" for name, value in counts.items())
            terminalreporter.write_line(
                f"soak {report.nodeid.rpartition('[')[2][:-1]}: {told}, {report.duration:.0f} s"
            )


@pytest.fixture
def build() -> Build:
    """Builds a snapshot of the hand-made shop."""
    return build_snapshot


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., str]:
    """Builds, blesses and publishes the night of a day; returns the snapshot's id."""

    def publish_night(store: LocalStore, day: int, **other: Any) -> str:
        manifest = build_snapshot(tmp_path / "build", day=day, **other)
        blessing = bless(tmp_path / "blessing.json", manifest)
        return store.publish(tmp_path / "build", blessing=blessing).snapshot

    return publish_night


@pytest.fixture
def night(publish: Callable[..., str]) -> Callable[..., str]:
    """Builds, blesses, publishes and flips the night of a day; returns the snapshot's id."""

    def run(store: LocalStore, day: int, **other: Any) -> str:
        snapshot = publish(store, day, **other)
        store.flip(snapshot, expected=store.pointer(), by="test", reason=f"night {day}", at=AT)
        return snapshot

    return run


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    """An empty store."""
    return LocalStore(tmp_path / "store")


@pytest.fixture(scope="session")
def aws_environment() -> Iterator[None]:
    """The default credential chain finds the keys of the test servers, and nothing else of this machine."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", processes.ACCESS_KEY)
        patch.setenv("AWS_SECRET_ACCESS_KEY", processes.SECRET_KEY)
        patch.setenv("AWS_DEFAULT_REGION", processes.REGION)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield


@pytest.fixture(scope="session")
def s3_server(aws_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a real S3 server with the bucket `processes.BUCKET`."""
    with processes.seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def dynamodb_server(aws_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of a real DynamoDB server."""
    with processes.dynalite(tmp_path_factory.mktemp("dynalite")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def moto_server(aws_environment: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of moto's server, S3 and DynamoDB, with the bucket `processes.BUCKET`."""
    with processes.moto(tmp_path_factory.mktemp("moto")) as endpoint:
        yield endpoint


@pytest.fixture(params=KINDS)
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> NewPlace:
    """Makes empty places of each kind of store."""
    return places.new_place(request.param, request, tmp_path)


@pytest.fixture
def place(new_place: NewPlace) -> Place:
    """An empty place of each kind of store."""
    return new_place()
