"""What the log of shown slots tells of a window: what each user was shown, and how positions were looked at."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.exploration_section import EXPLORED
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake, storage
from jobs.ingest.flag_users import without_flagged
from jobs.kernels.blocks import Learning
from jobs.kernels.impressions import tallies
from models import artifact, examination
from models.examination import Examination

KIND: Final = "examination"
TOO_FEW: Final = "too few comparable clicks: every position counts as looked at"


@dataclass(frozen=True, slots=True)
class Log:
    """The outcomes of one window.

    Attributes:
        rows: impressions, clicks, carts and purchases.
        digest: of what they tell; others have another one.
    """

    rows: DataFrame
    digest: str


def log_of(spark: SparkSession, settings: Settings, layout: Layout, cut: dt.date) -> Log | None:
    """What landed and happened in the window after a cut; None where nothing did or it is not to be learnt from.

    The window's last landing day does not count: a night ingests its own outcomes after it trained, and run again it
    must learn the same.
    """
    first, last = cut + dt.timedelta(days=1), cut + dt.timedelta(days=settings.ranker.window_days - 1)
    wanted = settings.impressions.enabled
    if not wanted or last < first or not lake.files(layout, tables.OUTCOMES, first=first, last=last):
        return None
    landed = storage.read(spark, layout, tables.OUTCOMES, first=first, last=last)
    rows = landed.where((F.to_date("at") > F.lit(cut)) & (F.col("kind") != "dwell"))
    told = rows.agg(F.count("*").alias("n"), F.bit_xor(F.xxhash64("outcome_key", "source", "slot")).alias("x")).first()
    if told is None or not told["n"]:
        return None
    return Log(rows, f"{told['n']}-{told['x'] & 0xFFFFFFFFFFFFFFFF:016x}")


@contextmanager
def learning(
    spark: SparkSession, settings: Settings, layout: Layout, log: Log, cut: dt.date
) -> Iterator[tuple[DataFrame, Learning]]:
    """`user_idx` and `shown` of the window, one row a user, and how the positions were looked at, saved as an artifact.

    The frame is held in memory until the end, as it is read twice.
    """
    shown = by_user(spark, layout, log.rows).persist()
    try:
        counted = tallies(without_flagged(spark, layout, shown, cut))
        wanted = settings.impressions
        found = {
            name: examination.estimate(of, min_clicks=wanted.min_clicks, lowest=wanted.min_examination)
            for name, of in counted.items()
        }
        facts = {"cut": cut.isoformat(), "outcomes": log.digest, "placements": facts_of(found)}
        artifact.save(layout.artifact(KIND, cut), arrays={}, texts={}, about=facts)
        yield shown, Learning({name: one.without_click for name, one in found.items()}, wanted)
    finally:
        shown.unpersist()


def by_user(spark: SparkSession, layout: Layout, rows: DataFrame) -> DataFrame:
    """`user_idx` and `shown`, the structs of `models.impressions.read`, one row a user."""
    items = storage.read(spark, layout, tables.ITEM_VOCABULARY).select("item_id", "item_idx")
    users = storage.read(spark, layout, tables.USER_VOCABULARY).select("user_id", "user_idx")
    is_drawn = (F.col("source") == EXPLORED) & (F.col("slot") == F.col("position"))
    told = F.struct(
        "item_idx",
        F.xxhash64("snapshot", "channel").alias("list"),
        "placement",
        "position",
        (F.col("kind") == "impression").alias("is_impression"),
        (is_drawn & (F.col("channel") != "interleaved")).alias("is_randomised"),
    )
    shown = rows.join(items, "item_id").groupBy("user_id").agg(F.collect_list(told).alias("shown"))
    return shown.join(users, "user_id").select("user_idx", "shown")


def facts_of(found: dict[str, Examination]) -> dict[str, Any]:
    """The estimates as JSON: by placement the examination of each known position, and what it is made of."""
    return {
        name: {
            "examination": {str(at + 1): round(float(one.values[at]), 4) for at in one.is_known.nonzero()[0]},
            "attraction": round(one.attraction, 4),
            "clicks": one.clicks,
            "randomised_clicks": one.randomised_clicks,
            "note": "" if one.clicks else TOO_FEW,
        }
        for name, one in sorted(found.items())
    }


def told_of(layout: Layout, table: pa.Table, cuts: Sequence[dt.date]) -> tuple[dict[str, int], dict[str, Any]]:
    """Windows and users that the loaded examples learnt of through impressions, and the facts of each such window.

    Args:
        layout: of the root.
        table: `as_of`, `user_idx` and `n_shown` of the table `examples`.
        cuts: of the windows.
    """
    logged = table.filter(pc.fill_null(pc.greater(table["n_shown"], 0), False))
    found = [cut for cut in sorted(cuts) if cut in set(logged["as_of"].to_pylist())]
    counts = {"windows_with_impressions": len(found), "users_with_impressions": len(pc.unique(logged["user_idx"]))}
    return counts, {cut.isoformat(): artifact.about(layout.artifact(KIND, cut))["placements"] for cut in found}
