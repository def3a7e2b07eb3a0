"""Rules that split raw outcome rows into accepted, quarantined and duplicate ones, and what the slot log adds."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

KINDS: Final = ("impression", "click", "cart", "purchase", "dwell")
CHANNELS: Final = ("stable", "canary", "interleaved")
TEAMS: Final = ("stable", "canary")
COLUMNS: Final = {
    "snapshot": "string", "placement": "string", "user_id": "string", "item_id": "string", "position": "int",
    "kind": "string", "at": "timestamp", "channel": "string", "team": "string", "dwell_seconds": "double",
}  # fmt: skip
REQUIRED: Final = ("snapshot", "placement", "user_id", "item_id", "position", "kind", "at", "channel")
REASONS: Final = (
    "malformed", "snapshot_missing", "placement_missing", "user_id_missing", "item_id_missing", "id_too_long",
    "position_wrong", "kind_unknown", "at_missing", "at_in_future", "channel_unknown", "team_wrong", "dwell_wrong",
)  # fmt: skip
UNLOGGED: Final = "unlogged"


def classify(raw: DataFrame, max_id_bytes: int) -> DataFrame:
    """`raw` with `outcome_key` and `reason`: the first rule that a row breaks, null when it is accepted.

    Args:
        raw: the feed's columns, typed, with `landing_date`, `source_file`, `raw`, `unreadable_line`.
        max_id_bytes: the longest id, in UTF-8 bytes.
    """
    judged = raw.withColumn("outcome_key", _content_hash()).withColumn("reason", _reason(max_id_bytes))
    kept = F.coalesce("unreadable_line", F.to_json("raw"))
    return judged.withColumn("raw_row", F.when(F.col("reason").isNotNull(), kept)).drop("raw", "unreadable_line")


def mark_duplicates(classified: DataFrame, known: DataFrame) -> DataFrame:
    """`classified` with `is_duplicate`: an accepted row that was told before, in the frame or in `known`.

    Args:
        classified: the result of `classify`.
        known: `outcome_key` of outcomes of other landing days.
    """
    order = Window.partitionBy("outcome_key", F.col("reason").isNull()).orderBy("landing_date", "source_file")
    numbered = classified.withColumn("nth", F.row_number().over(order))
    seen = known.select("outcome_key").distinct().withColumn("is_known", F.lit(True))
    joined = numbered.join(seen, "outcome_key", "left")
    is_again = (F.col("nth") > 1) | F.col("is_known").isNotNull()
    return joined.withColumn("is_duplicate", F.col("reason").isNull() & is_again).drop("nth", "is_known")


def with_slots(accepted: DataFrame, slots: DataFrame) -> DataFrame:
    """`accepted` with `slot`, `source`, `propensity` and `usual_item_id` of the log; 0, `unlogged` and nulls without.

    Args:
        accepted: outcomes.
        slots: rows of the table `slots`, one a snapshot, placement and user.
    """
    names = ["snapshot", "placement", "user_id"]
    lists = slots.select(*names, "item_ids", "usual_item_ids", "sources", "propensities")
    joined = accepted.join(lists, names, "left")
    slot = F.coalesce(F.array_position("item_ids", F.col("item_id")).cast("int"), F.lit(0))

    def at(column: str) -> Column:
        return F.when(F.col("slot") > 0, F.try_element_at(F.col(column), F.greatest("slot", F.lit(1))))

    return joined.withColumn("slot", slot).select(
        *accepted.columns,
        "slot",
        F.coalesce(at("sources"), F.lit(UNLOGGED)).alias("source"),
        at("propensities").alias("propensity"),
        at("usual_item_ids").alias("usual_item_id"),
    )


def _content_hash() -> Column:
    """128 bits over the columns and which of them are null, as 32 hex digits."""
    absent = F.concat(*[F.isnull(name).cast("int").cast("string") for name in COLUMNS])
    halves = [F.lpad(F.hex(F.xxhash64(F.lit(salt), absent, *COLUMNS)), 16, "0") for salt in (1, 2)]
    return F.concat(*halves)


def _reason(max_id_bytes: int) -> Column:
    def absent(name: str) -> Column:
        return F.col(name).isNull() | (F.col(name) == "")

    def outside(name: str, words: tuple[str, ...]) -> Column:
        return F.col(name).isNull() | ~F.col(name).isin(*words)

    is_mixed = F.col("channel") == "interleaved"
    is_dwell = F.col("kind") == "dwell"
    is_time = F.coalesce((F.col("dwell_seconds") >= 0) & (F.col("dwell_seconds") < F.lit(float("inf"))), F.lit(False))
    longest = F.greatest(*[F.octet_length(name) for name in ("snapshot", "placement", "user_id", "item_id")])
    broken = {
        "malformed": F.col("unreadable_line").isNotNull(),
        "snapshot_missing": absent("snapshot"),
        "placement_missing": absent("placement"),
        "user_id_missing": absent("user_id"),
        "item_id_missing": absent("item_id"),
        "id_too_long": longest > max_id_bytes,
        "position_wrong": F.col("position").isNull() | (F.col("position") < 1),
        "kind_unknown": outside("kind", KINDS),
        "at_missing": F.col("at").isNull(),
        "at_in_future": F.to_date("at") > F.col("landing_date"),
        "channel_unknown": outside("channel", CHANNELS),
        "team_wrong": F.when(is_mixed, outside("team", TEAMS)).otherwise(F.col("team").isNotNull()),
        "dwell_wrong": F.when(is_dwell, ~is_time).otherwise(F.col("dwell_seconds").isNotNull()),
    }
    reason = F.lit(None).cast("string")
    for name in reversed(REASONS):
        reason = F.when(broken[name], F.lit(name)).otherwise(reason)
    return reason
