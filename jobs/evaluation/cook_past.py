"""Lists of a past date as they would have been published, without a move of the pointer."""

from __future__ import annotations

import datetime as dt
import shutil

from pyspark.sql import SparkSession

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from export.stores.mapped import MappedReader
from jobs import lake
from jobs.catalogue import catalogue_as_of
from jobs.evaluation import choosing, evaluate_holdout
from jobs.evaluation.read_back import Published
from jobs.publishing import stage_snapshot
from jobs.ranking import generate_candidates, rank_candidates, rerank_lists
from jobs.training import train_ranker, windows


def cook(spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date) -> None:
    """Every table and artifact of a date that its lists are made of, and the lists; what is there is not made again.

    The jobs are the night's, so that a ranker learns from windows that had ended by that date, and nothing later is
    known. Windows and artifacts that other dates made are reused.

    Raises:
        InputInvalid: the history by then is too short for one training window.
    """
    windows.stage(spark, settings, layout, as_of)
    if as_of not in lake.dates(layout, tables.CANDIDATES):
        generate_candidates.run(spark, settings, as_of=as_of)
    if not layout.artifact("ranker", as_of).is_dir():
        train_ranker.run(spark, settings, as_of=as_of)
    if as_of not in lake.dates(layout, tables.RANKED):
        rank_candidates.run(spark, settings, as_of=as_of)
    if as_of in lake.dates(layout, tables.TOP_N_LISTS):
        return
    if choosing.read(layout, as_of) is None:
        evaluate_holdout.run(spark, settings, as_of=as_of)
    rerank_lists.run(spark, settings, as_of=as_of)


def as_published(spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date) -> Published:
    """The lists of the table `top_n_lists` as the bytes that would have been published."""
    directory = layout.root / "backtests" / as_of.isoformat()
    shutil.rmtree(directory, ignore_errors=True)
    items, users = catalogue_as_of(spark, layout, as_of)
    named = items.select(*stage_snapshot.ITEM_COLUMNS).where("item_id is not null")
    stage_snapshot.write(
        settings, layout, directory, as_of=as_of, items=named.toArrow(), n_eligible_users=users.count()
    )
    return Published(MappedReader(directory), "the bytes that would have been published")
