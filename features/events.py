"""Rules that split raw event rows into accepted, quarantined and duplicate ones."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from contracts.settings import Ingest, Shop

REASONS: Final = (
    "malformed", "user_id_missing", "item_id_missing", "id_too_long", "timestamp_missing", "timestamp_in_future",
    "event_type_unknown", "price_negative", "event_condition",
)  # fmt: skip
_IDENTITY: Final = ("user_id", "item_id", "event_type", "timestamp", "price", "quantity", "order_id")


def classify(raw: DataFrame, shop: Shop, limits: Ingest) -> DataFrame:
    """`raw` with `event_key`, its 64-bit `key_hash`, `event_date`, `is_late` and `reason`.

    The reason is the first rule that a row breaks, null when it is accepted.

    Args:
        raw: event columns (strings, `timestamp`, doubles), `landing_date`, `source_file`, `raw`, `unreadable_line`.
        shop: event types and the extra condition.
        limits: the longest id, in UTF-8 bytes.
    """
    dated = raw.withColumn("event_date", F.to_date("timestamp"))
    keyed = dated.withColumn("event_key", F.coalesce(F.col("event_id"), _content_hash()))
    hashed = keyed.withColumn("key_hash", F.xxhash64("event_key"))
    late = F.coalesce(F.col("event_date") < F.col("landing_date"), F.lit(False))
    judged = hashed.withColumn("is_late", late).withColumn("reason", _reason(shop, limits))
    kept = F.coalesce("unreadable_line", F.to_json("raw"))
    return judged.withColumn("raw_row", F.when(F.col("reason").isNotNull(), kept)).drop(
        "event_id", "raw", "unreadable_line"
    )


def suspects(classified: DataFrame) -> DataFrame:
    """`key_hash` of the accepted rows whose key's hash occurs twice or more, each once; few do.

    Args:
        classified: the result of `classify`.
    """
    accepted = classified.where(F.col("reason").isNull())
    return accepted.groupBy("key_hash").count().where(F.col("count") > 1).select("key_hash")


def twins(classified: DataFrame, suspected: DataFrame) -> DataFrame:
    """The accepted rows of `classified` that may be repeated: those whose key's hash is `suspected`.

    Args:
        classified: the result of `classify`.
        suspected: the result of `suspects` of the same rows.
    """
    return classified.where(F.col("reason").isNull()).join(F.broadcast(suspected), "key_hash", "left_semi")


def mark_duplicates(
    classified: DataFrame, suspected: tuple[DataFrame, DataFrame] | None, known: DataFrame | None
) -> DataFrame:
    """`classified` with `is_duplicate`: an accepted row whose key was seen before.

    Within the frame the first row by landing day, source file and content stays; a key in `known` makes every row of
    the frame a duplicate. Quarantined rows are never duplicates.

    Args:
        classified: the result of `classify`.
        suspected: the results of `suspects` and of `twins` of the same rows, of which only the latter are sorted; None
            where there are none.
        known: `event_key` and `event_date` of events already in the lake, or None.
    """
    repeated = _mark_repeats(classified, suspected).drop("key_hash")
    if known is None:
        return repeated.withColumnRenamed("is_repeat", "is_duplicate")
    seen = known.select("event_key", "event_date").distinct().withColumn("is_known", F.lit(True))
    joined = repeated.join(seen, ["event_key", "event_date"], "left")
    duplicate = F.col("is_repeat") | (F.col("reason").isNull() & F.col("is_known").isNotNull())
    return joined.withColumn("is_duplicate", duplicate).drop("is_repeat", "is_known")


def _mark_repeats(classified: DataFrame, suspected: tuple[DataFrame, DataFrame] | None) -> DataFrame:
    if suspected is None:
        return classified.withColumn("is_repeat", F.lit(False))
    hashes, alike = suspected
    flagged = F.broadcast(hashes.withColumn("is_suspect", F.lit(True)))
    others = classified.join(flagged, "key_hash", "left").where(
        F.col("is_suspect").isNull() | F.col("reason").isNotNull()
    )
    order = Window.partitionBy("event_key").orderBy("landing_date", "source_file", *_IDENTITY)
    sorted_ = alike.withColumn("is_repeat", F.row_number().over(order) > 1)
    return others.drop("is_suspect").withColumn("is_repeat", F.lit(False)).unionByName(sorted_)


def _content_hash() -> Column:
    """128 bits over the identity columns and which of them are null, as 32 hex digits."""
    absent = F.concat(*[F.isnull(name).cast("int").cast("string") for name in _IDENTITY])
    halves = [F.lpad(F.hex(F.xxhash64(F.lit(salt), absent, *_IDENTITY)), 16, "0") for salt in (1, 2)]
    return F.concat(*halves)


def _reason(shop: Shop, limits: Ingest) -> Column:
    too_long = F.greatest(F.octet_length("user_id"), F.octet_length("item_id")) > limits.max_id_bytes
    allowed = F.col("event_type").isin(*shop.event_types)
    broken = {
        "malformed": F.col("unreadable_line").isNotNull(),
        "user_id_missing": F.col("user_id").isNull() | (F.col("user_id") == ""),
        "item_id_missing": F.col("item_id").isNull() | (F.col("item_id") == ""),
        "id_too_long": too_long,
        "timestamp_missing": F.col("timestamp").isNull(),
        "timestamp_in_future": F.col("event_date") > F.col("landing_date"),
        "event_type_unknown": F.col("event_type").isNull() | ~allowed,
        "price_negative": F.coalesce(F.col("price") < 0, F.lit(False)),
        "event_condition": ~F.coalesce(F.expr(shop.event_condition), F.lit(False)),
    }
    reason = F.lit(None).cast("string")
    for name in reversed(REASONS):
        reason = F.when(broken[name], F.lit(name)).otherwise(reason)
    return reason
