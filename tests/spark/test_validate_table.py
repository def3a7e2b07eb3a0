from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import settings as contract
from contracts import tables
from contracts.errors import TableInvalid
from contracts.settings import Settings
from contracts.tables import Table
from jobs import storage
from jobs.ingest import validate_table
from jobs.paths import layout_of

DAY = dt.date(2024, 3, 2)
AT = dt.datetime(2024, 3, 2, 10, tzinfo=dt.UTC)
GOOD = ("k1", "u1", "i1", "purchase", AT, DAY, DAY, 2.5, 1.0, None, False, "f")
LIST = (DAY, "home", 0, "u1", "all", [3, 1], [0.9, 0.1], [0, 3], [-1, -1], [3, 1], [1.0, 0.2])


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The defaults with a root of their own."""
    return contract.load(None, {}, root=str(tmp_path))


def frame(spark: SparkSession, table: Table, *rows: tuple[object, ...]) -> DataFrame:
    """Rows of a table, typed as declared."""
    return spark.createDataFrame(list(rows), table.read_ddl)


def broken(rows: DataFrame, table: Table, settings: Settings) -> list[str]:
    """The facts that do not hold, in the suite's order."""
    return [
        validate_table._fact(result)
        for result in validate_table.validate(rows, table, settings)
        if not result.success
    ]  # fmt: skip


def changed(row: tuple[object, ...], table: Table, **values: object) -> tuple[object, ...]:
    """The row with some columns replaced."""
    return tuple(values.get(name, value) for name, value in zip(table.column_names, row, strict=True))


def test_good_rows_keep_every_fact(spark: SparkSession, settings: Settings) -> None:
    """Nothing is broken in one good event and one good list."""
    assert broken(frame(spark, tables.EVENTS, GOOD), tables.EVENTS, settings) == []
    assert broken(frame(spark, tables.TOP_N_LISTS, LIST), tables.TOP_N_LISTS, settings) == []


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"user_id": None}, ["user_id is never null", "ids_are_not_empty", "ids_fit"]),
        ({"price": -0.01}, ["price_is_not_negative"]),
        ({"event_type": "gift"}, ["event_type is one of cancellation, cart, click, purchase, view"]),
        ({"landing_date": dt.date(2024, 3, 1)}, ["event_is_not_after_its_landing_day"]),
        ({"is_late": True}, ["late_means_before_the_landing_day"]),
        ({"user_id": "x" * 257}, ["ids_fit"]),
    ],
)
def test_a_bad_event_breaks_its_fact(
    spark: SparkSession, settings: Settings, values: dict[str, object], facts: list[str]
) -> None:
    """Each bad value breaks exactly the facts about it."""
    rows = frame(spark, tables.EVENTS, GOOD, changed(GOOD, tables.EVENTS, event_key="k2", **values))
    assert broken(rows, tables.EVENTS, settings) == facts


@pytest.mark.parametrize(
    ("values", "facts"),
    [
        ({"item_idx": [3, 3]}, ["items_are_distinct"]),
        ({"item_idx": [3, -1]}, ["items_are_indices"]),
        ({"scores": [0.9]}, ["arrays_are_parallel"]),
        ({"scores": [0.9, float("nan")]}, ["scores_are_finite"]),
        ({"reasons": [0, 99]}, ["reasons_are_sources"]),
        ({"propensities": [1.0, 0.0]}, ["propensities_are_probabilities"]),
        ({"placement": "attic"}, ["placement is one of discover, home"]),
    ],
)
def test_a_bad_list_breaks_its_fact(
    spark: SparkSession, settings: Settings, values: dict[str, object], facts: list[str]
) -> None:
    """Each bad array breaks exactly the facts about it."""
    rows = frame(spark, tables.TOP_N_LISTS, LIST, changed(LIST, tables.TOP_N_LISTS, user_idx=1, **values))
    assert broken(rows, tables.TOP_N_LISTS, settings) == facts


def test_a_key_twice_is_found(spark: SparkSession, settings: Settings) -> None:
    """A repeated key, single or of several columns, breaks its uniqueness and nothing else."""
    assert broken(frame(spark, tables.EVENTS, GOOD, GOOD), tables.EVENTS, settings) == ["event_key is unique"]
    lists = frame(spark, tables.TOP_N_LISTS, LIST, LIST)
    assert broken(lists, tables.TOP_N_LISTS, settings) == ["as_of + placement + user_idx is unique"]


def test_no_rows_are_found(spark: SparkSession, settings: Settings) -> None:
    """An empty table breaks the fact that it has rows."""
    assert "the table has rows" in broken(frame(spark, tables.EVENTS), tables.EVENTS, settings)


def test_a_staged_table_is_judged_by_its_dates(spark: SparkSession, settings: Settings) -> None:
    """Only rows of the dates asked for count; the error names table, folder and fact; a repeat says the same."""
    layout = layout_of(settings)
    earlier = DAY - dt.timedelta(days=1)
    rows = frame(spark, tables.EVENTS, GOOD, changed(GOOD, tables.EVENTS, event_key="k2", price=-1.0))
    spread = rows.withColumn(
        "landing_date", F.when(F.col("price") < 0, F.lit(DAY + dt.timedelta(days=1))).otherwise(F.lit(DAY))
    )
    late = spread.withColumn("is_late", F.col("event_date") < F.col("landing_date"))
    storage.replace(layout, tables.EVENTS, late, first=DAY, last=DAY + dt.timedelta(days=1))
    report = validate_table.run(spark, settings, tables.EVENTS, as_of=DAY)
    assert report.rows == {"expectations_met": 30}
    assert validate_table.run(spark, settings, tables.EVENTS, as_of=DAY, first=earlier).rows == report.rows
    for _ in range(2):
        with pytest.raises(
            TableInvalid, match=r"1 of 30 facts do not hold of events .*: price_is_not_negative"
        ) as caught:
            validate_table.run(spark, settings, tables.EVENTS, as_of=DAY + dt.timedelta(days=1), first=DAY)
        assert caught.value.where == str(Path(settings.root) / "lake" / "events")
