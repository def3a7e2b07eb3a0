"""What the chosen weights of the objectives cost in quality, and what they buy, beside engagement alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts.settings import OBJECTIVES, Settings
from jobs.kernels.shelves import ShelfFolder
from jobs.kernels.sweeping import swept
from jobs.kitchens import kitchen_of
from jobs.paths import layout_of
from models import metrics
from models.bootstrap import paired_difference
from models.measures import FULL, Key, Row
from models.ragged import lists as flat
from models.sweep import ALONE, CHOSEN, COST, MEASURES, ORDERED, unbeaten

Point = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Frames:
    """One window.

    Attributes:
        shelf: of the day before it.
        ranked: rows like `ranked`, of all placements.
        truth: the result of `jobs.evaluation.measure.truth_frame`.
        users: `user_frame` of those of them, or of more.
    """

    shelf: ShelfFolder
    ranked: DataFrame
    truth: DataFrame
    users: DataFrame


def metric_rows(found: Mapping[str, list[Point]], k: int, *, cut: dt.date) -> list[Row]:
    """Rows of the table `metrics` without `as_of`: both orders of each placement, and the paired difference in NDCG.

    Lists are ordered after what rules remove and weigh, and before pins, caps and exploration, so that nothing but the
    weights differs.

    Args:
        found: the result of `points_of`, by placement.
        k: places that count.
        cut: first day of the window.
    """
    rows: list[Row] = []
    for placement, points in found.items():
        if not points:
            continue
        chosen, alone = points[:2]
        for system, point in ((CHOSEN, chosen), (ALONE, alone)):
            values = {f"{ORDERED}{name}_{k}": point[name] for name in (*MEASURES, "coverage")}
            rows += [
                _row(cut, Key(FULL, placement, system, name), {"value": value}, point)
                for name, value in values.items()
                if value is not None
            ]
        key = Key(FULL, placement, COST, f"{ORDERED}ndcg_{k}")
        rows.append(_row(cut, key, chosen["ndcg_minus_engagement"], chosen))
    return rows


def _row(cut: dt.date, key: Key, ends: Mapping[str, float], point: Point) -> Row:
    return {"cut": cut, **key._asdict(), "low": None, "high": None, **ends, "n_users": point["n_users"]}


def headlines(rows: list[Row]) -> dict[str, float]:
    """What the chosen weights change, by placement, measure and `_low` and `_high`: `home_objectives_cost_ndcg_10`."""
    values = {(row["placement"], row["system"], row["metric"]): row for row in rows if row["segment"] is None}
    numbers: dict[str, float] = {}
    for (placement, system, metric), row in values.items():
        name = f"{placement}_objectives_{{}}_{metric.removeprefix(ORDERED)}"
        if system == COST:
            numbers |= {f"{name.format('cost')}{end}": row[end[1:] or "value"] for end in ("", "_low", "_high")}
        elif system == CHOSEN and not metric.startswith(f"{ORDERED}ndcg"):
            numbers[name.format("gain")] = row["value"] - values[placement, ALONE, metric]["value"]
    return numbers


def points_of(
    spark: SparkSession,
    settings: Settings,
    name: str,
    frames: Frames,
    *,
    known: dt.date,
    more: Callable[[list[str]], list[dict[str, float]]] | None = None,
) -> list[Point]:
    """The chosen weights, engagement alone, then `more`, each with what it makes of one placement; none without users.

    A point has `role`, `weights`, `ndcg`, `diversity`, `margin` (None without margins), `coverage`, `is_unbeaten` and
    `n_users`; the first also the paired difference to the second in NDCG, `ndcg_minus_engagement`, with its interval.

    Args:
        spark: session.
        settings: objectives and evaluation.
        name: of the placement.
        frames: what is ordered, and what was bought.
        known: the last day known before the window.
        more: further sets of weights, of the objectives that the shop has data for.
    """
    layout, placement = layout_of(settings), settings.placements[name]
    kitchen = kitchen_of(spark, settings, layout, known)
    chosen = frames.shelf.aims(kitchen.catalogue(), name, placement).weights
    has_margin = bool(~np.isnan(np.asarray(frames.shelf.load().margins)).all())
    live = [key for key in OBJECTIVES if key != "margin" or has_margin]
    points = [chosen, {"engagement": 1.0}, *(more(live) if more is not None else [])]
    may_repeat = placement.repeats and settings.shop.repeats
    mine = frames.ranked.where(F.col("placement") == name).withColumnRenamed("item_idx", "ranked_idx")
    taken = frames.truth.select("user_idx", F.col("truth_all" if may_repeat else "truth_new").alias("truth"))
    users = frames.users.join(mine, "user_idx").join(taken, "user_idx")
    k = settings.evaluation.k
    table = swept(users, kitchen, frames.shelf, name, placement, points, k=k, may_repeat=may_repeat).toArrow()
    return _told(table.sort_by("user_idx"), points, settings, int(kitchen.catalogue().allowed.sum()))


def _told(table: pa.Table, points: list[dict[str, float]], settings: Settings, n_allowed: int) -> list[Point]:
    n, k = table.num_rows, settings.evaluation.k
    numbers = flat(table["numbers"])[1].reshape(n, len(points), len(MEASURES)).astype(np.float64)
    tops = flat(table["tops"])[1].reshape(n, len(points), k)
    counts = ~np.isnan(numbers[:, 0, 0])
    numbers, tops = numbers[counts], tops[counts]
    if not len(numbers):
        return []
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
