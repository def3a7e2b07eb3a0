"""Every user's candidates from all sources."""

from __future__ import annotations

import datetime as dt
import time

from pyspark.sql import SparkSession

from contracts import tables
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import storage
from jobs.kernels.blocks import candidates_of
from jobs.kernels.metering import costs_of, cpu_seconds
from jobs.kernels.source_counts import ANY, source_counts
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `candidates` as of a date, one row a user with a history.

    Raises:
        InputMissing: features or artifacts of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    costs = costs_of(spark)
    rows = candidates_of(users_of(spark, layout, as_of), kitchen_of(spark, settings, layout, as_of), costs)
    n_users = storage.replace_as_of(layout, tables.CANDIDATES, rows, as_of)
    return JobReport(
        job="generate_candidates",
        as_of=as_of,
        rows={"users": n_users},
        numbers=_shares(spark, settings, as_of) | cpu_seconds(costs),
        seconds=time.perf_counter() - started,
    )


def _shares(spark: SparkSession, settings: Settings, as_of: dt.date) -> dict[str, float]:
    """Mean candidates a user, in all and by source, and what each source alone proposed."""
    rows = storage.read_as_of(spark, layout_of(settings), tables.CANDIDATES, as_of)
    sources = settings.candidates.sources
    counts = {row["source"]: row for row in source_counts(rows, sources).collect()}
    n_users = max(counts[ANY]["users"], 1) if ANY in counts else 1
    shares = {"candidates_per_user": counts[ANY]["proposed"] / n_users} if ANY in counts else {}
    for name in sources:
        shares[f"{name}_per_user"] = counts[name]["proposed"] / n_users if name in counts else 0.0
        shares[f"{name}_only_per_user"] = counts[name]["alone"] / n_users if name in counts else 0.0
    return shares
