"""The calibration of a ranker: its score as the probability that a user buys the item in the window."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts.layout import Layout
from contracts.settings import Settings
from jobs.artifacts import SharedFolder
from jobs.kernels.calibrating import scored
from jobs.kernels.ranking import Boosters
from jobs.kitchens import kitchen_of, users_of
from jobs.training.windows import bought_between
from models import calibration
from models.calibration import Calibration
from models.ragged import Bool, lists, rows_of
from models.ranker import is_sampled

FITTED_SHARE: Final = 0.5
Row = dict[str, Any]


def calibrations(
    spark: SparkSession, settings: Settings, layout: Layout, folder: Path, *, cut: dt.date
) -> tuple[dict[str, Calibration], list[Row]]:
    """The calibration of each placement, and rows of the table `reliability` without `as_of`.

    Fitted to the scores of the `holdout` boosters on the window that they have not learnt from, and used for those of
    the `night` boosters, which learnt by the same recipe. Users who bought nothing count: the probability is that of a
    purchase in the window, not of one by a user who shops. Half of the users, by a hash, fit; the other half check.

    Args:
        spark: session.
        settings: of the calibration, the placements and the window.
        layout: of the root.
        folder: the ranker artifact, with boosters `holdout-<placement>`.
        cut: the last day known before the newest window.
    """
    wanted, last = settings.calibration, cut + dt.timedelta(days=settings.ranker.window_days)
    known = users_of(spark, layout, cut)
    sample = known.orderBy(F.xxhash64("user_idx", F.lit(settings.seed)), "user_idx").limit(wanted.users)
    spread = sample.repartition(spark.sparkContext.defaultParallelism, "user_idx")
    users = spread.join(bought_between(spark, layout, cut + dt.timedelta(days=1), last), "user_idx", "left")
    boosters = Boosters(SharedFolder(spark, folder).open, "holdout")
    kitchen = kitchen_of(spark, settings, layout, cut)
    rows = scored(users, kitchen, boosters, settings.placements, repeats=settings.shop.repeats)
    table = rows.toArrow().sort_by([("placement", "ascending"), ("user_idx", "ascending")])
    return of_placements(table, settings, cut=cut)


def of_placements(table: pa.Table, settings: Settings, *, cut: dt.date) -> tuple[dict[str, Calibration], list[Row]]:
    """The calibration of each placement and the rows of all bins.

    Args:
        table: the result of `jobs.kernels.calibrating.scored`.
        settings: of the calibration, and the placements.
        cut: the last day known.
    """
    made: dict[str, Calibration] = {}
    bins: list[Row] = []
    for placement in settings.placements:
        mine = table.filter(pc.equal(table["placement"], placement))
        made[placement], found = of_placement(mine, settings)
        bins += [{"cut": cut + dt.timedelta(days=1), "placement": placement, **row} for row in found]
    return made, bins


def of_placement(table: pa.Table, settings: Settings) -> tuple[Calibration, list[Row]]:
    """The calibration of one placement, and its bins.

    Args:
        table: `user_idx`, `scores` and `labels`, the result of `jobs.kernels.calibrating.scored` for the placement.
        settings: method, bins and seed.
    """
    offsets, scores = lists(table["scores"])
    labels: Bool = lists(table["labels"])[1].astype(bool)
    users = table["user_idx"].to_numpy().astype(np.int64)
    is_fitted = is_sampled(users, FITTED_SHARE, settings.seed + 1)
    fitted = is_fitted[rows_of(offsets)]
    found = calibration.fit(scores[fitted], labels[fitted], settings.calibration.method)
    edges = calibration.edges_of(scores[fitted], labels[fitted], settings.calibration.bins)
    checked, bought = scores[~fitted], labels[~fitted]
    before = calibration.reliability(checked, calibration.logistic(checked), bought, edges)
    after = calibration.reliability(checked, found.apply(checked), bought, edges)
    n_users = int((~is_fitted).sum())
    numbers = zip(after.n, after.mean_score, before.predicted, after.predicted, after.observed, strict=True)
    return found, [
        {"bin": position, "n_pairs": int(n), "n_users": n_users, "mean_score": float(score)}
        | {"uncalibrated": float(raw), "predicted": float(predicted), "observed": float(observed)}
        for position, (n, score, raw, predicted, observed) in enumerate(numbers)
    ]
