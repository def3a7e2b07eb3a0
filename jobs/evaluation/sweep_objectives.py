"""What other weights of the objectives would make of the newest past window."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

import msgspec
from pyspark import StorageLevel
from pyspark.sql import SparkSession

from contracts.errors import InputMissing
from contracts.report import JobReport
from contracts.settings import Settings
from export.durable import replace_json
from jobs.evaluation import objectives_page
from jobs.evaluation.evaluate_holdout import ranked_unseen, with_candidates_of
from jobs.evaluation.measure import truth_frame
from jobs.evaluation.objectives_cost import Frames, Point, points_of
from jobs.kernels.metering import costs_of
from jobs.kitchens import users_of
from jobs.paths import layout_of
from jobs.ranking.shelve_items import shelve
from jobs.training import windows
from jobs.training.train_ranker import window_cuts
from models.sweep import MEASURES, grid

MAX_USERS: Final = 10_000
STEPS: Final = {1: 1, 2: 20, 3: 10, 4: 6}
"""Steps of a weight from 0 to 1, by the number of objectives that the shop has data for."""


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
    windows.stage(spark, settings, layout, known)
    truth = truth_frame(spark, settings, as_of=as_of, cut=cut, days=days).persist()
    users = with_candidates_of(spark, settings, truth, costs_of(spark), known=known)
    ranked = ranked_unseen(spark, settings, users, known=known, as_of=as_of).persist(StorageLevel.MEMORY_AND_DISK)
    try:
        shelf = shelve(spark, settings, ranked, as_of=known, folder=layout.artifact("sweep_shelf", as_of))
        frames = Frames(shelf, ranked, truth, users_of(spark, layout, known))
        every = {
            name: points_of(spark, settings, name, frames, known=known, more=_grid) for name in settings.placements
        }
        return {name: points for name, points in every.items() if points}
    finally:
        ranked.unpersist()
        truth.unpersist()


def _grid(live: list[str]) -> list[dict[str, float]]:
    """Every set of weights on the grid of the objectives that the shop has data for, but engagement alone."""
    return grid(live, STEPS[len(live)])[1:]


def _headlines(found: dict[str, list[Point]]) -> dict[str, float]:
    """Numbers of the chosen weights and of engagement alone, by placement."""
    return {
        f"{name}_{point['role'].replace(' ', '_')}_{key}": point[key]
        for name, points in found.items()
        for point in points[:2]
        for key in (*MEASURES, "coverage")
        if point[key] is not None
    }
