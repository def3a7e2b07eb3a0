"""Users whose traffic is no shopper's, as of a date."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any, Final

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features import traffic
from jobs import lake, storage
from jobs.catalogue import n_seen
from jobs.paths import layout_of
from models import artifact
from models.ragged import Int32

KIND: Final = "traffic"
_SHOWN: Final = 20
_COLUMNS: Final = tuple(column for column in tables.FLAGGED_USERS.columns if column.name != "as_of")
_DDL: Final = ", ".join(f"{column.name} {column.type}" for column in _COLUMNS)


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `flagged_users` as of a date, and the artifact `traffic` that trainers read.

    Raises:
        InputMissing: interactions or histories of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    found, facts = _flagged(spark, settings, layout, as_of)
    if found or as_of in lake.dates(layout, tables.FLAGGED_USERS):
        rows = spark.createDataFrame([tuple(row[c.name] for c in _COLUMNS) for row in found], _DDL)
        storage.replace_as_of(layout, tables.FLAGGED_USERS, rows, as_of)
    users = np.array([row["user_idx"] for row in found], dtype=np.int32)
    about = {"as_of": as_of.isoformat(), "fingerprint": settings.fingerprint("traffic"), "n_flagged": len(users)}
    sha256 = artifact.save(layout.artifact(KIND, as_of), arrays={"user_idx": users}, texts={}, about=about)
    return JobReport(
        job="flag_users",
        as_of=as_of,
        rows={"users_flagged": len(users), "users_looked_at": facts.pop("n_users")},
        numbers={name: value for name, value in facts.items() if value is not None},
        details={"sha256": sha256, **({"table": as_text(found)} if found else {})},
        seconds=time.perf_counter() - started,
    )


def flagged(layout: Layout, as_of: dt.date) -> Int32:
    """The flagged users of a date, ascending.

    Raises:
        InputMissing: the users of that date were not looked at.
    """
    folder = layout.artifact(KIND, as_of)
    if not folder.is_dir():
        raise InputMissing(
            f"The users' traffic as of {as_of} was not looked at.",
            where=str(folder),
            todo=f"Run `larder flag-users --as-of {as_of}`.",
        )
    return np.asarray(artifact.array(folder, "user_idx"))


def without_flagged(spark: SparkSession, layout: Layout, rows: DataFrame, as_of: dt.date) -> DataFrame:
    """The rows of users who are not flagged as of a date; the very same frame where nobody is.

    Raises:
        InputMissing: the users of that date were not looked at.
    """
    users = flagged(layout, as_of)
    if not len(users):
        return rows
    left_out = spark.createDataFrame([(int(user),) for user in users], "user_idx int")
    return rows.join(F.broadcast(left_out), "user_idx", "left_anti")


def as_text(found: list[dict[str, Any]]) -> str:
    """The flagged users with most events, a line each."""
    most = sorted(found, key=lambda row: (-row["n_events"], row["user_idx"]))[:_SHOWN]
    return "\n".join(
        f"{row['user_id']}: {row['n_events']:,} events, {row['events_per_day']:,} on {row['peak_day']}, "
        f"{row['items_per_day']:,} items on one day, {row['n_items']:,} items bought "
        f"({row['catalogue_share']:.1%} of all); beyond {', '.join(row['limits'])}"
        for row in most
    )


def _flagged(
    spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    limits = settings.traffic
    first = as_of - dt.timedelta(days=limits.days - 1)
    users = traffic.user_traffic(
        storage.read(spark, layout, tables.INTERACTIONS, first=first, last=as_of),
        storage.read_as_of(spark, layout, tables.HISTORIES, as_of),
        n_items=n_seen(layout, tables.ITEM_VOCABULARY, as_of),
    ).persist()
    try:
        n_users, allowed = traffic.users_and_limit(users, limits)
        found = [row.asDict() for row in traffic.beyond(users, limits, allowed).collect()]
    finally:
        users.unpersist()
    rows = _with_ids(layout, sorted(found, key=lambda row: int(row["user_idx"])))
    return rows, {"n_users": n_users, "events_limit": allowed, "flagged_share": len(rows) / max(n_users, 1)}


def _with_ids(layout: Layout, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if not rows:
        return rows
    known = lake.where(layout, tables.USER_VOCABULARY, "user_idx", [row["user_idx"] for row in rows])
    ids = dict(zip(known["user_idx"].to_pylist(), known["user_id"].to_pylist(), strict=True))
    return [{**row, "user_id": ids[row["user_idx"]]} for row in rows]
