"""What other weights of the objectives would make of the newest past window."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.errors import InputMissing
from contracts.report import JobReport
from contracts.settings import OBJECTIVES, Settings
from export.durable import replace_json
from jobs.evaluation import objectives_page
from jobs.evaluation.evaluate_holdout import ranked_unseen, with_candidates_of
from jobs.evaluation.measure import truth_frame
from jobs.kernels.metering import costs_of
from jobs.kernels.shelves import ShelfFolder
from jobs.kernels.sweeping import swept
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of
from jobs.ranking.shelve_items import shelve
from jobs.training import windows
from jobs.training.train_ranker import window_cuts
from models import metrics
from models.bootstrap import paired_difference
from models.ragged import lists as flat
from models.sweep import MEASURES, grid, unbeaten

MAX_USERS: Final = 10_000
STEPS: Final = {1: 1, 2: 20, 3: 10, 4: 6}
"""Steps of a weight from 0 to 1, by the number of objectives that the shop has data for."""
Point = dict[str, Any]


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """Each placement's lists by a grid of weights, measured on the newest past window as the nightly does.

    Lists are ordered by the objectives, after what rules remove and weigh, and before pins, caps and exploration. Up
    to MAX_USERS users count, drawn by a hash. Writes `reports/objectives-<date>.html` and `.json`.

    Raises:
        InputMissing: the ranker of that date is missing, or there is no second window.
    """
    started = time.perf_counter()
    layout, cuts = layout_of(settings), window_cuts(settings, as_of)
    if len(cuts) < 2:  # noqa: PLR2004 - one to hold out, one to learn from
        raise InputMissing(
            f"The only past window begins after {cuts[0]}: nothing is held out.",
            where="ranker.windows", todo="Ask again when the history is a window longer.",
        )  # fmt: skip
    wanted = msgspec.structs.replace(settings.evaluation, max_users=min(settings.evaluation.max_users, MAX_USERS))
    settings = msgspec.structs.replace(settings, evaluation=wanted)
    found = _swept(spark, settings, as_of=as_of, known=cuts[0])
    facts = {"as_of": as_of.isoformat(), "cut": (cuts[0] + dt.timedelta(days=1)).isoformat(), "k": wanted.k}
    page, numbers = layout.report(f"objectives-{as_of}.html"), layout.report(f"objectives-{as_of}.json")
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(objectives_page.page(settings.shop.name, facts, found), encoding="utf-8")
    replace_json(numbers, {**facts, "placements": found})
    return JobReport(
        job="sweep_objectives",
        as_of=as_of,
        rows={f"{name}_points": len(points) for name, points in found.items()},
        numbers=_headlines(found),
        details={"placements": found, "page": str(page), **facts},
        seconds=time.perf_counter() - started,
    )


def _swept(spark: SparkSession, settings: Settings, *, as_of: dt.date, known: dt.date) -> dict[str, list[Point]]:
    layout, cut = layout_of(settings), known + dt.timedelta(days=1)
    days = min(settings.evaluation.days, (as_of - known).days)
    windows.stage(spark, settings, layout, known, anew=False)
    truth = truth_frame(spark, settings, as_of=as_of, cut=cut, days=days).persist()
    users = with_candidates_of(spark, settings, truth, costs_of(spark), known=known)
    ranked = ranked_unseen(spark, settings, users, known=known, as_of=as_of).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        shelf = shelve(spark, settings, ranked, as_of=known, folder=layout.artifact("sweep_shelf", as_of))
        return {name: _points(spark, settings, name, shelf, ranked, truth, known=known) for name in settings.placements}
    finally:
        ranked.unpersist()
        truth.unpersist()


def _points(
    spark: SparkSession,
    settings: Settings,
    name: str,
    shelf: ShelfFolder,
    ranked: DataFrame,
    truth: DataFrame,
    *,
    known: dt.date,
) -> list[Point]:
    """The chosen weights, engagement alone, then the grid, each with what it makes of one placement."""
    layout, placement = layout_of(settings), settings.placements[name]
    kitchen = kitchen_of(spark, settings, layout, known)
    chosen = shelf.aims(kitchen.catalogue(), name, placement).weights
    has_margin = bool(~np.isnan(np.asarray(shelf.load().margins)).all())
    live = [key for key in OBJECTIVES if key != "margin" or has_margin]
    points = [chosen, {"engagement": 1.0}, *grid(live, STEPS[len(live)])[1:]]
    may_repeat = placement.repeats and settings.shop.repeats
    mine = ranked.where(F.col("placement") == name).withColumnRenamed("item_idx", "ranked_idx")
    taken = truth.select("user_idx", F.col("truth_all" if may_repeat else "truth_new").alias("truth"))
    users = users_of(spark, layout, known).join(mine, "user_idx").join(taken, "user_idx")
    k = settings.evaluation.k
    table = swept(users, kitchen, shelf, name, placement, points, k=k, may_repeat=may_repeat).toArrow()
    return _told(table.sort_by("user_idx"), points, settings, int(kitchen.catalogue().allowed.sum()))


def _told(table: pa.Table, points: list[dict[str, float]], settings: Settings, n_allowed: int) -> list[Point]:
    n, k = table.num_rows, settings.evaluation.k
    numbers = flat(table["numbers"])[1].reshape(n, len(points), len(MEASURES)).astype(np.float64)
    tops = flat(table["tops"])[1].reshape(n, len(points), k)
    counts = ~np.isnan(numbers[:, 0, 0])
    numbers, tops = numbers[counts], tops[counts]
    made = []
    for at, weights in enumerate(points):
        means = {
            name: float(np.nanmean(column)) if (~np.isnan(column)).any() else None
            for name, column in zip(MEASURES, numbers[:, at].T, strict=True)
        }
        made.append({"weights": weights, **means, "coverage": metrics.coverage(tops[:, at], n_allowed)})
    compared = ("ndcg", "diversity", "coverage", *(["margin"] if made[0]["margin"] is not None else []))
    front = unbeaten(np.array([[point[name] for name in compared] for point in made]))
    cost = paired_difference(
        numbers[:, 0, 0], numbers[:, 1, 0], resamples=settings.evaluation.resamples, seed=settings.seed
    )
    interval = {"value": float(cost.means[0]), "low": float(cost.lows[0]), "high": float(cost.highs[0])}
    roles = ["chosen", "engagement alone", *["grid"] * (len(points) - 2)]
    return [
        {"role": role, **point, "is_unbeaten": bool(best), "n_users": len(numbers),
         **({"ndcg_minus_engagement": interval} if role == "chosen" else {})}
        for role, point, best in zip(roles, made, front, strict=True)
    ]  # fmt: skip


def _headlines(found: dict[str, list[Point]]) -> dict[str, float]:
    """Numbers of the chosen weights and of engagement alone, by placement."""
    return {
        f"{name}_{point['role'].replace(' ', '_')}_{key}": point[key]
        for name, points in found.items()
        for point in points[:2]
        for key in (*MEASURES, "coverage")
        if point[key] is not None
    }
