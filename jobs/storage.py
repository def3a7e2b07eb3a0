"""The only reads and writes of Delta tables by Spark.

Writes go through Delta's own writer. Which files a read takes is asked of the log beforehand (`jobs.lake`), so that a
read starts no Spark job of its own; Spark then opens just those Parquet files. Deletion vectors are off.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.layout import Layout
from contracts.tables import Table
from jobs import lake

_WRITING: Final[defaultdict[Path, threading.Lock]] = defaultdict(threading.Lock)


def read(
    spark: SparkSession, layout: Layout, table: Table, *, first: dt.date | None = None, last: dt.date | None = None
) -> DataFrame:
    """The table, columns in declared order; with dates, only rows whose partition column lies between them.

    Raises:
        InputMissing: it was never written.
    """
    if not lake.exists(layout, table):
        raise lake.missing(layout, table)
    rows = _open(spark, layout, table, [file.path for file in lake.files(layout, table, first=first, last=last)])
    if first is not None:
        rows = rows.where(F.col(table.partition[0]) >= F.lit(first))
    if last is not None:
        rows = rows.where(F.col(table.partition[0]) <= F.lit(last))
    return rows


def read_or_empty(spark: SparkSession, layout: Layout, table: Table) -> DataFrame:
    """The whole table, or no rows where it was never written."""
    return read(spark, layout, table) if lake.exists(layout, table) else empty(spark, table)


def empty(spark: SparkSession, table: Table) -> DataFrame:
    """No rows, with the table's columns."""
    return spark.createDataFrame([], table.read_ddl)


def read_as_of(spark: SparkSession, layout: Layout, table: Table, as_of: dt.date) -> DataFrame:
    """The partition of one date, without its `as_of` column.

    Raises:
        InputMissing: the partition is not there.
    """
    if as_of not in lake.dates(layout, table):
        raise lake.missing(layout, table, as_of)
    return read(spark, layout, table, first=as_of, last=as_of).drop("as_of")


def replace(
    layout: Layout,
    table: Table,
    rows: DataFrame,
    *,
    first: dt.date,
    last: dt.date,
    days: Sequence[dt.date] = (),
) -> int:
    """Replaces what the table holds of the dates by `rows`; a repeat leaves the same rows. Returns rows written.

    Args:
        layout: of the root.
        table: with a partition column.
        rows: all of them of these dates.
        first: first date replaced.
        last: last date replaced.
        days: only these dates of the range; none for all of them.
    """
    with _WRITING[layout.table(table)]:
        lake.create(layout, table)
    typed = _typed(rows, table)
    if table.is_ranged:
        typed = _in_files_by_date(typed, table, first, last).sortWithinPartitions(*table.partition, *table.key)
    if not lake.files(layout, table, first=first, last=last):
        return _commit(layout, table, typed, mode="append")
    return _commit(layout, table, typed, mode="overwrite", replaceWhere=_of_dates(table, first, last, days))


def replace_as_of(layout: Layout, table: Table, rows: DataFrame, as_of: dt.date) -> int:
    """Replaces the partition of one date by `rows`, which come without `as_of`. Returns rows written."""
    return replace(layout, table, rows.withColumn("as_of", F.lit(as_of)), first=as_of, last=as_of)


def append(layout: Layout, table: Table, rows: DataFrame) -> int:
    """Appends `rows`; returns rows written."""
    with _WRITING[layout.table(table)]:
        lake.create(layout, table)
    return _commit(layout, table, _typed(rows, table), mode="append")


def dates_between(first: dt.date, last: dt.date) -> Sequence[dt.date]:
    """Every date from `first` to `last`, both included."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def _commit(layout: Layout, table: Table, rows: DataFrame, *, mode: str, **options: str) -> int:
    # One writer a table in this process: the last commit is then the one whose rows are counted.
    with _WRITING[layout.table(table)]:
        before = lake.version(layout, table)
        rows.write.format("delta").mode(mode).options(**options).save(str(layout.table(table)))
        return lake.rows_written(layout, table, after=before)


def _in_files_by_date(rows: DataFrame, table: Table, first: dt.date, last: dt.date) -> DataFrame:
    """One partition a span of equally many dates, never two of one date: few files, each of few dates.

    Spark's own range partitioning would compute the rows twice, to learn the spans from a sample.
    """
    n_days = (last - first).days + 1
    n = min(n_days, int(rows.sparkSession.conf.get("spark.sql.shuffle.partitions") or 1))
    day = F.datediff(F.col(table.partition[0]), F.lit(first))
    return rows.repartitionById(n, F.floor(day * n / n_days).cast("int"))


def _of_dates(table: Table, first: dt.date, last: dt.date, days: Sequence[dt.date]) -> str:
    column = table.partition[0]
    if days:
        return f"{column} IN (" + ", ".join(f"DATE'{day.isoformat()}'" for day in days) + ")"
    if first == last:
        return f"{column} = DATE'{first.isoformat()}'"
    return f"{column} >= DATE'{first.isoformat()}' AND {column} <= DATE'{last.isoformat()}'"


def _typed(rows: DataFrame, table: Table) -> DataFrame:
    return rows.select(*[F.col(c.name).cast(c.type) for c in table.columns])


def _open(spark: SparkSession, layout: Layout, table: Table, files: list[str]) -> DataFrame:
    if not files:
        return empty(spark, table)
    reader = spark.read.schema(table.read_ddl).option("basePath", str(layout.table(table)))
    return reader.parquet(*files).select(*table.column_names)
