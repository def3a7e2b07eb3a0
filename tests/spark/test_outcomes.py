"""The outcomes feed: what is accepted, rejected and told twice, and what the slot log adds."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import InputInvalid
from contracts.outcomes_section import Outcomes
from contracts.settings import Settings
from jobs import lake, storage
from jobs.outcomes import ingest_outcomes
from jobs.outcomes.log_slots import SCHEMA
from jobs.paths import layout_of

DAY = dt.date(2024, 3, 2)
SNAPSHOT = "2024-03-01-aaaaaaaaaaaa"
HEADER = "snapshot,placement,user_id,item_id,position,kind,at,channel,team,dwell_seconds\n"
GOOD = (
    f"{SNAPSHOT},home,ann,bread,1,impression,2024-03-02T08:00:00Z,stable,,\n"
    f"{SNAPSHOT},home,ann,tea,2,impression,2024-03-02T08:00:00Z,stable,,\n"
    f"{SNAPSHOT},home,ann,tea,2,click,2024-03-02T08:01:00Z,stable,,\n"
    f"{SNAPSHOT},home,ann,tea,2,dwell,2024-03-02T08:01:00Z,stable,,12.5\n"
    f"{SNAPSHOT},home,zoe,jam,1,impression,2024-03-02T09:00:00Z,interleaved,canary,\n"
)
BAD = (
    f"{SNAPSHOT},home,ann,tea,0,click,2024-03-02T08:01:00Z,stable,,\n"
    f"{SNAPSHOT},home,ann,tea,2,glance,2024-03-02T08:01:00Z,stable,,\n"
    f"{SNAPSHOT},home,ann,tea,2,click,2024-03-03T08:01:00Z,stable,,\n"
    f"{SNAPSHOT},home,ann,tea,2,click,2024-03-02T08:01:00Z,stable,canary,\n"
    f"{SNAPSHOT},home,ann,tea,2,dwell,2024-03-02T08:01:00Z,stable,,\n"
    f"{SNAPSHOT},home,,tea,2,click,2024-03-02T08:01:00Z,stable,,\n"
)


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """A shop whose slot log has one list."""
    made = Settings(root=str(tmp_path))
    row = {
        "as_of": dt.date(2024, 3, 1), "snapshot": SNAPSHOT, "placement": "home", "user_id": "ann",
        "item_ids": ["bread", "tea"], "usual_item_ids": ["bread", "milk"], "sources": ["own", "explored"],
        "propensities": [1.0, 0.25],
    }  # fmt: skip
    batch = pa.RecordBatch.from_pylist([row], schema=SCHEMA)
    lake.replace(layout_of(made), tables.SLOTS, iter([batch]), {"as_of": "2024-03-01", "snapshot": SNAPSHOT})
    return made


def land(shop: Settings, text: str, day: dt.date = DAY) -> None:
    """A file of the feed in the landing folder of a day."""
    folder = layout_of(shop).landing_day("outcomes", day)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part.csv").write_text(text, encoding="utf-8")


def told(spark: SparkSession, shop: Settings) -> list[tuple[Any, ...]]:
    """What the table holds of each outcome's slot."""
    rows = storage.read(spark, layout_of(shop), tables.OUTCOMES).collect()
    columns = ("user_id", "item_id", "kind", "slot", "source", "propensity", "usual_item_id", "dwell_seconds")
    return sorted((tuple(row[name] for name in columns) for row in rows), key=str)


def test_every_row_is_accepted_quarantined_or_a_duplicate(spark: SparkSession, shop: Settings) -> None:
    """Accepted rows know their slot, bad ones their rule; a second run, and the same rows a day later, add nothing."""
    land(shop, HEADER + GOOD + GOOD[: GOOD.index("\n") + 1] + BAD)
    for _ in range(2):
        report = ingest_outcomes.run(spark, shop, as_of=DAY)
        assert report.rows == {"read": 12, "accepted": 5, "quarantined": 6, "duplicates": 1}
    wrong = ("at_in_future", "dwell_wrong", "kind_unknown", "position_wrong", "team_wrong", "user_id_missing")
    assert report.numbers == {f"quarantined_{name}": 1.0 for name in wrong}
    expected = [
        ("ann", "bread", "impression", 1, "own", 1.0, "bread", None),
        ("ann", "tea", "click", 2, "explored", 0.25, "milk", None),
        ("ann", "tea", "dwell", 2, "explored", 0.25, "milk", 12.5),
        ("ann", "tea", "impression", 2, "explored", 0.25, "milk", None),
        ("zoe", "jam", "impression", 0, "unlogged", None, None, None),
    ]
    assert told(spark, shop) == expected
    land(shop, HEADER + GOOD, DAY + dt.timedelta(days=1))
    later = ingest_outcomes.run(spark, shop, as_of=DAY + dt.timedelta(days=1))
    assert later.rows == {"read": 5, "accepted": 0, "quarantined": 0, "duplicates": 5}
    assert told(spark, shop) == expected


@pytest.mark.parametrize(("log_days", "again_days", "source", "accepted"), [(1, 1, "own", 0), (0, 0, "unlogged", 1)])
def test_the_settings_say_how_far_back_the_feed_is_joined(
    spark: SparkSession, shop: Settings, log_days: int, again_days: int, source: str, accepted: int
) -> None:
    """A list of the day before is known, and a row told the day before dropped, only where a day is looked back."""
    wanted = Settings(root=shop.root, outcomes=Outcomes(log_days=log_days, again_days=again_days))
    row = HEADER + GOOD[: GOOD.index("\n") + 1]
    land(wanted, row)
    ingest_outcomes.run(spark, wanted, as_of=DAY)
    assert [(found[0], found[4]) for found in told(spark, wanted)] == [("ann", source)]
    land(wanted, row, DAY + dt.timedelta(days=1))
    later = ingest_outcomes.run(spark, wanted, as_of=DAY + dt.timedelta(days=1))
    assert (later.rows["accepted"], later.rows["duplicates"]) == (accepted, 1 - accepted)


def test_a_day_without_the_feed_is_no_error(spark: SparkSession, shop: Settings) -> None:
    """The report says "no feed", and no table is made."""
    report = ingest_outcomes.run(spark, shop, as_of=DAY)
    assert report.details == {"feed": "no feed"}
    assert not lake.exists(layout_of(shop), tables.OUTCOMES)


def test_a_wrong_feed_is_refused(spark: SparkSession, shop: Settings) -> None:
    """A missing column, an unknown one and too many bad rows are each told by name; nothing is written."""
    land(shop, "snapshot,placement\na,b\n")
    with pytest.raises(InputInvalid, match="Column user_id, item_id, position, kind, at, channel is missing"):
        ingest_outcomes.run(spark, shop, as_of=DAY)
    land(shop, HEADER.replace("\n", ",mood\n") + GOOD.replace("\n", ",happy\n"))
    with pytest.raises(InputInvalid, match="Column mood is not one of the feed"):
        ingest_outcomes.run(spark, shop, as_of=DAY)
    land(shop, HEADER + BAD)
    with pytest.raises(InputInvalid, match=r"100.0% of 6 outcomes are bad"):
        ingest_outcomes.run(spark, shop, as_of=DAY)
    assert not lake.exists(layout_of(shop), tables.OUTCOMES)
