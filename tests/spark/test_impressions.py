"""What logged impressions make of the examples of a window."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyspark.sql import SparkSession

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Als, Candidates, Impressions, Ranker, Settings
from jobs import storage
from jobs.paths import layout_of
from jobs.training import impressions, windows
from models import artifact

FIRST = dt.date(2026, 3, 1)
CUT = dt.date(2026, 3, 24)
USERS, ITEMS = 8, 6


def purchase(spark: SparkSession, layout: Layout, day: dt.date, pairs: list[tuple[int, int]]) -> None:
    """One day of interactions: each user bought the item once."""
    at = dt.datetime(day.year, day.month, day.day, 10, tzinfo=dt.UTC)
    rows = [(day, user, item, 0, 0, 0, 1, 0, 1.0, 1.0, 2.0, at, at, day) for user, item in pairs]
    storage.replace(
        layout, tables.INTERACTIONS, spark.createDataFrame(rows, tables.INTERACTIONS.read_ddl), first=day, last=day
    )


def outcome(user: int, item: int, position: int, kind: str, day: int, n: int = 0) -> tuple[Any, ...]:
    """A row of the table: what user did on a day of March with an item that stood at a position."""
    at = dt.datetime(2026, 3, day, 12, n, tzinfo=dt.UTC)
    told = (at.date(), f"s{day}", "home", f"u{user}", f"i{item}", position, kind, at, "stable", None, None)
    key = f"{user}-{item}-{position}-{kind}-{day}-{n}"
    return (key, *told, position, "own", 1.0, f"i{item}")


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Settings:
    """Eight users who bought three of six items before the cut, and their fourth in the window; user 7 bought none."""
    made = Settings(
        root=str(tmp_path),
        als=Als(factors=4, iterations=3),
        candidates=Candidates(neighbours=3),
        ranker=Ranker(window_days=7, negative_share=0.5),
        impressions=Impressions(unshown_share=0.0, min_clicks=1),
    )
    layout = layout_of(made)
    users = [(n, f"u{n}", FIRST) for n in range(USERS)]
    items = [(n, f"i{n}", FIRST) for n in range(ITEMS)]
    storage.append(layout, tables.USER_VOCABULARY, spark.createDataFrame(users, tables.USER_VOCABULARY.read_ddl))
    storage.append(layout, tables.ITEM_VOCABULARY, spark.createDataFrame(items, tables.ITEM_VOCABULARY.read_ddl))
    offered = [
        (CUT, n, f"i{n}", f"Item {n}", "c", None, None, 1.0, None, None, FIRST, True, True) for n in range(ITEMS)
    ]
    storage.append(layout, tables.ITEMS, spark.createDataFrame(offered, tables.ITEMS.read_ddl))
    grouped = [(CUT, n, f"u{n}", "all", None) for n in range(USERS)]
    storage.append(layout, tables.USERS, spark.createDataFrame(grouped, tables.USERS.read_ddl))
    for step, day in enumerate((5, 12, 20, 26)):
        pairs = [(user, (user + step) % ITEMS) for user in range(USERS if step < 3 else USERS - 1)]
        purchase(spark, layout, dt.date(2026, 3, day), pairs)
    return made


def stored(spark: SparkSession, layout: Layout) -> dict[int, Any]:
    """The examples of the window by user."""
    rows = storage.read_as_of(spark, layout, tables.EXAMPLES, CUT).collect()
    return {row["user_idx"]: row for row in rows}


def test_a_window_learns_from_what_was_shown(spark: SparkSession, shop: Settings) -> None:
    """User 0: one bought, one clicked, one in vain; user 7 clicks and teaches; the others are as without a log.

    Places 1 and 2 are compared by user 1's item 0 and item 5, one click each way: they are looked at alike. What
    happened on the cut, landed on the window's last day, or was only dwelt on counts for nothing. Other outcomes make
    the window anew, the same ones do not, and switched off nothing is left of them.
    """
    layout = layout_of(shop)
    assert windows.prepare_all(spark, shop, layout, [CUT])
    before = stored(spark, layout)
    assert [row["weights"] for row in before.values()] == [None] * (USERS - 1)
    told = [
        *(outcome(0, item, item + 1, "impression", 25) for item in (1, 3, 4)),
        outcome(0, 3, 4, "click", 25), outcome(0, 4, 5, "click", 26, 1), outcome(0, 4, 5, "impression", 26),
        outcome(0, 1, 2, "dwell", 25), outcome(0, 5, 1, "impression", 24), outcome(0, 5, 1, "impression", 31),
        *(outcome(1, item, position, "impression", day) for item in (0, 5) for position, day in ((1, 25), (2, 26))),
        outcome(1, 0, 1, "click", 25), outcome(1, 5, 2, "click", 26),
        outcome(7, 0, 1, "impression", 25), outcome(7, 5, 2, "impression", 25), outcome(7, 0, 1, "cart", 25),
    ]  # fmt: skip
    for rows in (told, [*told, outcome(2, 0, 1, "impression", 27)]):
        frame = spark.createDataFrame(rows, tables.OUTCOMES.read_ddl)
        storage.replace(layout, tables.OUTCOMES, frame, first=FIRST, last=dt.date(2026, 3, 31))
        assert windows.prepare_all(spark, shop, layout, [CUT])
        assert not windows.prepare_all(spark, shop, layout, [CUT])
    after = stored(spark, layout)
    labels = {user: list(zip(row["labels"], row["is_clicked"], strict=True)) for user, row in after.items()}
    assert labels[0] == [(0, False), (1, False), (0, True)]
    assert labels[7] == [(0, True), (0, False)]
    assert {user: row["n_shown"] for user, row in after.items()} == {0: 3, 1: 2, 2: 1, 3: 0, 4: 0, 5: 0, 6: 0, 7: 2}
    assert all(after[user]["features"] == before[user]["features"] for user in (3, 4, 5, 6))
    assert all(set(after[user]["weights"]) == {1.0} for user in (0, 1, 3, 4, 5, 6, 7))
    facts = artifact.about(layout.artifact(impressions.KIND, CUT))["placements"]["home"]
    assert facts["examination"] == {"1": 1.0, "2": 1.0}
    assert (facts["clicks"], facts["randomised_clicks"], facts["note"]) == (2, 0, "")
    off = msgspec.structs.replace(shop, impressions=Impressions(enabled=False))
    assert windows.prepare_all(spark, off, layout, [CUT])
    assert stored(spark, layout) == before
