"""The only reads and writes of Delta tables by Spark.

Writes go through Delta's own writer. Which files a read takes is asked of the log beforehand (`jobs.lake`), so that a
read starts no Spark job of its own; Spark then opens just those Parquet files. Deletion vectors are off.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.layout import Layout
from contracts.tables import Table
from jobs import lake


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


def replace(spark: SparkSession, layout: Layout, table: Table, rows: DataFrame, where: str) -> int:
    """Replaces the rows that match `where` by `rows`; a repeat leaves the same rows. Returns rows written.

    Args:
        where: SQL over the table's columns; every new row must match it.
    """
    ensure(spark, layout, table)
    before = lake.version(layout, table)
    typed = _typed(rows, table)
    if table.is_ranged:
        typed = typed.repartitionByRange(table.partition[0]).sortWithinPartitions(*table.partition, *table.key)
    typed.write.format("delta").mode("overwrite").option("replaceWhere", where).save(str(layout.table(table)))
    return lake.rows_written(layout, table, after=before)


def replace_as_of(spark: SparkSession, layout: Layout, table: Table, rows: DataFrame, as_of: dt.date) -> int:
    """Replaces the partition of one date by `rows`, which come without `as_of`. Returns rows written."""
    return replace(spark, layout, table, rows.withColumn("as_of", F.lit(as_of)), f"as_of = DATE'{as_of.isoformat()}'")


def append(spark: SparkSession, layout: Layout, table: Table, rows: DataFrame) -> int:
    """Appends `rows`; returns rows written."""
    ensure(spark, layout, table)
    before = lake.version(layout, table)
    _typed(rows, table).write.format("delta").mode("append").save(str(layout.table(table)))
    return lake.rows_written(layout, table, after=before)


def ensure(spark: SparkSession, layout: Layout, table: Table) -> None:
    """Creates the empty table with its declared columns, documentation and partitioning where it is absent."""
    if lake.exists(layout, table):
        return
    builder = DeltaTable.createIfNotExists(spark).location(str(layout.table(table))).comment(table.doc)
    for column in table.columns:
        builder = builder.addColumn(column.name, column.type, nullable=column.nullable, comment=column.doc)
    if table.partition and not table.is_ranged:
        builder = builder.partitionedBy(*table.partition)
    builder.execute()


def dates_between(first: dt.date, last: dt.date) -> Sequence[dt.date]:
    """Every date from `first` to `last`, both included."""
    return [first + dt.timedelta(days=n) for n in range((last - first).days + 1)]


def _typed(rows: DataFrame, table: Table) -> DataFrame:
    return rows.select(*[F.col(c.name).cast(c.type) for c in table.columns])


def _open(spark: SparkSession, layout: Layout, table: Table, files: list[str]) -> DataFrame:
    if not files:
        return empty(spark, table)
    reader = spark.read.schema(table.read_ddl).option("basePath", str(layout.table(table)))
    return reader.parquet(*files).select(*table.column_names)
