"""Counting what a write wrote, where days share a file."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from contracts import tables
from contracts.layout import Layout
from jobs import lake, storage

DAYS = [dt.date(2026, 3, n) for n in (1, 2)]


def quarantined(spark: SparkSession, *days: dt.date) -> DataFrame:
    """One quarantined row a day, in one file."""
    rows = [(day, "malformed", f"row of {day}", "f") for day in days]
    return spark.createDataFrame(rows, tables.QUARANTINE.read_ddl).coalesce(1)


def test_rows_copied_from_a_shared_file_are_not_counted(spark: SparkSession, tmp_path: Path) -> None:
    """Replacing the last of two days that were loaded together writes one row, and both days are there as before."""
    layout = Layout(tmp_path)
    spark.conf.set("spark.sql.shuffle.partitions", "1")
    assert storage.replace(layout, tables.QUARANTINE, quarantined(spark, *DAYS), first=DAYS[0], last=DAYS[1]) == 2
    before = sorted(storage.read(spark, layout, tables.QUARANTINE).collect())
    assert storage.replace(layout, tables.QUARANTINE, quarantined(spark, DAYS[1]), first=DAYS[1], last=DAYS[1]) == 1
    assert sorted(storage.read(spark, layout, tables.QUARANTINE).collect()) == before


def test_a_load_is_few_files_that_share_no_date(spark: SparkSession, tmp_path: Path) -> None:
    """Three days at two partitions are two files, a day alone is one, and the log bounds each file's dates."""
    layout = Layout(tmp_path)
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    days = [dt.date(2026, 3, n) for n in (1, 2, 3, 4)]
    loaded = quarantined(spark, *days[:3]).union(quarantined(spark, *days[:3]))
    assert storage.replace(layout, tables.QUARANTINE, loaded, first=days[0], last=days[2]) == 6
    assert storage.replace(layout, tables.QUARANTINE, quarantined(spark, days[3]), first=days[3], last=days[3]) == 1
    spans = sorted((file.low, file.high) for file in lake.files(layout, tables.QUARANTINE))
    assert spans == [(days[0], days[1]), (days[2], days[2]), (days[3], days[3])]
