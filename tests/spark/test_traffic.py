"""Who is beyond the limits of traffic, and that nothing is learnt from them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts import tables
from contracts.errors import InputMissing
from contracts.settings import Als, Candidates, Settings, Traffic
from features import traffic
from jobs import storage
from jobs.ingest import flag_users
from jobs.ingest.update_interactions import build_histories
from jobs.paths import layout_of
from jobs.training import build_features, train_als, train_neighbours
from models import als, artifact

AS_OF = dt.date(2026, 3, 31)
COLUMNS = (
    "user_idx", "n_events", "peak_day", "events_per_day", "items_per_day", "events_per_hour", "n_items",
    "catalogue_share",
)  # fmt: skip
Row = tuple[int, int, int, dict[str, int], str, str]


def interactions(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """Day rows of (day of March, user, item, events by role, first and last time)."""
    full = []
    for day, user, item, counts, first, last in rows:
        roles = [counts.get(role, 0) for role in ("views", "clicks", "carts", "purchases", "cancellations")]
        date = dt.date(2026, 3, day)
        times = [dt.datetime.fromisoformat(f"{date}T{time}+00:00") for time in (first, last)]
        bought = float(counts.get("purchases", 0))
        full.append((date, user, item, *roles, 1.0, bought, 2 * bought, *times, date))
    return spark.createDataFrame(full, tables.INTERACTIONS.read_ddl)


def histories(spark: SparkSession, baskets: dict[int, list[int]]) -> DataFrame:
    """Baskets by item of each user."""
    return spark.createDataFrame(list(baskets.items()), "user_idx int, baskets array<int>")


def test_traffic_is_counted_by_user(spark: SparkSession) -> None:
    """User 1: six events on both days, of which the earlier is told, 3 and 6 an hour; user 2's day has one time."""
    rows: list[Row] = [
        (2, 1, 10, {"views": 3, "purchases": 1}, "10:00:00", "11:00:00"),
        (2, 1, 11, {"carts": 2}, "11:00:00", "12:00:00"),
        (3, 1, 10, {"views": 6}, "09:00:00", "09:01:00"),
        (3, 2, 12, {"purchases": 4, "cancellations": 1}, "00:00:00", "00:00:00"),
    ]
    found = traffic.user_traffic(interactions(spark, rows), histories(spark, {1: [2, 0, 1]}), n_items=8)
    assert [tuple(row[name] for name in COLUMNS) for row in found.orderBy("user_idx").collect()] == [
        (1, 12, dt.date(2026, 3, 2), 6, 2, 6.0, 2, 0.25),
        (2, 5, dt.date(2026, 3, 3), 5, 1, None, 0, 0.0),
    ]


LIMITS = Traffic(
    max_events_per_day=10, max_items_per_day=5, max_events_per_hour=8, max_catalogue_share=0.5, catalogue_from_items=4,
    quantile=0.5, quantile_factor=4.0, quantile_from_users=3,
)  # fmt: skip


@pytest.mark.parametrize(
    ("row", "limits"),
    [
        ((100, 10, 5, 8.0, 9, 0.5), []),
        ((100, 11, 5, None, 9, 0.5), ["max_events_per_day"]),
        ((100, 10, 6, 8.0, 3, 0.9), ["max_items_per_day"]),
        ((100, 10, 5, 8.1, 4, 0.51), ["max_events_per_hour", "max_catalogue_share"]),
        ((401, 10, 5, 8.0, 9, 0.5), ["quantile_factor"]),
    ],
)
def test_each_limit_flags_what_is_beyond_it(spark: SparkSession, row: tuple[Any, ...], limits: list[str]) -> None:
    """What is at a limit is kept; a small assortment bought as a whole is not flagged; the limit of events is told."""
    events, per_day, items, hourly, n_items, share = row
    ddl = (
        "user_idx int, n_events long, events_per_day long, items_per_day long, events_per_hour double, n_items long, "
        "catalogue_share double"
    )
    users = spark.createDataFrame([(7, events, per_day, items, hourly, n_items, share)], ddl)
    found = traffic.beyond(users, LIMITS, 400.0).collect()
    assert [(row["limits"], row["events_limit"]) for row in found] == ([(limits, 400.0)] if limits else [])


def test_the_quantile_needs_users(spark: SparkSession) -> None:
    """The median of 1, 2 and 30 events is 2, times 4; of two users nothing can be said."""
    users = spark.createDataFrame([(1, 1), (2, 2), (3, 30)], "user_idx int, n_events long")
    assert traffic.users_and_limit(users, LIMITS) == (3, 8.0)
    assert traffic.users_and_limit(users.where("user_idx < 3"), LIMITS) == (2, None)


SHOPPERS: list[Row] = [
    (day, user, (user + step) % 6, {"purchases": 1}, "10:00:00", "10:00:00")
    for user in range(8)
    for step, day in enumerate((5, 12, 20))
]
BOT: list[Row] = [
    (25, 8, item, {"views": 40, "purchases": 4}, "10:00:00", "12:00:00") for item in range(6)
]  # fmt: skip
OTHER_BOT: list[Row] = [(25, 8, 3, {"purchases": 1}, "10:00:00", "10:00:00")]


def shop(spark: SparkSession, root: Path, rows: list[Row]) -> Settings:
    """A lake with eight shoppers, a ninth user and six items, as of the end of March."""
    settings = Settings(
        root=str(root),
        als=Als(factors=4, iterations=3),
        candidates=Candidates(neighbours=3),
        traffic=Traffic(max_events_per_day=100),
    )
    layout, first = layout_of(settings), dt.date(2026, 3, 1)
    users = [(n, f"u{n}", first) for n in range(9)]
    items = [(n, f"i{n}", first) for n in range(6)]
    storage.append(layout, tables.USER_VOCABULARY, spark.createDataFrame(users, tables.USER_VOCABULARY.read_ddl))
    storage.append(layout, tables.ITEM_VOCABULARY, spark.createDataFrame(items, tables.ITEM_VOCABULARY.read_ddl))
    day_rows = interactions(spark, rows)
    storage.replace(layout, tables.INTERACTIONS, day_rows, first=first, last=AS_OF)
    offered = [(AS_OF, n, f"i{n}", f"Item {n}", "c", None, None, 1.0, None, None, first, True, True) for n in range(6)]
    storage.append(layout, tables.ITEMS, spark.createDataFrame(offered, tables.ITEMS.read_ddl))
    known = [(AS_OF, n, f"u{n}", "all", {}) for n in range(9)]
    storage.append(layout, tables.USERS, spark.createDataFrame(known, tables.USERS.read_ddl))
    build_histories(spark, layout, as_of=AS_OF)
    return settings


def learn(spark: SparkSession, settings: Settings) -> dict[str, Any]:
    """What is learnt from the lake: item features, item factors, neighbours, segment popularity."""
    for job in (build_features, train_als, train_neighbours):
        job.run(spark, settings, as_of=AS_OF)
    layout = layout_of(settings)
    rows = storage.read_as_of(spark, layout, tables.ITEM_FEATURES, AS_OF).orderBy("item_idx").collect()
    neighbours = layout.artifact("neighbours", AS_OF)
    names = ("covisit_data", "covisit_indices", "segment_buyers", "category_data")
    return {
        "features": repr([row.asDict() for row in rows]),
        "factors": [als.load(layout.artifact("als", AS_OF), name).items.tobytes() for name in train_als.MODELS],
        **{name: np.asarray(artifact.array(neighbours, name)).tobytes() for name in names},
    }


def test_nothing_is_learnt_from_a_bot_and_it_is_served(spark: SparkSession, tmp_path: Path) -> None:
    """A bot that looks at and buys everything leaves what is learnt as a quite different bot would; it has factors."""
    settings = shop(spark, tmp_path / "bot", SHOPPERS + BOT)
    layout = layout_of(settings)
    with pytest.raises(InputMissing, match="was not looked at"):
        build_features.run(spark, settings, as_of=AS_OF)
    report = flag_users.run(spark, settings, as_of=AS_OF)
    assert report.rows == {"users_flagged": 1, "users_looked_at": 9}
    rows = storage.read_as_of(spark, layout, tables.FLAGGED_USERS, AS_OF).collect()
    assert [(r["user_id"], r["limits"], r["events_per_day"], r["items_per_day"], r["n_items"]) for r in rows] == [
        ("u8", ["max_events_per_day"], 264, 6, 6)
    ]
    found = learn(spark, settings)
    of_users = als.load(layout.artifact("als", AS_OF), "als").users
    assert len(of_users) == 9
    assert np.abs(of_users[8]).sum() > 0
    assert storage.read_as_of(spark, layout, tables.USER_FEATURES, AS_OF).count() == 9

    other = shop(spark, tmp_path / "other", SHOPPERS + OTHER_BOT)
    artifact.save(
        layout_of(other).artifact(flag_users.KIND, AS_OF), arrays={"user_idx": np.array([8], dtype=np.int32)},
        texts={}, about={},
    )  # fmt: skip
    assert learn(spark, other) == found

    assert flag_users.run(spark, other, as_of=AS_OF).rows["users_flagged"] == 0
    assert learn(spark, other)["factors"] != found["factors"]
