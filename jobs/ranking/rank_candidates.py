"""Tonight's candidates with their ranker score."""

from __future__ import annotations

import datetime as dt
import time

from pyspark.sql import DataFrame, SparkSession

from contracts import tables
from contracts.errors import InputMissing
from contracts.report import JobReport
from contracts.settings import Settings
from features.user_rows import with_candidates
from jobs import storage
from jobs.artifacts import SharedFolder
from jobs.kernels.ranking import Boosters, rank
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of
from models import artifact


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `ranked` as of a date, one row a user and placement.

    Raises:
        InputMissing: candidates, features, artifacts or the ranker of that date are missing.
        ArtifactCorrupt: the ranker is damaged.
    """
    started = time.perf_counter()
    rows = rank_frame(spark, settings, as_of=as_of, ranker_as_of=as_of, variant="night")
    written = storage.replace_as_of(layout_of(settings), tables.RANKED, rows, as_of)
    return JobReport(
        job="rank_candidates", as_of=as_of, rows={"lists_ranked": written}, seconds=time.perf_counter() - started
    )


def rank_frame(
    spark: SparkSession, settings: Settings, *, as_of: dt.date, ranker_as_of: dt.date, variant: str
) -> DataFrame:
    """Rows of the table `ranked` without `as_of`: the candidates of `as_of`, scored by the ranker of `ranker_as_of`.

    Args:
        variant: "night", or "holdout" for the booster that has not seen the newest window.
    """
    layout = layout_of(settings)
    folder = layout.artifact("ranker", ranker_as_of)
    if not folder.is_dir():
        raise InputMissing(
            f"There is no ranker as of {ranker_as_of}.",
            where=str(folder),
            todo=f"Run `larder train-ranker --as-of {ranker_as_of}`.",
        )
    artifact.verify(folder)
    users = with_candidates(users_of(spark, layout, as_of), storage.read_as_of(spark, layout, tables.CANDIDATES, as_of))
    boosters = Boosters(SharedFolder(spark, folder).open, variant)
    kitchen = kitchen_of(spark, settings, layout, as_of)
    return rank(users, kitchen, boosters, settings.placements, repeats=settings.shop.repeats)
