"""Lists held against what followed, beside naive references on the same users."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.settings import Settings
from features import holdout
from jobs import storage
from jobs.catalogue import catalogue_as_of
from jobs.evaluation import earlier_lists, fit_references, groups
from jobs.kernels import measuring
from jobs.kernels.blocks import Kitchen
from jobs.kitchens import kitchen_of
from jobs.paths import layout_of
from models import metrics, pooled
from models.bootstrap import intervals
from models.measures import FULL, MINUS, OURS, Key, Plan, Row, main_reference
from models.metrics import Float64
from models.ragged import Bool, Int32
from models.ragged import lists as flat

COLUMNS_AT_ONCE: Final = 64
WEEK_DAYS: Final = 7
WHO: Final = ["user_idx", "n_baskets", "segment"]
ROW_COLUMNS: Final = tuple(column for column in tables.METRICS.columns if column.name != "as_of")
ROW_DDL: Final = ", ".join(f"{column.name} {column.type}" for column in ROW_COLUMNS)


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """What each user's lists are worth.

    Attributes:
        table: the result of `jobs.kernels.measuring.measured`, by user index.
        plan: what its numbers are.
        kitchen: artifacts of the day before the window.
        left_out: by reference that was asked for, why it was not measured.
    """

    table: pa.Table
    plan: Plan
    kitchen: Kitchen
    left_out: dict[str, str]

    @property
    def keys(self) -> list[Key]:
        """Columns of the numbers."""
        return measuring.keys(self.plan)[0]

    @property
    def user_idx(self) -> Int32:
        """The users, ascending."""
        found: Int32 = self.table["user_idx"].to_numpy()
        return found

    @property
    def n_users(self) -> int:
        """Users who bought something in the window."""
        return int(self.table.num_rows)

    def columns(self, positions: Sequence[int]) -> Float64:
        """The numbers of some keys, by their positions, shape (n_users, len(positions))."""
        return _matrix(self.table, "numbers")[:, positions].astype(np.float64)

    @property
    def numbers(self) -> tuple[list[Key], Float64]:
        """Keys, and a value a user and key, shape (n_users, n_keys), NaN where the user does not count."""
        return measuring.keys(self.plan)[0], _matrix(self.table, "numbers").astype(np.float64)

    def users(self, settings: Settings) -> pa.Table:
        """`user_idx`, `n_baskets`, `segment` and the settings' `segments.columns` of each user."""
        who = self.table.select(WHO)
        return groups.with_columns(layout_of(settings), who, settings.segments.columns, self.kitchen.as_of)


def plan_of(settings: Settings) -> Plan:
    """What the settings ask to be measured."""
    placements = ((name, p.repeats and settings.shop.repeats) for name, p in settings.placements.items())
    return Plan(
        tuple(placements),
        tuple(settings.candidates.sources),
        settings.evaluation.k,
        seed=settings.seed,
        head_share=settings.segments.head_share,
        references=settings.evaluation.references,
    )


def measure(
    spark: SparkSession,
    settings: Settings,
    *,
    cut: dt.date,
    users: DataFrame,
    truth: DataFrame,
    lists: DataFrame,
    ranked: DataFrame,
) -> Measured:
    """Every number of every user who counts, beside those of references and single sources.

    References and single sources are made of what was known on the day before `cut`.

    Args:
        spark: session.
        settings: what is measured.
        cut: first day of the window; artifacts of the day before are there.
        users: the result of `with_candidates` as of the day before; those without truth are left out.
        truth: the result of `truth_frame`; used more than once, so better persisted.
        lists: `placement`, `user_idx`, `item_idx` (best first) as a person would have seen them.
        ranked: the same with all that the ranker scored, and its `scores`, for AUC.

    Raises:
        InputMissing: artifacts of the day before `cut` are not there.
    """
    layout, known = layout_of(settings), cut - dt.timedelta(days=1)
    kitchen = kitchen_of(spark, settings, layout, known)
    earlier = earlier_lists.read(spark, settings, layout, known - dt.timedelta(days=WEEK_DAYS), truth)
    fitted = fit_references.fit(spark, settings, layout, kitchen, has_earlier=earlier is not None)
    plan = dataclasses.replace(_plan_with_categories(settings, kitchen), references=fitted.names)
    judged = measuring.with_lists(truth, plan, lists, ranked, earlier)
    spread = among(users, truth).join(judged, "user_idx").repartition(spark.sparkContext.defaultParallelism, "user_idx")
    table = measuring.measured(spread, kitchen, plan, fitted.opponents).toArrow().sort_by("user_idx")
    return Measured(table, plan, kitchen, fitted.left_out)


def metric_rows(measured: Measured, settings: Settings) -> list[Row]:
    """Rows of the table `metrics` without `as_of`; none where no user counts.

    Every interval comes from the same resamples of users, so that `two_stage_minus_X` is a paired difference.
    """
    table, plan = measured.table, measured.plan
    if not table.num_rows:
        return []
    kinds = groups.user_groups(measured.users(settings), settings.segments)
    rows = _rows(table, plan, settings, int(measured.kitchen.catalogue().allowed.sum()))
    rows += segment_rows(*measured.numbers, kinds, plan, settings)
    return [{"cut": measured.kitchen.as_of + dt.timedelta(days=1), **row} for row in rows]


def _plan_with_categories(settings: Settings, kitchen: Kitchen) -> Plan:
    wanted, layout = settings.segments.max_categories, layout_of(settings)
    named = groups.named_codes(layout, kitchen.catalogue(), "category", as_of=kitchen.as_of, n=wanted)
    return dataclasses.replace(plan_of(settings), categories=named)


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


def _rows(table: pa.Table, plan: Plan, settings: Settings, n_recommendable: int) -> list[Row]:
    number_keys, list_keys = measuring.keys(plan)
    numbers = _matrix(table, "numbers").astype(np.float64)
    tops = _matrix(table, "tops").reshape(table.num_rows, len(list_keys), plan.k)
    all_keys, values = with_differences(number_keys, numbers, f"ndcg_{plan.k}")
    rows = means(all_keys, values, resamples=settings.evaluation.resamples, seed=settings.seed)
    rows += _pooled(table, plan, dict(zip(number_keys, numbers.T, strict=True)))
    return rows + _spread(list_keys, tops, dict(zip(number_keys, numbers.T, strict=True)), plan, n_recommendable)


def _matrix(table: pa.Table, column: str) -> np.ndarray:
    return flat(table[column])[1].reshape(table.num_rows, -1)


def with_differences(keys: list[Key], numbers: Float64, metric: str) -> tuple[list[Key], Float64]:
    """Keys and the numbers with one more column for each other system: ours minus it, user by user."""
    place = {key: column for column, key in enumerate(keys)}
    others = [key for key in keys if key.metric == metric and key.system != OURS]
    ours = numbers[:, [place[key._replace(system=OURS)] for key in others]]
    differences = ours - numbers[:, [place[key] for key in others]]
    named = [key._replace(system=MINUS + key.system) for key in others]
    return [*keys, *named], np.concatenate([numbers, differences], axis=1)


def means(keys: list[Key], values: Float64, *, resamples: int, seed: int) -> list[Row]:
    """A row a key: the mean over users with its interval; shape of the values (n_users, n_keys)."""
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


def _pooled(table: pa.Table, plan: Plan, by_key: dict[Key, Float64]) -> list[Row]:
    """AUC of our scores over the pairs of any two users; it has no interval."""
    parts = [counts for counts in table["pooled"].to_pylist() if counts]
    rows: list[Row] = []
    for position, key in enumerate(measuring.pooled_keys(plan)):
        value = pooled.merge([pooled.from_bytes(counts[position]) for counts in parts]).auc()
        n_users = int((~np.isnan(by_key[key._replace(metric="auc")])).sum())
        if not np.isnan(value):
            rows.append({**key._asdict(), "value": value, "low": None, "high": None, "n_users": n_users})
    return rows


def segment_rows(
    keys: list[Key], numbers: Float64, kinds: dict[str, dict[str, Bool]], plan: Plan, settings: Settings
) -> list[Row]:
    """Our lists and their main reference over the full catalogue, group by group, and the paired difference in NDCG."""
    place = {key: column for column, key in enumerate(keys)}
    headline = f"ndcg_{plan.k}"
    metrics_told = sorted({"ndcg_5", headline, f"hit_rate_{plan.k}", f"recall_{plan.k}", "auc"})
    named: list[Key] = []
    columns: list[Float64] = []
    for placement, repeats in plan.placements:
        theirs = main_reference(repeats=repeats)
        told = [Key(FULL, placement, system, metric) for system in (OURS, theirs) for metric in metrics_told]
        chosen = [(key, numbers[:, place[key]]) for key in told]
        ours, reference = (numbers[:, place[Key(FULL, placement, s, headline)]] for s in (OURS, theirs))
        chosen.append((Key(FULL, placement, MINUS + theirs, headline), ours - reference))
        for group, mask in ((name, mask) for masks in kinds.values() for name, mask in masks.items()):
            named += [key._replace(segment=group) for key, _ in chosen]
            columns += [np.where(mask, column, np.nan) for _, column in chosen]
    if not named:
        return []
    return means(named, np.stack(columns, axis=1), resamples=settings.evaluation.resamples, seed=settings.seed)


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
