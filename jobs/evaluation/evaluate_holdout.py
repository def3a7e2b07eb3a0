"""The night's recipe measured on the newest past window."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

from pyspark import Accumulator, StorageLevel
from pyspark.sql import DataFrame, SparkSession

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import lake, storage
from jobs.artifacts import SharedFolder
from jobs.evaluation import choosing, earlier_windows, extreme_users, metric_tables, objectives_cost, recall_ledger
from jobs.evaluation.choosing import Choices
from jobs.evaluation.fairness import fairness_rows
from jobs.evaluation.fairness import section as fairness_section
from jobs.evaluation.ledger_report import LedgerRow
from jobs.evaluation.measure import Measured, among, measure, metric_rows, to_frame, truth_frame
from jobs.evaluation.thresholds import section as threshold_section
from jobs.evaluation.thresholds import threshold_rows
from jobs.kernels.blocks import CANDIDATE_COLUMNS, proposed_to
from jobs.kernels.metering import costs_of
from jobs.kernels.ranking import Boosters, rank
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of
from jobs.ranking.rerank_lists import list_frame
from jobs.ranking.shelve_items import shelve
from jobs.training import held_out, windows
from jobs.training.train_ranker import window_cuts
from models import artifact
from models.measures import FULL, MINUS, OURS, WITHIN, Key, Row

FEW_ROWS: Final = (tables.THRESHOLDS, tables.FAIRNESS, tables.RECALL_LEDGER, tables.EXTREME_USERS)


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The tables `metrics`, `thresholds`, `fairness`, `recall_ledger` and `extreme_users` as of a date, and the choice.

    They come of a ranker that never saw that window; with one past window nothing is written, as `details` says.

    Raises:
        InputMissing: the ranker of that date is missing, or nobody in the window counts.
        InputInvalid: the history is too short for one window.
    """
    started, layout = time.perf_counter(), layout_of(settings)
    cuts = window_cuts(settings, as_of)
    if len(cuts) < 2:  # noqa: PLR2004 - one to hold out, one to learn from
        choosing.write(layout, choosing.choose({}, settings, as_of=as_of))
        return _nothing_held_out(cuts[0], as_of, started)
    cut, days = cuts[0] + dt.timedelta(days=1), min(settings.evaluation.days, (as_of - cuts[0]).days)
    measured, found, extremes, costs = _measure(spark, settings, as_of=as_of, cut=cut, days=days)
    rows = [*metric_rows(measured, settings), *calibration_rows(layout, cut, as_of), *costs]
    reached, gaps = threshold_rows(rows, settings), fairness_rows(measured, settings)
    counts = {"metrics_written": storage.replace_as_of(layout, tables.METRICS, to_frame(spark, rows), as_of)}
    for table, few in zip(FEW_ROWS, (reached, gaps, found, extremes), strict=True):
        counts[f"{table.name}_written"] = lake.replace_as_of(layout, table, few, as_of)
    choices = _chosen(spark, settings, measured, as_of=as_of)
    return JobReport(
        job="evaluate_holdout",
        as_of=as_of,
        rows={**counts, "users_measured": max(row["n_users"] for row in rows)},
        numbers=headlines(rows, settings) | recall_ledger.headlines(found) | objectives_cost.headlines(costs),
        details={
            "cut": cut.isoformat(),
            "days": days,
            "references_left_out": measured.left_out,
            "systems": choices.systems,
            "choices": {choice.placement: choice.note for choice in choices.placements},
            "warnings": [f"{choice.placement}: {choice.note}" for choice in choices.unearned],
            "table": _table(rows, measured, reached, gaps),
            "to_mend": recall_ledger.to_mend(found),
        },
        seconds=time.perf_counter() - started,
    )


def _nothing_held_out(cut: dt.date, as_of: dt.date, started: float) -> JobReport:
    note = {"note": f"the only past window begins after {cut}; nothing is held out"}
    return JobReport(job="evaluate_holdout", as_of=as_of, details=note, seconds=time.perf_counter() - started)


def _chosen(spark: SparkSession, settings: Settings, newest: Measured, *, as_of: dt.date) -> Choices:
    """What each placement publishes, by all windows that the ranker held out; the file is written."""
    layout = layout_of(settings)
    told = artifact.about(layout.artifact("ranker", as_of)).get("held_out", [])
    earlier = [
        _measure_earlier(spark, settings, as_of=as_of, known=dt.date.fromisoformat(cut), position=position)
        for position, cut in enumerate(told)
        if position
    ]
    windows_measured = [newest, *(one for one in earlier if one.n_users)]
    contests = earlier_windows.contests(windows_measured, settings)
    made = choosing.choose(contests, settings, as_of=as_of, n_windows=len(windows_measured))
    choosing.write(layout, made)
    return made


def _measure_earlier(
    spark: SparkSession, settings: Settings, *, as_of: dt.date, known: dt.date, position: int
) -> Measured:
    """What the lists of an earlier window are worth, made by boosters that learnt from older ones alone."""
    layout, settings = layout_of(settings), earlier_windows.for_choice(settings)
    cut, days = known + dt.timedelta(days=1), min(settings.evaluation.days, (as_of - known).days)
    truth = truth_frame(spark, settings, as_of=as_of, cut=cut, days=days).persist()
    users = with_candidates_of(spark, settings, truth, costs_of(spark), known=known).persist()
    variant = held_out.variant_of(position)
    ranked = ranked_unseen(spark, settings, users, known=known, as_of=as_of, variant=variant).persist()
    try:
        folder = layout.artifact(f"holdout_shelf_{position}", as_of)
        shelf = shelve(spark, settings, ranked, as_of=known, folder=folder)
        people = users.drop(*CANDIDATE_COLUMNS)
        lists = list_frame(spark, settings, ranked, shelf, as_of=known, users=people)
        return measure(spark, settings, cut=cut, users=users, truth=truth, lists=lists, ranked=ranked)
    finally:
        ranked.unpersist()
        users.unpersist()
        truth.unpersist()


def _table(rows: list[Row], measured: Measured, reached: list[Row], gaps: list[Row]) -> str:
    """Systems by protocol, where the thresholds are reached, and the gaps between groups of users."""
    parts = metric_tables.sections(rows, measured.plan)
    return metric_tables.as_text([*parts, threshold_section(reached), fairness_section(gaps)])


def calibration_rows(layout: Layout, cut: dt.date, as_of: dt.date) -> list[Row]:
    """The expected calibration error of the ranker's scores, as a logistic and after the fit; none where not fitted."""
    rows: list[Row] = []
    known = lake.rows(layout, tables.RELIABILITY, as_of) if as_of in lake.dates(layout, tables.RELIABILITY) else []
    for placement in sorted({row["placement"] for row in known}):
        bins = [row for row in known if row["placement"] == placement]
        n_pairs = sum(row["n_pairs"] for row in bins)
        for metric, name in (("calibration_error", "predicted"), ("calibration_error_uncalibrated", "uncalibrated")):
            error = sum(row["n_pairs"] * abs(row[name] - row["observed"]) for row in bins) / n_pairs
            numbers = {"value": error, "low": None, "high": None, "n_users": bins[0]["n_users"]}
            rows.append({"cut": cut, **Key(WITHIN, placement, OURS, metric)._asdict(), **numbers})
    return rows


def headlines(rows: list[Row], settings: Settings) -> dict[str, float]:
    """Numbers of everybody worth a plot; a name without a protocol is of the full catalogue.

    Such as `home_ndcg_10`, its `_low` and `_high`, `home_popular_ndcg_10`, `home_candidate_set_auc`.
    """
    k = settings.evaluation.k
    at_k = ("ndcg", "recall", "hit_rate", "map", "coverage", "gini", "novelty", "serendipity", "intra_list_diversity")
    shown = {"ndcg_5", "ndcg_10", "auc", "auc_pooled", *(f"{name}_{k}" for name in at_k)}
    elsewhere = {"ndcg_5", "auc", "auc_pooled", "calibration_error"}
    numbers: dict[str, float] = {}
    for row in rows:
        metric, system, is_full = row["metric"], row["system"], row["protocol"] == FULL
        name = f"{row['placement']}_{metric}" if is_full else f"{row['placement']}_{row['protocol']}_{metric}"
        if row["segment"] is not None:
            continue
        if system == OURS and metric in (shown if is_full else elsewhere):
            numbers[name] = row["value"]
            if is_full and metric == f"ndcg_{k}":
                numbers |= {f"{name}_low": row["low"], f"{name}_high": row["high"]}
        elif is_full and not system.startswith(MINUS) and metric in {f"ndcg_{k}", "recall_ceiling"}:
            numbers[f"{row['placement']}_{system}_{metric}"] = row["value"]
    return numbers


def _measure(
    spark: SparkSession, settings: Settings, *, as_of: dt.date, cut: dt.date, days: int
) -> tuple[Measured, list[LedgerRow], list[Row], list[Row]]:
    """What each user's lists are worth, the recall ledger, whom they served best and worst, what objectives cost."""
    layout, known = layout_of(settings), cut - dt.timedelta(days=1)
    windows.stage(spark, settings, layout, known)
    truth = truth_frame(spark, settings, as_of=as_of, cut=cut, days=days).persist()
    costs = costs_of(spark)
    users = with_candidates_of(spark, settings, truth, costs, known=known).persist(StorageLevel.MEMORY_AND_DISK)
    ranked = ranked_unseen(spark, settings, users, known=known, as_of=as_of).persist(StorageLevel.MEMORY_AND_DISK)
    kept = [truth, users, ranked]
    try:
        shelf = shelve(spark, settings, ranked, as_of=known, folder=layout.artifact("holdout_shelf", as_of))
        people = users.drop(*CANDIDATE_COLUMNS)
        made = list_frame(spark, settings, ranked, shelf, as_of=known, users=people)
        lists = made.select("placement", "user_idx", "item_idx").persist(StorageLevel.MEMORY_AND_DISK)
        kept.append(lists)
        measured = measure(spark, settings, cut=cut, users=users, truth=truth, lists=lists, ranked=ranked)
        frames = recall_ledger.Frames(users, truth, lists, costs)
        found = recall_ledger.count(spark, settings, measured.plan, frames, cut=cut)
        extremes = extreme_users.rows_of(measured, truth, layout)
        objectives = _objectives(spark, settings, objectives_cost.Frames(shelf, ranked, truth, people), cut=cut)
    finally:
        for frame in reversed(kept):
            frame.unpersist()
    if not measured.table.num_rows:
        raise InputMissing(
            f"No user known by {known} bought anything in the {days} days that followed.",
            where=str(layout.table(tables.INTERACTIONS)),
            todo="Ingest the days up to the date, or change evaluation.days.",
        )
    return measured, found, extremes, objectives


def _objectives(spark: SparkSession, settings: Settings, frames: objectives_cost.Frames, *, cut: dt.date) -> list[Row]:
    """What the weights of each placement's objectives cost and buy, as rows of the table `metrics`."""
    known = cut - dt.timedelta(days=1)
    found = {
        name: objectives_cost.points_of(spark, settings, name, frames, known=known) for name in settings.placements
    }
    return objectives_cost.metric_rows(found, settings.evaluation.k, cut=cut)


def with_candidates_of(
    spark: SparkSession, settings: Settings, truth: DataFrame, costs: Accumulator[dict[str, float]], *, known: dt.date
) -> DataFrame:
    """The users of `truth` alone with their candidates, so that the cost does not grow with the shop."""
    layout = layout_of(settings)
    counted = among(users_of(spark, layout, known), truth)
    users = counted.repartition(spark.sparkContext.defaultParallelism, "user_idx")
    return proposed_to(users, kitchen_of(spark, settings, layout, known), costs)


def ranked_unseen(
    spark: SparkSession,
    settings: Settings,
    users: DataFrame,
    *,
    known: dt.date,
    as_of: dt.date,
    variant: str = held_out.NEWEST,
) -> DataFrame:
    """Rows like `ranked` by the boosters of `as_of` that never saw the window, nor any later one."""
    layout = layout_of(settings)
    folder = layout.artifact("ranker", as_of)
    if not folder.is_dir():
        raise InputMissing(
            f"There is no ranker as of {as_of}.", where=str(folder), todo=f"Run `larder train-ranker --as-of {as_of}`."
        )
    artifact.verify(folder)
    boosters = Boosters(SharedFolder(spark, folder).open, variant)
    kitchen = kitchen_of(spark, settings, layout, known)
    return rank(users, kitchen, boosters, settings.placements, repeats=settings.shop.repeats)
