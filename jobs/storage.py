"""The only reads and writes of Delta tables."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from delta.tables import DeltaTable
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.tables import Table


def exists(spark: SparkSession, layout: Layout, table: Table) -> bool:
    """Whether the table was ever written."""
    return DeltaTable.isDeltaTable(spark, str(layout.table(table)))


def read(spark: SparkSession, layout: Layout, table: Table) -> DataFrame:
    """The whole table, columns in declared order.

    Raises:
        InputMissing: it was never written.
    """
    if not exists(spark, layout, table):
        raise InputMissing(
            f"The table {table.name} does not exist yet.",
            where=str(layout.table(table)),
            todo=f"Run the step that makes {table.name} first; `larder status` shows what is there.",
        )
    return spark.read.format("delta").load(str(layout.table(table))).select(*table.column_names)


def read_or_empty(spark: SparkSession, layout: Layout, table: Table) -> DataFrame:
    """The whole table, or no rows where it was never written."""
    if exists(spark, layout, table):
        return read(spark, layout, table)
    return spark.createDataFrame([], table.read_ddl)


def read_as_of(spark: SparkSession, layout: Layout, table: Table, as_of: dt.date) -> DataFrame:
    """The partition of one date, without its `as_of` column.

    Raises:
        InputMissing: the partition is not there.
    """
    rows = read(spark, layout, table).where(F.col("as_of") == F.lit(as_of))
    if as_of not in partitions(spark, layout, table):
        raise InputMissing(
            f"The table {table.name} has no rows as of {as_of}.",
            where=str(layout.table(table)),
            todo=f"Run the step that makes {table.name} with --as-of {as_of}.",
        )
    return rows.drop("as_of")


def partitions(spark: SparkSession, layout: Layout, table: Table) -> list[dt.date]:
    """Dates that hold rows, ascending, for a table partitioned by one date column."""
    if not exists(spark, layout, table):
        return []
    column = table.partition[0]
    frame = spark.read.format("delta").load(str(layout.table(table)))
    return sorted(row[0] for row in frame.select(column).distinct().collect())


def replace(spark: SparkSession, layout: Layout, table: Table, rows: DataFrame, where: str) -> int:
    """Replaces the rows that match `where` by `rows`; a repeat leaves the same rows. Returns rows written.

    Args:
        where: SQL over the table's columns; every new row must match it.
    """
    ensure(spark, layout, table)
    typed = rows.select(*[F.col(c.name).cast(c.type) for c in table.columns])
    if table.is_ranged:
        typed = typed.repartitionByRange(table.partition[0]).sortWithinPartitions(*table.partition, *table.key)
    writer = typed.write.format("delta").mode("overwrite")
    writer.option("replaceWhere", where).save(str(layout.table(table)))
    return _rows_written(spark, layout, table)


def replace_as_of(spark: SparkSession, layout: Layout, table: Table, rows: DataFrame, as_of: dt.date) -> int:
    """Replaces the partition of one date by `rows`, which come without `as_of`. Returns rows written."""
    return replace(spark, layout, table, rows.withColumn("as_of", F.lit(as_of)), f"as_of = DATE'{as_of.isoformat()}'")


def append(spark: SparkSession, layout: Layout, table: Table, rows: DataFrame) -> int:
    """Appends `rows`; returns rows written."""
    ensure(spark, layout, table)
    rows.select(*[F.col(c.name).cast(c.type) for c in table.columns]).write.format("delta").mode("append").save(
        str(layout.table(table))
    )
    return _rows_written(spark, layout, table)


def ensure(spark: SparkSession, layout: Layout, table: Table) -> None:
    """Creates the empty table with its declared columns, documentation and partitioning where it is absent."""
    if exists(spark, layout, table):
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


def _rows_written(spark: SparkSession, layout: Layout, table: Table) -> int:
    metrics = DeltaTable.forPath(spark, str(layout.table(table))).history(1).select("operationMetrics").first()
    return int(metrics[0].get("numOutputRows", 0)) if metrics else 0
