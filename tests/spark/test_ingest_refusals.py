from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import InputInvalid, InputMissing
from contracts.settings import Settings
from jobs import lake
from jobs.ingest import ingest_events
from jobs.paths import layout_of

DAY = dt.date(2026, 3, 1)
HEADER = "user_id,item_id,event_type,timestamp\n"


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """A shop with an empty root."""
    return Settings(root=str(tmp_path))


def land(shop: Settings, name: str, content: bytes | str) -> None:
    """A file in the landing folder of the day."""
    folder = layout_of(shop).landing_day("events", DAY)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def refused(spark: SparkSession, shop: Settings, kind: type[Exception]) -> str:
    """What the refused ingest says; nothing is in the lake after it."""
    with pytest.raises(kind) as caught:
        ingest_events.run(spark, shop, as_of=DAY)
    assert not lake.files(layout_of(shop), tables.EVENTS)
    assert not lake.files(layout_of(shop), tables.QUARANTINE)
    return str(caught.value)


def test_no_landing_folder(spark: SparkSession, shop: Settings) -> None:
    """A root in which nothing was ever landed."""
    assert "landing folder does not exist" in refused(spark, shop, InputMissing)


def test_no_folder_of_the_day(spark: SparkSession, shop: Settings) -> None:
    """Other days are there: the error says which."""
    layout_of(shop).landing_day("events", dt.date(2026, 2, 1)).mkdir(parents=True)
    assert "2026-02-01 to 2026-02-01" in refused(spark, shop, InputMissing)


def test_a_day_without_files(spark: SparkSession, shop: Settings) -> None:
    """Files of other kinds do not count."""
    land(shop, "_SUCCESS", "")
    assert "no data file" in refused(spark, shop, InputInvalid)


def test_a_missing_column(spark: SparkSession, shop: Settings) -> None:
    """The error names what is missing and what is there."""
    land(shop, "a.csv", "user_id,sku,event_type,timestamp\nu,i,purchase,2026-03-01\n")
    message = refused(spark, shop, InputInvalid)
    assert "Column item_id is missing" in message
    assert "sku" in message


def test_a_corrupt_parquet_file(spark: SparkSession, shop: Settings) -> None:
    """The file starts as Parquet does and ends in the middle."""
    whole = pa.BufferOutputStream()
    pq.write_table(pa.table({name: ["x"] * 500 for name in HEADER.strip().split(",")}), whole)
    land(shop, "a.parquet", whole.getvalue().to_pybytes()[:300])
    message = refused(spark, shop, InputInvalid)
    assert "cannot be read: [FAILED_READ_FILE" in message
    assert "a.parquet" in message


def test_a_day_without_events(spark: SparkSession, shop: Settings) -> None:
    """A header alone is no day: the export broke."""
    land(shop, "a.csv", HEADER)
    assert "holds no event" in refused(spark, shop, InputInvalid)


def test_too_many_bad_rows(spark: SparkSession, shop: Settings) -> None:
    """Three of four rows are bad, two of them for one reason, which is named."""
    rows: list[dict[str, Any]] = [
        {"user_id": "u", "item_id": "i", "event_type": kind, "timestamp": moment}
        for kind, moment in (("purchase", "2026-03-01"), ("gift", "2026-03-01"), ("gift", "2026-03-01"), ("view", "?"))
    ]
    land(shop, "a.jsonl", "\n".join(json.dumps(row) for row in rows))
    assert "75.0% of 4 rows are bad, most by event_type_unknown" in refused(spark, shop, InputInvalid)
