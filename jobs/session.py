"""The only builder of a SparkSession."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Final

from pyspark.sql import SparkSession

from contracts.settings import Settings
from jobs.machine.jars import jar_paths

ONE_THREAD: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "ARROW_NUM_THREADS": "1",
}
JAVA_OPTIONS: Final = (
    "-XX:+UseParallelGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=256m",  # a night compiles more than the 48 MB that the quick compiler gets by default
    "-Dlog4j2.level=error",
)


def cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build(settings: Settings) -> SparkSession:
    """A Delta-enabled session, offline and on the loopback address when local; an existing one is reused.

    Python workers run BLAS and OpenMP with one thread each: Spark already runs one worker a core.

    Raises:
        EnvironmentUnfit: Java or the Delta jars are missing.
    """
    wanted = settings.spark
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    warnings.filterwarnings("ignore", message=".*Python worker.*", category=UserWarning)
    builder = SparkSession.builder.appName(f"larder-{settings.shop.name}").master(wanted.master)
    for name, value in _conf(settings).items():
        builder = builder.config(name, value)
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        session = builder.getOrCreate()
    finally:
        _restore(before)
    session.sparkContext.setLogLevel("OFF")
    return session


def _conf(settings: Settings) -> dict[str, str]:
    wanted = settings.spark
    return {
        "spark.jars": ",".join(jar_paths(wanted.jars)),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.driver.memory": wanted.driver_memory,
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": " ".join(JAVA_OPTIONS),
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": str(wanted.shuffle_partitions or 2 * cores()),
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.sql.maxConcurrentOutputFileWriters": "16",  # else a write sorts all rows by their one date
        "spark.sql.inMemoryColumnarStorage.compressed": "false",
        "spark.sql.parquet.inferTimestampNTZ.enabled": "false",
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2",
        "spark.sql.sources.parallelPartitionDiscovery.threshold": "1024",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(wanted.block_users),
        "spark.sql.execution.pyspark.udf.simplifiedTraceback.enabled": "true",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.databricks.delta.properties.defaults.enableDeletionVectors": "false",
        "spark.sql.warehouse.dir": str(Path(settings.root).absolute() / "lake"),
        **{f"spark.executorEnv.{name}": value for name, value in ONE_THREAD.items()},
        **wanted.conf,
    }


def _restore(before: dict[str, str | None]) -> None:
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
