"""A shop's values in landing types, day files beyond memory, and guesses about a shop."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contracts.errors import InputInvalid
from contracts.settings import EventType
from jobs.shops import values
from jobs.shops.day_files import UNDATED, DayFiles
from jobs.shops.first_settings import Sights, guess_event_types

NEW_YEAR = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1_704_067_200, None]),
        pa.array([1_704_067_200_000.0, float("nan")]),
        pa.array([1_704_067_200_000_000, None]),
        pa.array([1_704_067_200_000_000_000, None]),
        pa.array(["1704067200", "no"]),
        pa.array(["2024-01-01", ""]),
        pa.array(["2024-01-01 00:00:00", None]),
        pa.array([" 2024-01-01T00:00:00Z ", "2024-13-01T00:00:00Z"]),
        pa.array(["2024-01-01T02:00:00+02:00", "0001-01-01T00:00:00+14:00"]),
        pa.array(["2024-01-01 00:00:00", "x"]).dictionary_encode(),
        pa.array([dt.date(2024, 1, 1), None]),
        pa.array([dt.datetime(2024, 1, 1), None], pa.timestamp("s")),  # noqa: DTZ001
        pa.array([NEW_YEAR, None], pa.timestamp("ns", "Europe/London")),
        pa.array([1_704_067_200, 10**12], pa.timestamp("s", "UTC")),
    ],
)
def test_every_way_to_write_a_time(column: pa.Array) -> None:
    """Each way to write a moment gives the same UTC moment, and what is none gives null."""
    landed = values.as_timestamp(column)

    assert landed.type == pa.timestamp("us", "UTC")
    assert landed.to_pylist() == [NEW_YEAR, None]


def test_times_by_pattern() -> None:
    """A strptime pattern reads what is not ISO 8601; text that breaks it is null."""
    assert values.as_timestamp(pa.array(["1/1/2024 00:00", "2024"]), "%d/%m/%Y %H:%M").to_pylist() == [NEW_YEAR, None]


def test_size_tells_seconds_from_milliseconds() -> None:
    """Eleven digits are seconds, twelve are milliseconds."""
    landed = values.as_timestamp(pa.array([99_999_999_999, 100_000_000_000])).to_pylist()
    assert landed == [
        dt.datetime(5138, 11, 16, 9, 46, 39, tzinfo=dt.UTC),
        dt.datetime(1973, 3, 3, 9, 46, 40, tzinfo=dt.UTC),
    ]


def test_days_before_1970() -> None:
    """Days are floors, also before 1970, and a null has the day that is given."""
    stamps = pa.array([-1, 0, 86_399_999_999, 86_400_000_000, None], pa.timestamp("us", "UTC"))
    assert values.days_of(stamps, missing=-9).tolist() == [-1, 0, 0, 1, -9]


@pytest.mark.parametrize(
    ("column", "texts"),
    [
        (pa.array([17_850.0, None, float("nan")]), ["17850", None, None]),
        (pa.array([1.5, 2.0]), ["1.5", "2"]),
        (pa.array([2**63], pa.uint64()), ["9223372036854775808"]),
        (pa.array(["007", "null", "NA", ""]), ["007", "null", "NA", ""]),
        (pa.array(["a"], pa.large_string()), ["a"]),
        (pa.nulls(2), [None, None]),
    ],
)
def test_ids_stay_what_they_are(column: pa.Array, texts: list[str | None]) -> None:
    """Ids become the text a person would write, and no word is taken for null."""
    assert values.as_text(column).to_pylist() == texts
    assert values.as_text(column).type == pa.string()


def test_numbers() -> None:
    """Numbers become doubles; text that is none, NaN and infinity become null."""
    assert values.as_number(pa.array(["1.5", "x", "nan", "inf", "-2", None])).to_pylist() == [
        1.5,
        None,
        None,
        None,
        -2.0,
        None,
    ]
    assert values.as_number(pa.array([3, None], pa.int8())).to_pylist() == [3.0, None]


@pytest.mark.parametrize(
    ("kind", "landed"),
    [
        (pa.null(), pa.string()), (pa.uint64(), pa.string()), (pa.time64("us"), pa.string()),
        (pa.float16(), pa.float32()), (pa.timestamp("ns"), pa.timestamp("us", "UTC")), (pa.bool_(), pa.bool_()),
        (pa.date32(), pa.date32()), (pa.int16(), pa.int16()), (pa.dictionary(pa.int8(), pa.string()), pa.string()),
    ],
)  # fmt: skip
def test_types_that_spark_cannot_read(kind: pa.DataType, landed: pa.DataType) -> None:
    """Types that Spark refuses are written as the nearest it reads; others stay."""
    assert values.for_spark(pa.nulls(1, kind)).type == landed


def _write(folder: Path, buffer_bytes: int) -> dict[int, int]:
    schema = pa.schema([("n", pa.int64())])
    with DayFiles(folder, schema, buffer_bytes=buffer_bytes) as files:
        for start in range(0, 1000, 50):
            numbers = np.arange(start, start + 50)
            days = np.where(numbers % 7 == 0, UNDATED, numbers % 3).astype(np.int32)
            files.add(pa.record_batch([pa.array(numbers)], schema=schema), days)
        return files.finish()


def _contents(folder: Path) -> dict[str, Any]:
    return {
        str(f.relative_to(folder)): hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.rglob("*") if f.is_file()
    }


def test_spilled_days_have_the_same_bytes(tmp_path: Path) -> None:
    """Days that passed through spill files are byte-equal to days kept in memory, in source order."""
    counts = _write(tmp_path / "memory", 1 << 30)
    assert _write(tmp_path / "spilled", 1000) == counts == {UNDATED: 143, 0: 286, 1: 285, 2: 286}
    assert _contents(tmp_path / "spilled") == _contents(tmp_path / "memory")
    assert sorted(_contents(tmp_path / "spilled")) == [
        "date=1970-01-01/part-00000.parquet", "date=1970-01-01/part-00001.parquet",
        "date=1970-01-02/part-00000.parquet", "date=1970-01-03/part-00000.parquet",
    ]  # fmt: skip
    rows = pq.read_table(tmp_path / "spilled/date=1970-01-02/part-00000.parquet", partitioning=None)["n"].to_pylist()
    assert rows == [n for n in range(1000) if n % 3 == 1 and n % 7 != 0]


def _events(rows: list[tuple[str, str, str, int]]) -> tuple[pa.RecordBatch, pa.Array]:
    users, items, types, days = zip(*rows, strict=True)
    batch = pa.record_batch({"user_id": pa.array(users), "item_id": pa.array(items), "event_type": pa.array(types)})
    return batch, pa.array(days, pa.int32())


def test_repeats_count_days_not_lines() -> None:
    """A pair repeats when it was bought on two days; two lines of one day or a view do not count."""
    sights = Sights()
    sights.add(*_events([("u", "a", "buy", 1), ("u", "a", "buy", 1), ("u", "b", "buy", 1)]), Path("e"))
    sights.add(*_events([("u", "b", "buy", 2), ("u", "a", "view", 2), ("v", "a", "buy", 2)]), Path("e"))
    assert sights.repeat_share == pytest.approx(1 / 3)
    assert sights.event_types == Counter({"buy": 5, "view": 1})


def test_repeats_from_a_sample() -> None:
    """With few pairs held, the share is that of whole users chosen by hash, and no more pairs are held."""
    sights = Sights(max_sample=200)
    for day in (1, 2):
        sights.add(*_events([(f"user {n}", "a", "buy", day if n % 2 else 1) for n in range(1000)]), Path("e"))
    assert sights.repeat_share == pytest.approx(0.5, abs=0.15)
    assert sights.repeat_share != 0.5  # a sample, not a count


def test_wrong_event_type_column_is_refused() -> None:
    """A thousand different event types mean that the column is another one."""
    with pytest.raises(InputInvalid, match="more than 1000 different values"):
        Sights().add(*_events([("u", "a", f"type {n}", 1) for n in range(1001)]), Path("e"))


def test_a_shop_without_a_known_purchase() -> None:
    """Without a word for purchase the strongest known role, else the most frequent word, stands in."""
    assert guess_event_types(Counter({"view": 9, "Add to cart": 1})) == (
        {"view": EventType(role="view", weight=0.1), "Add to cart": EventType(role="purchase", weight=1.0)},
        "Add to cart",
    )  # fmt: skip
    assert guess_event_types(Counter({"kauf": 9, "blick": 10}))[1] == "blick"
    assert guess_event_types(Counter({"buy": 1, "view": 10}))[1] is None
