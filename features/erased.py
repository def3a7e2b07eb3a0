"""Rows of users who were erased, recognised by a keyed hash and left out before anything is written."""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

SHA_BITS = 256


def without(rows: DataFrame, hashes: DataFrame, *, inner: bytes, outer: bytes) -> DataFrame:
    """`rows` without those whose `user_id` has one of the hashes; rows without an id stay.

    Args:
        rows: with a column `user_id`, cast to text for the hash.
        hashes: one column `hash`, 64 hex digits, each once; sent to every executor.
        inner: the key as HMAC-SHA-256 uses it inside (RFC 2104).
        outer: the same outside.
    """
    hashed = rows.withColumn("hash", _hmac(F.col("user_id").cast("string"), inner, outer))
    return hashed.join(F.broadcast(hashes), "hash", "left_anti").drop("hash")


def _hmac(text: Column, inner: bytes, outer: bytes) -> Column:
    first = F.sha2(F.concat(F.lit(bytearray(inner)), F.encode(text, "UTF-8")), SHA_BITS)
    return F.sha2(F.concat(F.lit(bytearray(outer)), F.unhex(first)), SHA_BITS)
