"""Three days of a tiny shop, ingested one after the other into one lake. Tests run in order and share it."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.days import EPOCH
from contracts.errors import CatalogueShrunk, InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Als, Settings
from features.user_rows import with_candidates
from jobs import storage
from jobs.ingest import flag_users, ingest_catalogue, ingest_events
from jobs.ingest import update_interactions as updates
from jobs.kernels.blocks import proposed_to
from jobs.kernels.histories import fold_days, rebuild_days
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of
from jobs.ranking import generate_candidates
from jobs.training import build_features, train_als, train_neighbours

DAYS = [dt.date(2026, 3, n) for n in (1, 2, 3)]
Event = tuple[str, str, str, str, str, float | None, float | None]
EVENTS: dict[dt.date, list[Event]] = {
    DAYS[0]: [
        ("e1", "u1", "i1", "purchase", "2026-03-01T10:00:00Z", 2.0, 1.0),
        ("e2", "u1", "i2", "view", "2026-03-01T10:05:00Z", None, None),
        ("e3", "u2", "i1", "purchase", "2026-03-01T11:00:00Z", 3.0, 2.0),
        ("e4", "u2", "i1", "cancellation", "2026-03-01T12:00:00Z", 3.0, 1.0),
    ],
    DAYS[1]: [
        ("e5", "u1", "i1", "purchase", "2026-03-02T09:00:00Z", 2.0, 1.0),
        ("e5", "u1", "i1", "purchase", "2026-03-02T09:00:00Z", 2.0, 1.0),  # twice in its file
        ("e1", "u1", "i1", "purchase", "2026-03-01T10:00:00Z", 2.0, 1.0),  # landed the day before
        ("e6", "u3", "i3", "purchase", "2026-03-01T12:00:00Z", 4.0, 1.0),  # late
        ("e8", "u1", "", "purchase", "2026-03-02T09:00:00Z", 2.0, 1.0),
        ("e9", "u1", "i1", "purchase", "2026-03-05T09:00:00Z", 2.0, 1.0),  # in the future
    ],
    DAYS[2]: [
        ("f1", "u1", "i1", "cancellation", "2026-03-03T09:00:00Z", 2.0, 1.0),
        ("f2", "u2", "i3", "purchase", "2026-03-03T09:00:00Z", 9.0, 3.0),
        ("f3", "u9", "i9", "purchase", "2026-03-03T10:00:00Z", 9.0, 3.0),
        ("f4", "u1", "i2", "purchase", "2026-03-03T10:00:00Z", 9.0, 3.0),
    ],
}
NAMES = ("event_id", "user_id", "item_id", "event_type", "timestamp", "price", "quantity")
OUTCOMES = ("read", "accepted", "quarantined", "duplicates", "late", "new_users", "new_items")


def write(folder: Path, lines: list[str]) -> None:
    """One landing file of JSON lines."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "part.jsonl").write_text("\n".join(lines) + "\n")


@dataclass
class Shop:
    """The lake, its settings and what its jobs reported."""

    spark: SparkSession
    settings: Settings

    @property
    def layout(self) -> Layout:
        """Where it lies."""
        return layout_of(self.settings)

    def ingest(self, day: dt.date) -> list[int]:
        """The outcomes of an ingest of one day."""
        report = ingest_events.run(self.spark, self.settings, as_of=day)
        return [report.rows[name] for name in OUTCOMES]

    def update(self, day: dt.date) -> JobReport:
        """The report of the update of one day."""
        return updates.run(self.spark, self.settings, as_of=day)

    def rows(self, table: tables.Table, *names: str) -> list[tuple[Any, ...]]:
        """Rows of a table, sorted."""
        return sorted(tuple(row) for row in storage.read(self.spark, self.layout, table).select(*names).collect())

    def on(self, table: tables.Table, day: dt.date) -> dict[int, dict[str, Any]]:
        """The rows of one date, by user or item index."""
        rows = [row.asDict(recursive=True) for row in storage.read_as_of(self.spark, self.layout, table, day).collect()]
        return {row["item_idx" if table is tables.ITEM_FEATURES else "user_idx"]: row for row in rows}


@pytest.fixture(scope="module")
def shop(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three landed days, and a catalogue of four items and one segment on the first."""
    made = Shop(spark, Settings(root=str(tmp_path_factory.mktemp("shop")), threads=1, als=Als(factors=4, iterations=2)))
    for day, events in EVENTS.items():
        lines = [json.dumps(dict(zip(NAMES, event, strict=True))) for event in events]
        write(made.layout.landing_day("events", day), lines + (['{"event_id": "e7", "user'] if day == DAYS[1] else []))
    items = [{"item_id": f"i{n}", "title": f"Item {n}", "category": "c"} for n in (1, 2, 3, 4)]
    write(made.layout.landing_day("items", DAYS[0]), [json.dumps(item) for item in items])
    write(made.layout.landing_day("users", DAYS[0]), [json.dumps({"user_id": "u1", "segment": "gold", "age": 40})])
    return made


def test_a_first_day_is_accepted(shop: Shop) -> None:
    """Four rows in, four accepted; two users and two items are new, numbered by id."""
    assert shop.ingest(DAYS[0]) == [4, 4, 0, 0, 0, 2, 2]
    assert shop.rows(tables.USER_VOCABULARY, "user_idx", "user_id") == [(0, "u1"), (1, "u2")]
    report = shop.update(DAYS[0])
    assert report.details["folded_from"] == "rebuilt"
    assert shop.rows(tables.INTERACTIONS, "user_idx", "item_idx", "n_purchases", "quantity", "amount") == [
        (0, 0, 1, 1.0, 2.0), (0, 1, 0, 0.0, 0.0), (1, 0, 1, 1.0, 3.0),
    ]  # fmt: skip


def test_every_row_of_a_messy_day_is_accounted_for(shop: Shop) -> None:
    """Seven rows: two accepted of which one late, three quarantined, two duplicates; indices only grow."""
    assert shop.ingest(DAYS[1]) == [7, 2, 3, 2, 1, 1, 1]
    assert shop.rows(tables.USER_VOCABULARY, "user_idx", "user_id") == [(0, "u1"), (1, "u2"), (2, "u3")]
    assert [row[0] for row in shop.rows(tables.QUARANTINE, "reason")] == [
        "item_id_missing", "malformed", "timestamp_in_future",
    ]  # fmt: skip
    assert ("malformed", '{"event_id": "e7", "user') in shop.rows(tables.QUARANTINE, "reason", "raw_row")


def test_a_second_run_of_a_day_changes_nothing(shop: Shop) -> None:
    """The same counts, the same events, the same indices."""
    before = shop.rows(tables.EVENTS, "event_key", "landing_date", "is_late")
    assert [row[0] for row in before] == ["e1", "e2", "e3", "e4", "e5", "e6"]
    assert shop.ingest(DAYS[1]) == [7, 2, 3, 2, 1, 0, 0]
    assert shop.rows(tables.EVENTS, "event_key", "landing_date", "is_late") == before


def test_a_late_event_makes_the_base_new(shop: Shop) -> None:
    """It changed a day that yesterday's base had closed: that day is rewritten and the base rebuilt with it."""
    report = shop.update(DAYS[1])
    assert (report.rows["days_rewritten"], report.details["folded_from"]) == (2, "rebuilt")
    third = shop.on(tables.HISTORIES, DAYS[1])[2]
    assert (third["item_idx"], third["n_baskets"], third["first_day"]) == ([2], 1, (DAYS[0] - EPOCH).days)
    first = shop.on(tables.HISTORIES, DAYS[1])[0]
    assert (first["item_idx"], first["baskets"], first["quantities"]) == ([0, 1], [2, 0], [2.0, 0.0])


def test_a_catalogue_knows_every_id(shop: Shop) -> None:
    """Item i4 was never sold and takes the next index; users the shop does not list are in the segment `all`."""
    report = ingest_catalogue.run(shop.spark, shop.settings, as_of=DAYS[1])
    assert (report.rows["items_written"], report.rows["new_items"], report.rows["users_written"]) == (4, 1, 3)
    assert shop.rows(tables.USERS, "user_idx", "segment") == [(0, "gold"), (1, "all"), (2, "all")]
    assert shop.rows(tables.ITEMS, "item_idx", "item_id", "is_recommendable")[3] == (3, "i4", True)


STATE = (tables.HISTORIES, tables.USER_FEATURES, tables.ITEM_FEATURES, tables.CANDIDATES)


@pytest.fixture(scope="module")
def known() -> dict[str, Any]:
    """What was known as of the second day, before the third was ingested."""
    return {}


def cook(shop: Shop, day: dt.date) -> dict[str, Any]:
    """Features, models and candidates of a date, made anew."""
    for job in (flag_users, build_features, train_als, train_neighbours, generate_candidates):
        job.run(shop.spark, shop.settings, as_of=day)
    return {table.name: shop.on(table, day) for table in STATE}


def test_features_of_a_date_count_what_stands(shop: Shop, known: dict[str, Any]) -> None:
    """Item i1 has two buyers at 7 paid for three units net of the cancellation; i4 has none."""
    known.update(cook(shop, DAYS[1]))
    items = known["item_features"]
    assert [(items[n]["buyers"], items[n]["buyers_28"]) for n in range(4)] == [(2, 2), (0, 0), (1, 1), (0, 0)]
    assert items[0]["price"] == pytest.approx(7 / 3)
    assert items[0]["repeat_rate"] == 0.5
    users = known["user_features"]
    assert (users[0]["n_baskets"], users[0]["basket_gap_days"], users[0]["segment"]) == (2, 1.0, "gold")
    assert (users[2]["recency_days"], users[2]["basket_gap_days"], users[2]["segment"]) == (1.0, None, "all")
    assert sorted(known["candidates"]) == [0, 1, 2]


def test_candidates_made_in_passing_are_those_of_the_table(shop: Shop, known: dict[str, Any]) -> None:
    """Users whose candidates are made as they are read have the columns and values of users beside the table."""
    assert known["candidates"]
    users = users_of(shop.spark, shop.layout, DAYS[1])
    joined = with_candidates(users, storage.read_as_of(shop.spark, shop.layout, tables.CANDIDATES, DAYS[1]))
    made = proposed_to(users, kitchen_of(shop.spark, shop.settings, shop.layout, DAYS[1]))
    assert made.dtypes == joined.dtypes
    assert repr(made.orderBy("user_idx").collect()) == repr(joined.orderBy("user_idx").collect())


def test_bases_made_together_are_those_made_alone(shop: Shop) -> None:
    """Made in one pass no date knows of a later one: nobody at first, then three users, then one of them twice."""
    everything = storage.read(shop.spark, shop.layout, tables.INTERACTIONS)
    days = [DAYS[0] - dt.timedelta(days=1), *DAYS[:2]]
    together, sizes = rebuild_days(everything, days), []
    for day in days:
        by_then = rebuild_days(everything.where(F.col("day") <= F.lit(day)), [day]).orderBy("user_idx").collect()
        assert repr(by_then) == repr(together.where(F.col("as_of") == F.lit(day)).orderBy("user_idx").collect())
        sizes.append((len(by_then), sum(row["n_baskets"] for row in by_then)))
    assert sizes == [(0, 0), (3, 3), (3, 4)]


def test_a_day_folded_in_equals_a_rebuild(shop: Shop) -> None:
    """The third day has nothing late: the base goes on from the second, and its rows are those of a rebuild."""
    assert shop.ingest(DAYS[2]) == [4, 4, 0, 0, 0, 1, 1]
    assert shop.update(DAYS[2]).details["folded_from"] == DAYS[1].isoformat()
    folded = shop.on(tables.HISTORIES, DAYS[2])
    nobody = shop.spark.createDataFrame([], tables.HISTORIES.read_ddl).drop("as_of")
    everything = storage.read(shop.spark, shop.layout, tables.INTERACTIONS)
    rebuilt = fold_days(nobody, everything, base_day=EPOCH, as_of=DAYS[2]).collect()
    assert len(rebuilt) == len(folded) == 4
    for row in rebuilt:
        for name, value in row.asDict().items():
            assert folded[row["user_idx"]][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    assert folded[0]["quantities"] == [1.0, 3.0]


def test_what_happens_later_leaves_no_trace(shop: Shop, known: dict[str, Any]) -> None:
    """With the third day in the lake, everything made anew as of the second is what it was before."""
    updates.build_histories(shop.spark, shop.layout, as_of=DAYS[1])
    again = cook(shop, DAYS[1])
    for table in STATE:
        assert repr(again[table.name]) == repr(known[table.name]), table.name
    assert max(again["item_features"]) == 3


def test_a_shrunken_catalogue_is_refused(shop: Shop) -> None:
    """Of four items one is left: the export broke, and the items of before stay."""
    write(shop.layout.landing_day("items", DAYS[2]), [json.dumps({"item_id": "i1", "title": "Item 1"})])
    with pytest.raises(CatalogueShrunk, match="lists 1 items; on 2026-03-02 it listed 4: 75% are gone"):
        ingest_catalogue.run(shop.spark, shop.settings, as_of=DAYS[2])
    assert len(shop.rows(tables.ITEMS, "item_id")) == 4


def test_a_missing_catalogue_is_refused(shop: Shop, tmp_path: Path) -> None:
    """Nothing landed, or landed after the date only."""
    with pytest.raises(InputMissing, match="No items catalogue was landed by 2026-02-28"):
        ingest_catalogue.run(shop.spark, shop.settings, as_of=dt.date(2026, 2, 28))
    with pytest.raises(InputMissing, match="No items catalogue"):
        ingest_catalogue.run(shop.spark, Settings(root=str(tmp_path)), as_of=DAYS[0])
