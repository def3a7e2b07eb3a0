"""Every user's candidates from all sources."""

from __future__ import annotations

import datetime as dt
import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import storage
from jobs.kernels.blocks import candidates_of
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `candidates` as of a date, one row a user with a history.

    Raises:
        InputMissing: features or artifacts of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    rows = candidates_of(users_of(spark, layout, as_of), kitchen_of(spark, settings, layout, as_of))
    n_users = storage.replace_as_of(spark, layout, tables.CANDIDATES, rows, as_of)
    return JobReport(
        job="generate_candidates",
        as_of=as_of,
        rows={"users": n_users},
        numbers=_shares(spark, settings, as_of),
        seconds=time.perf_counter() - started,
    )


def _shares(spark: SparkSession, settings: Settings, as_of: dt.date) -> dict[str, float]:
    """Mean candidates a user, in all and by source, and what each source alone proposed."""
    rows = storage.read_as_of(spark, layout_of(settings), tables.CANDIDATES, as_of)
    measures = {"candidates_per_user": F.avg(F.size("item_idx"))}
    for position, name in enumerate(settings.candidates.sources):
        bit = 1 << position
        measures[f"{name}_per_user"] = F.avg(F.expr(f"size(filter(source_bits, bits -> (bits & {bit}) != 0))"))
        measures[f"{name}_only_per_user"] = F.avg(F.expr(f"size(filter(source_bits, bits -> bits = {bit}))"))
    row = rows.agg(*[value.alias(name) for name, value in measures.items()]).first()
    return {name: float(row[name] or 0) for name in measures} if row is not None else {}
