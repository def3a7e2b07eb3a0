"""Lists held against what followed, beside naive references on the same users."""

from __future__ import annotations

import datetime as dt
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.settings import Settings
from features import holdout
from jobs import storage
from jobs.kernels import measuring
from jobs.kitchens import kitchen_of
from jobs.paths import layout_of
from jobs.training.build_features import catalogue_as_of
from models import metrics
from models.bootstrap import intervals
from models.measures import FULL, MINUS, OURS, Key, Plan, Row
from models.metrics import Float64
from models.ragged import lists as flat

COLUMNS_AT_ONCE: Final = 64
ROW_COLUMNS: Final = tuple(column for column in tables.METRICS.columns if column.name != "as_of")
ROW_DDL: Final = ", ".join(f"{column.name} {column.type}" for column in ROW_COLUMNS)


def plan_of(settings: Settings) -> Plan:
    """What the settings ask to be measured."""
    placements = ((name, p.repeats and settings.shop.repeats) for name, p in settings.placements.items())
    return Plan(tuple(placements), tuple(settings.candidates.sources), settings.evaluation.k)


def measure(
    spark: SparkSession,
    settings: Settings,
    *,
    cut: dt.date,
    users: DataFrame,
    truth: DataFrame,
    lists: DataFrame,
    ranked: DataFrame,
) -> list[Row]:
    """Rows of the table `metrics` without `as_of`; none where no user counts.

    References and single sources are made of what was known on the day before `cut`. Every interval comes from the
    same resamples of users, so that `two_stage_minus_X` is a paired difference.

    Args:
        spark: session.
        settings: what is measured.
        cut: first day of the window; artifacts of the day before are there.
        users: the result of `with_candidates` as of the day before; those without truth are left out.
        truth: the result of `truth_frame`; used more than once, so better persisted.
        lists: `placement`, `user_idx`, `item_idx` (best first) as a person would have seen them.
        ranked: the same with all that the ranker scored, for AUC.

    Raises:
        InputMissing: artifacts of the day before `cut` are not there.
    """
    known = cut - dt.timedelta(days=1)
    kitchen = kitchen_of(spark, settings, layout_of(settings), known)
    judged = measuring.with_lists(truth, plan_of(settings), lists, ranked)
    spread = among(users, truth).join(judged, "user_idx").repartition(spark.sparkContext.defaultParallelism, "user_idx")
    table = measuring.measured(spread, kitchen, plan_of(settings)).toArrow().sort_by("user_idx")
    rows = _rows(table, settings, int(kitchen.catalogue().allowed.sum())) if table.num_rows else []
    return [{"cut": cut, **row} for row in rows]


def among(users: DataFrame, truth: DataFrame) -> DataFrame:
    """The rows of `users` that `truth` has."""
    return users.join(F.broadcast(truth.select("user_idx")), "user_idx", "left_semi")


def to_frame(spark: SparkSession, rows: list[Row]) -> DataFrame:
    """The rows as a DataFrame of the columns of `metrics` without `as_of`."""
    return spark.createDataFrame([tuple(row[c.name] for c in ROW_COLUMNS) for row in rows], ROW_DDL)


def truth_frame(spark: SparkSession, settings: Settings, *, as_of: dt.date, cut: dt.date, days: int) -> DataFrame:
    """The result of `features.holdout.truth` for a window; the catalogue of `as_of` says what is excluded."""
    layout = layout_of(settings)
    return holdout.truth(
        storage.read(spark, layout, tables.INTERACTIONS),
        storage.read_as_of(spark, layout, tables.HISTORIES, cut - dt.timedelta(days=1)),
        catalogue_as_of(spark, layout, as_of)[0].select("item_idx", "is_recommendable"),
        settings.evaluation,
        cut=cut,
        days=days,
        seed=settings.seed,
    )


def _rows(table: pa.Table, settings: Settings, n_recommendable: int) -> list[Row]:
    plan = plan_of(settings)
    number_keys, list_keys = measuring.keys(plan)
    numbers = _matrix(table, "numbers").astype(np.float64)
    tops = _matrix(table, "tops").reshape(table.num_rows, len(list_keys), plan.k)
    all_keys, values = _with_differences(number_keys, numbers, f"ndcg_{plan.k}")
    rows = _means(all_keys, values, resamples=settings.evaluation.resamples, seed=settings.seed)
    return rows + _spread(list_keys, tops, dict(zip(number_keys, numbers.T, strict=True)), plan, n_recommendable)


def _matrix(table: pa.Table, column: str) -> np.ndarray:
    return flat(table[column])[1].reshape(table.num_rows, -1)


def _with_differences(keys: list[Key], numbers: Float64, metric: str) -> tuple[list[Key], Float64]:
    """The numbers with one more column for each other system: ours minus it, user by user."""
    place = {key: column for column, key in enumerate(keys)}
    others = [key for key in keys if key.metric == metric and key.system != OURS]
    ours = numbers[:, [place[key._replace(system=OURS)] for key in others]]
    differences = ours - numbers[:, [place[key] for key in others]]
    named = [key._replace(system=MINUS + key.system) for key in others]
    return [*keys, *named], np.concatenate([numbers, differences], axis=1)


def _means(keys: list[Key], values: Float64, *, resamples: int, seed: int) -> list[Row]:
    rows: list[Row] = []
    for start in range(0, len(keys), COLUMNS_AT_ONCE):
        part = slice(start, start + COLUMNS_AT_ONCE)
        found = intervals(values[:, part], resamples=resamples, seed=seed)
        ends = zip(keys[part], found.means, found.lows, found.highs, found.n_users, strict=True)
        for key, mean, low, high, n_users in ends:
            if n_users:
                numbers = {"value": float(mean), "low": float(low), "high": float(high), "n_users": int(n_users)}
                rows.append({**key._asdict(), **numbers})
    return rows


def _spread(
    keys: list[tuple[str, str]], tops: np.ndarray, by_key: dict[Key, Float64], plan: Plan, n_recommendable: int
) -> list[Row]:
    """Coverage and Gini of each system's lists over the users that count."""
    rows: list[Row] = []
    for position, (placement, system) in enumerate(keys):
        counts = ~np.isnan(by_key[Key(FULL, placement, system, f"ndcg_{plan.k}")])
        top = tops[counts, position]
        values = {
            f"coverage_{plan.k}": metrics.coverage(top, n_recommendable),
            f"gini_{plan.k}": metrics.gini(top, n_recommendable),
        }
        for metric, value in values.items():
            if not np.isnan(value):
                numbers = {"value": value, "low": None, "high": None, "n_users": int(counts.sum())}
                rows.append({**Key(FULL, placement, system, metric)._asdict(), **numbers})
    return rows
