"""The recall ledger of the holdout, counted over the frames that its metrics are measured on."""

from __future__ import annotations

import datetime as dt
from typing import Any, NamedTuple

from pyspark import Accumulator
from pyspark.sql import DataFrame, SparkSession

from contracts.settings import Settings
from jobs.evaluation import ledger_report
from jobs.evaluation.ledger_report import Ledger, LedgerRow
from jobs.kernels import ledger as kernel
from jobs.kernels import measuring
from jobs.kitchens import kitchen_of
from jobs.paths import layout_of
from models.measures import SOURCE, UNION, Plan


class Frames(NamedTuple):
    """What the holdout measures.

    Attributes:
        users: `with_candidates` as of the day before the cut, persisted, so that no candidate is made again.
        truth: the result of `truth_frame`.
        lists: `placement`, `user_idx`, `item_idx` (best first).
        costs: what the candidates of `users` cost, added up when they were made.
    """

    users: DataFrame
    truth: DataFrame
    lists: DataFrame
    costs: Accumulator[dict[str, float]]


def count(spark: SparkSession, settings: Settings, plan: Plan, frames: Frames, *, cut: dt.date) -> list[LedgerRow]:
    """Rows of the table `recall_ledger` without `as_of`; none where no user counts.

    Args:
        spark: session.
        settings: the placements' lengths, and the limits of segments.
        plan: placements, sources and k.
        frames: what is counted.
        cut: first day of the window; artifacts of the day before are there.
    """
    kitchen = kitchen_of(spark, settings, layout_of(settings), cut - dt.timedelta(days=1))
    judged = measuring.with_lists(frames.truth, plan, frames.lists)
    lengths = {name: placement.length for name, placement in settings.placements.items()}
    counted = kernel.counted(
        frames.users.select(*kernel.NEEDED).join(judged, "user_idx"), kitchen, plan, lengths, settings.segments
    )
    return [_row(row.asDict(), cut, frames.costs.value) for row in counted.collect() if row["n_users"]]


def to_mend(rows: list[LedgerRow]) -> dict[str, str]:
    """By placement whether retrieval or ranking is to be mended, and why."""
    return {name: placement.sentence for name, placement in _ledger(rows).placements.items()}


def headlines(rows: list[LedgerRow]) -> dict[str, float]:
    """Numbers worth a plot: `home_ledger_ceiling`, `home_ledger_ranked_low`, `home_als_alone`, `als_ledger_seconds`."""
    numbers: dict[str, float] = {}
    for name, placement in _ledger(rows).placements.items():
        for line in placement.segments[:1]:
            shares = ("ceiling", "at_k", "in_list", "not_proposed", "ranked_low", "no_room")
            numbers |= {f"{name}_ledger_{share}": getattr(line, share) for share in shares}
        for source in placement.sources:
            numbers[f"{name}_{source.source}_recall"] = source.recall
            numbers[f"{name}_{source.source}_alone"] = source.alone
            if source.cpu_seconds is not None:
                numbers[f"{source.source}_ledger_cpu_seconds"] = source.cpu_seconds
    return numbers


def _ledger(rows: list[LedgerRow]) -> Ledger:
    return ledger_report.of_rows(rows, as_of=rows[0]["cut"])


def _row(counts: dict[str, Any], cut: dt.date, costs: dict[str, float]) -> LedgerRow:
    system, seconds = counts["system"], None
    if counts["segment"] is None and costs:
        of_source = costs.get(system.removeprefix(SOURCE)) if system.startswith(SOURCE) else None
        seconds = sum(costs.values()) if system == UNION else of_source
    recall = counts["n_found"] / max(counts["n_targets"], 1)
    return {**counts, "cut": cut, "recall": recall, "cpu_seconds": seconds}
