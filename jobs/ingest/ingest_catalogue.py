"""The landed catalogue of items and users, indexed."""

from __future__ import annotations

import datetime as dt
import time

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import CatalogueShrunk, InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from features import catalogue, vocabularies
from jobs import lake, storage
from jobs.ingest import landing
from jobs.ingest.erased import without_erased
from jobs.paths import layout_of


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The tables `items` and `users` as of a date, every id of both vocabularies in them.

    Raises:
        InputMissing: no item catalogue was landed by then.
        CatalogueShrunk: it lost more items than the settings allow.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    landed_items = landing.read_catalogue(spark, layout, "items", as_of=as_of)
    landing.require_columns(landed_items, ("item_id",), layout.landing("items"))
    landed_users = _landed_users(spark, layout, as_of)
    n_listed = landed_items.select("item_id").distinct().count()
    _refuse_shrunk(spark, layout, n_listed, settings, as_of)
    new_items = _extend(spark, layout, tables.ITEM_VOCABULARY, landed_items, "item", as_of)
    new_users = _extend(spark, layout, tables.USER_VOCABULARY, landed_users, "user", as_of) if landed_users else 0
    items = catalogue.items_as_of(
        landed_items, _known(spark, layout, tables.ITEM_VOCABULARY, as_of), settings.shop, as_of=as_of
    )
    users = catalogue.users_as_of(landed_users, _known(spark, layout, tables.USER_VOCABULARY, as_of), settings.shop)
    written = {
        "items_listed": n_listed,
        "items_written": storage.replace_as_of(layout, tables.ITEMS, items, as_of),
        "users_written": storage.replace_as_of(layout, tables.USERS, users, as_of),
        "new_items": new_items,
        "new_users": new_users,
    }
    return JobReport(job="ingest_catalogue", as_of=as_of, rows=written, seconds=time.perf_counter() - started)


def _landed_users(spark: SparkSession, layout: Layout, as_of: dt.date) -> DataFrame | None:
    try:
        users = landing.read_catalogue(spark, layout, "users", as_of=as_of)
    except InputMissing:
        return None
    landing.require_columns(users, ("user_id",), layout.landing("users"))
    kept = without_erased(users, layout)
    return users if kept is None else kept


def _known(spark: SparkSession, layout: Layout, table: tables.Table, as_of: dt.date) -> DataFrame:
    return storage.read(spark, layout, table).where(F.col("first_day") <= F.lit(as_of))


def _extend(
    spark: SparkSession, layout: Layout, table: tables.Table, landed: DataFrame, kind: str, as_of: dt.date
) -> int:
    first_day = F.lit(as_of)
    if "first_seen" in landed.columns:
        first_day = F.coalesce(F.col("first_seen").try_cast("date"), first_day)
    ids = landed.select(F.col(f"{kind}_id").cast("string").alias(f"{kind}_id"), first_day.alias("first_day"))
    usable = ids.where(
        F.col(f"{kind}_id").isNotNull() & (F.col(f"{kind}_id") != "") & (F.col("first_day") <= F.lit(as_of))
    )
    seen = usable.groupBy(f"{kind}_id").agg(F.min("first_day").alias("first_day"))
    fresh = vocabularies.extend(storage.read_or_empty(spark, layout, table), seen, kind).persist()
    try:
        return storage.append(layout, table, fresh) if not fresh.isEmpty() else 0
    finally:
        fresh.unpersist()


def _refuse_shrunk(spark: SparkSession, layout: Layout, n_listed: int, settings: Settings, as_of: dt.date) -> None:
    if not lake.exists(layout, tables.ITEMS):
        return
    before = storage.read(spark, layout, tables.ITEMS).where(
        (F.col("as_of") < F.lit(as_of)) & F.col("title").isNotNull()
    )
    counts = before.groupBy("as_of").count().orderBy(F.desc("as_of")).first()
    if counts is None:
        return
    lost = 1 - n_listed / counts["count"]
    if lost > settings.ingest.max_catalogue_shrink:
        raise CatalogueShrunk(
            f"The catalogue lists {n_listed} items; on {counts['as_of']} it listed {counts['count']}: "
            f"{lost:.0%} are gone.",
            where=str(layout.landing("items")),
            todo="Land the whole catalogue again; or raise ingest.max_catalogue_shrink when it is meant.",
        )
