"""Reads of the landing folders: Parquet, CSV or JSON lines, one folder a day."""

from __future__ import annotations

import datetime as dt
from functools import reduce
from pathlib import Path
from typing import Final

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from jobs import storage
from jobs.ingest.landed import landed_days

CORRUPT: Final = "_corrupt_record"
REQUIRED_EVENT_COLUMNS: Final = ("user_id", "item_id", "event_type", "timestamp")
EVENT_TYPES: Final = {
    "event_id": "string", "user_id": "string", "item_id": "string", "event_type": "string", "timestamp": "timestamp",
    "price": "double", "quantity": "double", "order_id": "string",
}  # fmt: skip
_FORMATS: Final = {".parquet": "parquet", ".csv": "csv", ".jsonl": "json", ".json": "json"}


def read_events(spark: SparkSession, layout: Layout, *, first: dt.date, last: dt.date) -> tuple[DataFrame, int]:
    """Raw event rows of the landing days, typed, and how many rows the files hold.

    Values that cannot be cast become null and are left to the rules; `raw` keeps the row as it came, `unreadable_line`
    what no reader could split.

    Raises:
        InputMissing: a landing day is not there.
        InputInvalid: a file is unreadable, or a required column is missing.
    """
    return read_feed(spark, layout.landing("events"), EVENT_TYPES, REQUIRED_EVENT_COLUMNS, first=first, last=last)


def read_feed(
    spark: SparkSession,
    folder: Path,
    types: dict[str, str],
    required: tuple[str, ...],
    *,
    first: dt.date,
    last: dt.date,
    is_strict: bool = False,
) -> tuple[DataFrame, int]:
    """Raw rows of a feed's landing days, typed, and how many rows the files hold.

    Args:
        spark: a session.
        folder: of the feed.
        types: Spark SQL type by column; columns that a file lacks are null.
        required: columns that every file must have.
        first: first landing day.
        last: last landing day.
        is_strict: whether a column that `types` does not name is refused.

    Raises:
        InputMissing: no landing day of the range is there.
        InputInvalid: a file is unreadable, or a column is missing or, where strict, unknown.
    """
    frames = []
    for kind, paths in sorted(_files(folder, first, last).items()):
        frame = _read(spark, kind, paths, folder)
        require_columns(frame, required, folder)
        if is_strict:
            _refuse_unknown(frame, types, folder)
        frames.append(_typed(frame, types))
    raw = reduce(DataFrame.unionByName, frames)
    try:
        return raw, sum(frame.count() for frame in frames)
    except (PySparkException, Py4JJavaError) as error:
        raise unreadable(error, folder) from error


def read_catalogue(spark: SparkSession, layout: Layout, feed: str, *, as_of: dt.date) -> DataFrame:
    """The newest landed catalogue of a feed (`items`, `users`) no later than `as_of`, columns as landed.

    Raises:
        InputMissing: none was landed by then.
        InputInvalid: a file is unreadable.
    """
    folder = layout.landing(feed)
    days = [day for day in landed_days(folder) if day <= as_of]
    if not days:
        raise InputMissing(
            f"No {feed} catalogue was landed by {as_of}.",
            where=str(folder),
            todo=f"Land one as {folder}/date=YYYY-MM-DD/, or run `larder import`.",
        )
    files = _files(folder, days[-1], days[-1])
    frames = [_read(spark, kind, paths, folder) for kind, paths in sorted(files.items())]
    merged = reduce(lambda left, right: left.unionByName(right, allowMissingColumns=True), frames)
    return merged.drop("date", CORRUPT)


def require_columns(frame: DataFrame, names: tuple[str, ...], where: Path) -> None:
    """Refuses a frame that lacks one of `names`.

    Raises:
        InputInvalid: naming what is missing and what is there.
    """
    missing = [name for name in names if name not in frame.columns]
    if missing:
        there = [name for name in frame.columns if not name.startswith("_") and name != "date"]
        raise InputInvalid(
            f"Column {', '.join(missing)} is missing; there are {', '.join(there)}.",
            where=str(where),
            todo="Map it when importing: `larder import --map user_id=customer`.",
        )


def _refuse_unknown(frame: DataFrame, types: dict[str, str], where: Path) -> None:
    unknown = [name for name in frame.columns if name not in {*types, "date", CORRUPT} and not name.startswith("_")]
    if unknown:
        raise InputInvalid(
            f"Column {', '.join(unknown)} is not one of the feed.",
            where=str(where),
            todo=f"Land only {', '.join(types)}.",
        )


def unreadable(error: Exception, where: Path) -> InputInvalid:
    """The error for a file that Spark cannot read."""
    lines = str(error).strip().splitlines()
    cause = next((line for line in lines if "[FAILED_READ_FILE" in line), lines[0]).rpartition("Exception: ")[2]
    return InputInvalid(
        f"A landing file cannot be read: {cause[:300]}",
        where=str(where),
        todo="Land the file again; nothing was written.",
    )


def _files(folder: Path, first: dt.date, last: dt.date) -> dict[str, list[str]]:
    if not folder.is_dir():
        raise InputMissing(
            "The landing folder does not exist.", where=str(folder), todo="Create it, or `larder import`."
        )
    present = set(landed_days(folder))
    days = [day for day in storage.dates_between(first, last) if day in present]
    if not days:
        raise InputMissing(
            f"No landing folder lies between {first} and {last}.",
            where=str(folder),
            todo=f"Land the day first; there are {len(present)} days"
            + (f", {min(present)} to {max(present)}." if present else "."),
        )
    found: dict[str, list[str]] = {}
    for day in days:
        for path in sorted((folder / f"date={day.isoformat()}").iterdir()):
            if path.suffix in _FORMATS and not path.name.startswith((".", "_")):
                found.setdefault(_FORMATS[path.suffix], []).append(str(path))
    if not found:
        raise InputInvalid(
            "The landing days hold no data file.", where=str(folder), todo="Land .parquet, .csv or .jsonl."
        )
    return found


def _read(spark: SparkSession, kind: str, paths: list[str], base: Path) -> DataFrame:
    reader = spark.read.option("basePath", str(base))
    try:
        if kind == "parquet":
            return reader.option("mergeSchema", "false").parquet(*paths)
        if kind == "csv":
            header = reader.option("header", "true").csv(paths[:1]).schema
            schema = StructType([f for f in header.fields if f.name != "date"]).add(CORRUPT, "string")
            return (
                reader.schema(schema).option("header", "true").option("columnNameOfCorruptRecord", CORRUPT).csv(paths)
            )
        inferred = reader.option("primitivesAsString", "true").json(paths).schema
        schema = StructType([f for f in inferred.fields if f.name not in ("date", CORRUPT)]).add(CORRUPT, "string")
        return reader.schema(schema).option("columnNameOfCorruptRecord", CORRUPT).json(paths)
    except (PySparkException, Py4JJavaError) as error:
        raise unreadable(error, base) from error


def _typed(frame: DataFrame, types: dict[str, str]) -> DataFrame:
    columns = [
        F.try_to_timestamp(F.col(name)).alias(name) if kind == "timestamp" and dict(frame.dtypes)[name] == "string"
        else F.col(name).try_cast(kind).alias(name) if name in frame.columns
        else F.lit(None).cast(kind).alias(name)
        for name, kind in types.items()
    ]  # fmt: skip
    shown = [F.col(name) for name in frame.columns if name not in ("date", CORRUPT)]
    corrupt = F.col(CORRUPT) if CORRUPT in frame.columns else F.lit(None).cast("string")
    return frame.select(
        *columns,
        F.col("_metadata.file_path").alias("source_file"),
        F.to_date("date").alias("landing_date"),
        F.struct(*shown).alias("raw"),
        corrupt.alias("unreadable_line"),
    )
