from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.settings import EventType, Ingest, Shop
from features import events as rules
from features.interactions import aggregate_days

DAY = dt.date(2026, 3, 2)
NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
SCHEMA = (
    "event_id string, user_id string, item_id string, event_type string, timestamp timestamp, price double, "
    "quantity double, order_id string, source_file string, landing_date date, unreadable_line string"
)
GOOD: dict[str, Any] = {
    "event_id": None, "user_id": "u1", "item_id": "i1", "event_type": "purchase", "timestamp": NOON, "price": 2.0,
    "quantity": 1.0, "order_id": None, "source_file": "a", "landing_date": DAY, "unreadable_line": None,
}  # fmt: skip
SHOP = Shop(event_condition="quantity < 1000")


def raw(spark: SparkSession, *changes: dict[str, Any]) -> DataFrame:
    """Good rows with changes."""
    names = [part.split()[0] for part in SCHEMA.split(", ")]
    rows = [tuple({**GOOD, **change}[name] for name in names) for change in changes]
    return spark.createDataFrame(rows, SCHEMA).withColumn("raw", F.struct("user_id", "item_id"))


BROKEN: list[tuple[str, dict[str, Any]]] = [
    ("malformed", {"unreadable_line": "{", "user_id": None, "timestamp": None}),
    ("user_id_missing", {"user_id": None}),
    ("user_id_missing", {"user_id": "", "item_id": ""}),
    ("item_id_missing", {"item_id": "", "timestamp": None}),
    ("id_too_long", {"user_id": "é" * 5}),
    ("timestamp_missing", {"timestamp": None, "event_type": "?"}),
    ("timestamp_in_future", {"timestamp": NOON + dt.timedelta(days=1), "price": -1.0}),
    ("event_type_unknown", {"event_type": "gift"}),
    ("event_type_unknown", {"event_type": None, "price": -1.0}),
    ("price_negative", {"price": -0.01, "quantity": 5000.0}),
    ("event_condition", {"quantity": 1000.0}),
    ("event_condition", {"quantity": None}),
]


@pytest.fixture(scope="module")
def judged(spark: SparkSession) -> list[Any]:
    """Broken rows in the order of BROKEN, then three good ones: of the day, without a price, and late."""
    good = [{}, {"price": None, "user_id": "u" * 9}, {"timestamp": NOON - dt.timedelta(days=1), "event_id": "e1"}]
    rows = [change for _, change in BROKEN] + good
    frame = raw(spark, *[{**row, "source_file": f"{n:02}"} for n, row in enumerate(rows)])
    return rules.classify(frame, SHOP, Ingest(max_id_bytes=9)).orderBy("source_file").collect()


@pytest.mark.parametrize(("position", "reason"), [(n, reason) for n, (reason, _) in enumerate(BROKEN)])
def test_a_row_is_rejected_for_the_first_rule_it_breaks(judged: list[Any], position: int, reason: str) -> None:
    """Every rule rejects, rows that break several name the first, and the row is kept as it came."""
    assert judged[position]["reason"] == reason
    assert judged[position]["raw_row"] is not None


def test_good_rows_have_no_reason(judged: list[Any]) -> None:
    """A missing price is fine; an id may be as long as the limit; an event of an earlier day is late, not wrong."""
    good = judged[len(BROKEN) :]
    assert [(row["reason"], row["raw_row"], row["is_late"]) for row in good] == [
        (None, None, False), (None, None, False), (None, None, True),
    ]  # fmt: skip
    assert good[2]["event_key"] == "e1"
    assert {reason for reason, _ in BROKEN} == set(rules.REASONS)


def test_an_unreadable_line_is_kept_as_it_was(judged: list[Any]) -> None:
    """The quarantine shows the line that no reader could split."""
    assert (judged[0]["raw_row"], judged[1]["raw_row"]) == ("{", '{"item_id":"i1"}')


def duplicates(spark: SparkSession, *changes: dict[str, Any], known: DataFrame | None = None) -> dict[str, bool]:
    """Whether the row of each source file is a duplicate."""
    classified = rules.classify(raw(spark, *changes), SHOP, Ingest())
    suspected = rules.suspects(classified)
    found = (suspected, rules.twins(classified, suspected)) if suspected.count() else None
    rows = rules.mark_duplicates(classified, found, known).collect()
    assert len(rows) == len(changes)
    return {row["source_file"]: row["is_duplicate"] for row in rows}


def test_where_no_two_hashes_are_equal_nothing_is_repeated(spark: SparkSession) -> None:
    """Nothing is suspected, and what the lake knows is a duplicate all the same."""
    ids = ({"source_file": "a", "event_id": "e1"}, {"source_file": "b", "event_id": "e2"})
    assert duplicates(spark, *ids) == {"a": False, "b": False}
    dated = spark.createDataFrame([("e2",)], "event_key string").withColumn("event_date", F.to_date(F.lit(DAY)))
    assert duplicates(spark, *ids, known=dated) == {"a": False, "b": True}


def test_the_first_of_equal_rows_stays(spark: SparkSession) -> None:
    """Without an id equal values are one event, null being no empty text; with one, equal ids are, whatever else."""
    found = duplicates(
        spark,
        {"source_file": "b"},
        {"source_file": "a"},
        {"source_file": "c", "order_id": ""},
        {"source_file": "d", "event_id": "e1"},
        {"source_file": "e", "event_id": "e1", "price": 9.0},
        {"source_file": "f", "quantity": 2.0},
    )
    assert found == {"a": False, "b": True, "c": False, "d": False, "e": True, "f": False}


def test_what_the_lake_holds_is_a_duplicate(spark: SparkSession) -> None:
    """Of the same day and key; a rejected row is never a duplicate, and does not make one."""
    known = spark.createDataFrame(
        [("e1", DAY), ("e2", DAY - dt.timedelta(days=1))], "event_key string, event_date date"
    )
    found = duplicates(
        spark,
        {"source_file": "a", "event_id": "e1"},
        {"source_file": "b", "event_id": "e2"},
        {"source_file": "c", "event_id": "e1", "user_id": ""},
        {"source_file": "d", "event_id": "e3", "user_id": ""},
        {"source_file": "e", "event_id": "e3"},
        known=known,
    )
    assert found == {"a": True, "b": False, "c": False, "d": False, "e": False}


def test_cancellations_are_subtracted(spark: SparkSession) -> None:
    """Three units bought, two returned under either sign; a missing quantity is one unit, an ignored type nothing."""
    rows = [
        ("purchase", 3.0, 2.0), ("cancellation", -1.0, 2.0), ("cancellation", 1.0, 2.0), ("purchase", None, 5.0),
        ("view", None, None), ("test", 7.0, 7.0),
    ]  # fmt: skip
    events = spark.createDataFrame(
        [(kind, quantity, price, DAY, "u1", "i1", NOON, DAY) for kind, quantity, price in rows],
        "event_type string, quantity double, price double, event_date date, user_id string, item_id string, "
        "timestamp timestamp, landing_date date",
    )
    users = spark.createDataFrame([(4, "u1")], "user_idx int, user_id string")
    items = spark.createDataFrame([(6, "i1")], "item_idx int, item_id string")
    types = {**Shop().event_types, "test": EventType(role="ignore", weight=50)}
    (row,) = aggregate_days(events, users, items, types).collect()
    assert (row["user_idx"], row["item_idx"], row["n_purchases"], row["n_cancellations"], row["n_views"]) == (
        4,
        6,
        2,
        2,
        1,
    )
    assert (row["quantity"], row["amount"]) == (2.0, 7.0)
    assert row["weight"] == pytest.approx(2 * 1.0 - 2 * 1.0 + 0.1)
