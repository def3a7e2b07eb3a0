from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import InputInvalid
from contracts.settings import Settings
from features import erased
from jobs import storage
from jobs.erasing.register import register_of
from jobs.ingest import flag_users, ingest_catalogue, ingest_events, update_interactions
from jobs.ingest.erased import without_erased
from jobs.paths import layout_of
from jobs.training import build_features
from models import artifact

DAY = dt.date(2026, 3, 1)
ODD = ["ann", "", " ann", "ünï/🌽", "-1", "ann\n", "a" * 500, "'; --"]


def land(folder: Path, rows: list[dict[str, object]]) -> None:
    """One landing file of JSON lines."""
    folder.mkdir(parents=True)
    (folder / "part.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def event(number: int, user: str) -> dict[str, object]:
    """One purchase."""
    return {
        "event_id": f"e{number}", "user_id": user, "item_id": "tea", "event_type": "purchase",
        "timestamp": "2026-03-01T10:00:00Z", "price": 1.0, "quantity": 1.0,
    }  # fmt: skip


def test_spark_hashes_an_id_as_the_register_does(spark: SparkSession, tmp_path: Path) -> None:
    """Each odd id is recognised, and none for another; a row without an id stays."""
    register = register_of(layout_of(Settings(root=str(tmp_path))))
    register.add(ODD[1:], at="2026-03-01T00:00:00Z", reason="r")
    hashes = spark.createDataFrame([(one,) for one in register.entries()], "hash string")
    rows = spark.createDataFrame([(user,) for user in [*ODD, None, "Ann"]], "user_id string")
    pads = register.pads()
    left = erased.without(rows, hashes, inner=pads.inner, outer=pads.outer)
    assert left.columns == ["user_id"]
    assert {row[0] for row in left.collect()} == {"ann", None, "Ann"}


def test_without_a_register_nothing_is_hashed(spark: SparkSession, tmp_path: Path) -> None:
    """And a register without its key stops the ingest."""
    layout = layout_of(Settings(root=str(tmp_path)))
    rows = spark.createDataFrame([("ann",)], "user_id string")
    assert without_erased(rows, layout) is None
    register_of(layout).add(["ann"], at="2026-03-01T00:00:00Z", reason="r")
    (layout.erased / "key").unlink()
    with pytest.raises(InputInvalid, match="key"):
        without_erased(rows, layout)


def test_an_erased_user_who_lands_again_is_counted_and_not_taken(spark: SparkSession, tmp_path: Path) -> None:
    """Events, a rejected row and the catalogue: no table and no vocabulary names the user."""
    settings = Settings(root=str(tmp_path))
    layout = layout_of(settings)
    bad = {**event(4, "ann"), "item_id": ""}
    land(layout.landing_day("events", DAY), [event(1, "ann"), event(2, "bob"), event(3, "ann"), bad])
    land(layout.landing_day("items", DAY), [{"item_id": "tea", "title": "Tea"}])
    land(layout.landing_day("users", DAY), [{"user_id": "ann", "segment": "x"}, {"user_id": "cat", "segment": "y"}])
    register_of(layout).add(["ann"], at="2026-03-01T00:00:00Z", reason="r")
    report = ingest_events.run(spark, settings, as_of=DAY)
    assert {name: report.rows[name] for name in ("read", "accepted", "quarantined", "duplicates", "erased")} == {
        "read": 4, "accepted": 1, "quarantined": 0, "duplicates": 0, "erased": 3,
    }  # fmt: skip
    ingest_catalogue.run(spark, settings, as_of=DAY)
    for table in (tables.EVENTS, tables.USER_VOCABULARY, tables.USERS):
        users = {row["user_id"] for row in storage.read(spark, layout, table).collect()}
        assert users == ({"bob"} if table is tables.EVENTS else {"bob", "cat"})
    assert storage.read(spark, layout, tables.QUARANTINE).count() == 0


def test_the_items_say_how_many_were_erased_before_they_were_counted(spark: SparkSession, tmp_path: Path) -> None:
    """Nobody at first; then one, whose purchases the counts no longer have to be held against."""
    settings = Settings(root=str(tmp_path))
    layout = layout_of(settings)
    land(layout.landing_day("events", DAY), [event(1, "ann"), event(2, "bob")])
    land(layout.landing_day("items", DAY), [{"item_id": "tea", "title": "Tea"}])
    land(layout.landing_day("users", DAY), [{"user_id": "ann", "segment": "x"}])
    for job in (ingest_events, ingest_catalogue, update_interactions, flag_users, build_features):
        job.run(spark, settings, as_of=DAY)
    assert "n_erased" not in artifact.about(layout.artifact("item_arrays", DAY))
    register_of(layout).add(["ann"], at="2026-03-01T00:00:00Z", reason="r")
    build_features.run(spark, settings, as_of=DAY)
    assert artifact.about(layout.artifact("item_arrays", DAY))["n_erased"] == 1
