"""The import: a shop's files into landing files, none lost, the same bytes every time."""

from __future__ import annotations

import datetime as dt
import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

from contracts import settings
from contracts.errors import InputInvalid
from contracts.report import JobReport
from jobs.shops.import_shop import import_shop

UTC = dt.UTC
ROWS: list[dict[str, Any]] = [
    {
        "customer": 7,
        "item_id": "a",
        "event_type": "buy",
        "timestamp": "2024-03-02T23:59:59.5Z",
        "price": 2.5,
        "note": "x",
    },
    {
        "customer": 8,
        "item_id": "b",
        "event_type": "view",
        "timestamp": "2024-03-01 00:00:00",
        "price": None,
        "note": "y",
    },
    {"customer": 7, "item_id": "ü/..", "event_type": "buy", "timestamp": "soon", "price": 1.0, "note": "z"},
    {
        "customer": 9,
        "item_id": "c",
        "event_type": "buy",
        "timestamp": "2024-03-03T01:30:00+02:00",
        "price": 0.1,
        "note": "",
    },
]
LANDED: dict[str, list[tuple[Any, ...]]] = {
    "date=2024-03-01/part-00000.parquet": [("8", "b", "view", dt.datetime(2024, 3, 1, tzinfo=UTC), None)],
    "date=2024-03-01/part-00001.parquet": [("7", "ü/..", "buy", None, 1.0)],
    "date=2024-03-02/part-00000.parquet": [
        ("7", "a", "buy", dt.datetime(2024, 3, 2, 23, 59, 59, 500_000, tzinfo=UTC), 2.5),
        ("9", "c", "buy", dt.datetime(2024, 3, 2, 23, 30, tzinfo=UTC), 0.1),
    ],
}


def _parquet(path: Path, **columns: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path)
    return path


def _items(folder: Path) -> Path:
    return _parquet(folder / "items.parquet", item_id=["a", "b"])


def _run(folder: Path, events: Path, **arguments: Any) -> JobReport:
    given: dict[str, Any] = {
        "events": events,
        "items": _items(folder),
        "users": None,
        "into": folder / "into",
        "columns": {},
    }
    return import_shop(**(given | arguments))


def _events(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    base = folder / "into" / "landing" / "events"
    files = sorted(base.rglob("*.parquet"))
    return {
        str(f.relative_to(base)): [tuple(r.values()) for r in pq.read_table(f, partitioning=None).to_pylist()]
        for f in files
    }


def _digests(root: Path) -> dict[str, str]:
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return {str(file.relative_to(root)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("name", ["e.parquet", "e.csv", "e.csv.gz", "e.jsonl", "e.jsonl.gz"])
def test_every_format_lands_the_same_rows(tmp_path: Path, name: str) -> None:
    """Parquet, CSV and JSON lines land as the same typed rows by UTC day; an unreadable time goes to the first day."""
    file = tmp_path / name
    if name == "e.parquet":
        pq.write_table(pa.Table.from_pylist(ROWS), file)
    elif name.startswith("e.csv"):
        plain = tmp_path / "plain"
        pa_csv.write_csv(pa.Table.from_pylist(ROWS), plain)
        file.write_bytes(gzip.compress(plain.read_bytes()) if name.endswith("gz") else plain.read_bytes())
    else:
        lines = "\n".join(json.dumps(row) for row in ROWS).encode()
        file.write_bytes(gzip.compress(lines) if name.endswith("gz") else lines)

    report = _run(tmp_path, file, columns={"user_id": "customer"})

    assert _events(tmp_path) == LANDED
    assert report.rows == {
        "read": 4, "written": 4, "days": 2, "unreadable_timestamps": 1, "unreadable_numbers": 0, "items": 2,
    }  # fmt: skip
    assert (report.as_of, report.details["first_day"]) == (dt.date(2024, 3, 2), "2024-03-01")


def test_landing_types_are_spark_readable(tmp_path: Path) -> None:
    """Event columns land as text, doubles and UTC microseconds, and columns that are not ours are left behind."""
    events = _parquet(
        tmp_path / "e.parquet",
        user_id=pa.array([1.0, None]), item_id=pa.array([5, 6], pa.int32()), event_type=["buy", "buy"],
        timestamp=pa.array([0, 86_400 * 10**9 + 1], pa.timestamp("ns")), quantity=pa.array([2, 3], pa.int64()),
        order_id=pa.array([10**12, 1]), store=[1, 2],
    )  # fmt: skip

    _run(tmp_path, events)

    file = tmp_path / "into/landing/events/date=1970-01-01/part-00000.parquet"
    assert pq.read_schema(file).remove_metadata() == pa.schema(
        {
            "user_id": pa.string(), "item_id": pa.string(), "event_type": pa.string(),
            "timestamp": pa.timestamp("us", "UTC"), "quantity": pa.float64(), "order_id": pa.string(),
        }
    )  # fmt: skip
    assert _events(tmp_path)["date=1970-01-01/part-00000.parquet"] == [
        ("1", "5", "buy", dt.datetime(1970, 1, 1, tzinfo=UTC), 2.0, "1000000000000")
    ]


def test_second_import_replaces_the_first(tmp_path: Path) -> None:
    """Importing twice gives the same bytes, and days of an earlier import that are gone do not stay."""
    old = _parquet(
        tmp_path / "old.parquet", user_id=["u"], item_id=["a"], event_type=["buy"], timestamp=["2020-01-01 00:00:00"]
    )
    new = _parquet(
        tmp_path / "new.parquet", user_id=["u"], item_id=["a"], event_type=["buy"], timestamp=["2021-01-01 00:00:00"]
    )
    _run(tmp_path, new)
    expected = _digests(tmp_path / "into")
    _run(tmp_path, old)
    _run(tmp_path, new)

    assert _digests(tmp_path / "into") == expected
    assert sorted(_events(tmp_path)) == ["date=2021-01-01/part-00000.parquet"]


def test_folder_of_files_in_path_order(tmp_path: Path) -> None:
    """A folder's files of any format are read in path order, and rows of a day keep that order."""
    folder = tmp_path / "events"
    _parquet(
        folder / "2.parquet", user_id=["u"], item_id=["second"], event_type=["buy"], timestamp=["2020-01-01 08:00:00"]
    )
    (folder / "1.csv").write_text("item_id;user_id;event_type;timestamp\nfirst;u;buy;2020-01-01 09:00:00\n")
    (folder / "_SUCCESS.csv").write_text("")

    _run(tmp_path, folder)

    assert [row[1] for row in _events(tmp_path)["date=2020-01-01/part-00000.parquet"]] == ["first", "second"]


def test_shop_without_event_types(tmp_path: Path) -> None:
    """Without an event type column every event takes the type that is given, and says so when none is."""
    events = _parquet(tmp_path / "e.parquet", user_id=["u"], item_id=["a"], timestamp=["2020-01-01"])

    with pytest.raises(InputInvalid, match="Column event_type is missing") as caught:
        _run(tmp_path, events)
    _run(tmp_path, events, default_event_type="purchase")

    assert "--event-type purchase" in caught.value.todo
    assert [row[2] for row in _events(tmp_path)["date=2020-01-01/part-00000.parquet"]] == ["purchase"]


def test_catalogues_keep_their_columns(tmp_path: Path) -> None:
    """Catalogues land on the first event day with every column; a clashing name gets `shop_`, all-null becomes text."""
    events = _parquet(
        tmp_path / "e.parquet", user_id=["u"], item_id=["a"], event_type=["buy"], timestamp=["2020-01-05"]
    )
    items = _parquet(
        tmp_path / "i.parquet", sku=[1], category=["coarse"], product_type=["fine"], Date=["d"], is_product=[False],
        brand=pa.nulls(1), extra=pa.nulls(1), price=[3], first_seen=pa.array([0], pa.timestamp("ms")),
    )  # fmt: skip
    users = tmp_path / "u.csv"
    users.write_text("user_id,segment,age\n007,1,30\n")

    report = import_shop(
        events=events,
        items=items,
        users=users,
        into=tmp_path / "into",
        columns={"item_id": "sku", "category": "product_type"},
    )

    landing = tmp_path / "into/landing"
    landed = pq.read_table(landing / "items/date=2020-01-05/part-00000.parquet", partitioning=None)
    assert landed.to_pylist() == [
        {
            "item_id": "1", "shop_category": "coarse", "category": "fine", "shop_Date": "d", "is_product": False,
            "brand": None, "extra": None, "price": 3.0, "first_seen": dt.datetime(1970, 1, 1, tzinfo=UTC),
        }
    ]  # fmt: skip
    assert [landed.schema.field(name).type for name in ("brand", "extra")] == [pa.string(), pa.string()]
    people = pq.read_table(landing / "users/date=2020-01-05/part-00000.parquet", partitioning=None)
    assert people.to_pylist() == [{"user_id": "007", "segment": "1", "age": 30}]
    assert (report.rows["items"], report.rows["users"]) == (1, 1)


def test_first_settings_file(tmp_path: Path) -> None:
    """The first settings file is valid, tells roles, repeats and segment from the data, and is never overwritten."""
    events = _parquet(
        tmp_path / "e.parquet", user_id=["u", "u", "v", "v"], item_id=["a", "a", "a", "a"],
        event_type=["order", "order", "order", 'odd "type"'],
        timestamp=["2020-01-01", "2020-01-02", "2020-01-01", "2020-01-02"],
    )  # fmt: skip
    items = _parquet(tmp_path / "i.parquet", item_id=["a"], is_product=[True])
    users = _parquet(tmp_path / "u.parquet", user_id=["u"], segment=["s"])

    report = _run(tmp_path, events, items=items, users=users, name="corner shop")

    file = tmp_path / "into/larder.toml"
    loaded = settings.load(file, {})
    assert report.numbers == {"repeat_share": 0.5}
    assert loaded.root == str(tmp_path / "into")
    assert loaded.shop == settings.Shop(
        name="corner shop",
        event_types={
            "order": settings.EventType(role="purchase", weight=1.0),
            'odd "type"': settings.EventType(role="ignore", weight=0.0),
        },
        exclude_items="is_product = false",
        repeats=True,
        segment="segment",
    )
    file.write_text("# mine\n")
    assert _run(tmp_path, events).details["settings_file_written"] is False
    assert file.read_text() == "# mine\n"


@pytest.mark.parametrize("name", ["local.toml", "aws.toml", "shops/online_retail.toml", "shops/complete_journey.toml"])
def test_shipped_settings_load(name: str) -> None:
    """Every settings file that is shipped loads, and knows what a purchase is."""
    loaded = settings.load(Path(__file__).parents[2] / "config" / name, {})
    assert loaded.shop.event_types["purchase"].role == "purchase"


def test_local_settings_are_the_defaults() -> None:
    """config/local.toml states the defaults, so that reading it is reading them."""
    assert settings.load(Path(__file__).parents[2] / "config/local.toml", {}) == settings.Settings()
