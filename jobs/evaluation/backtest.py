"""Published lists scored by what followed."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterable

import msgspec
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.references_section import REFERENCE_NAMES
from contracts.report import JobReport
from contracts.settings import Settings
from features.user_rows import with_candidates
from jobs import lake, storage
from jobs.evaluation import metric_tables
from jobs.evaluation.evaluate_holdout import headlines
from jobs.evaluation.measure import Measured, measure, metric_rows, truth_frame
from jobs.evaluation.metric_tables import Section
from jobs.ingest import ingest_events, update_interactions
from jobs.kitchens import users_of
from jobs.paths import layout_of
from models.measures import FULL, Row


def run(spark: SparkSession, settings: Settings, *, cut: dt.date, days: int, k: int) -> JobReport:
    """The lists known on the day before `cut` against the `days` from `cut`, as a report for people.

    Days of the window that landed but were not ingested are ingested first; the lists are not touched. Writes
    `reports/backtest-<cut>.json` and `.md`; the table for a terminal is `details["table"]`.

    Args:
        spark: session.
        settings: `evaluation.days` and `evaluation.k` are overridden, and all references are measured.
        cut: first day that the lists did not know.
        days: length of the window.
        k: cutoff of the headline metrics.

    Raises:
        InputMissing: the lists were not made, or nothing followed.
    """
    started = time.perf_counter()
    evaluation = msgspec.structs.replace(settings.evaluation, days=days, k=k, references=REFERENCE_NAMES)
    settings = msgspec.structs.replace(settings, evaluation=evaluation)
    layout, known, last = layout_of(settings), cut - dt.timedelta(days=1), cut + dt.timedelta(days=days - 1)
    _require_lists(layout, known)
    ingested = _ingest_window(spark, settings, layout, cut, last)
    through = _last_day(spark, layout, cut, last)
    rows, measured = _measure(spark, settings, layout, cut=cut, days=days)
    facts = _facts(settings, rows, cut=cut, last=last, through=through)
    facts += [f"reference {name} {why}" for name, why in measured.left_out.items()]
    parts = metric_tables.sections(rows, measured.plan)
    paths = _save(layout, rows, facts, parts, cut)
    return JobReport(
        job="backtest",
        as_of=known,
        rows={"days_ingested": ingested, "metrics": len(rows), "users_measured": max(row["n_users"] for row in rows)},
        numbers=headlines(rows, settings),
        details={"table": "\n".join([*facts, "", metric_tables.as_text(parts)]), "files": paths},
        seconds=time.perf_counter() - started,
    )


def _measure(
    spark: SparkSession, settings: Settings, layout: Layout, *, cut: dt.date, days: int
) -> tuple[list[Row], Measured]:
    known = cut - dt.timedelta(days=1)
    lists = storage.read_as_of(spark, layout, tables.TOP_N_LISTS, known)
    ranked = storage.read_as_of(spark, layout, tables.RANKED, known)
    users = with_candidates(users_of(spark, layout, known), storage.read_as_of(spark, layout, tables.CANDIDATES, known))
    truth = truth_frame(spark, settings, as_of=known, cut=cut, days=days).persist()
    try:
        measured = measure(spark, settings, cut=cut, users=users, truth=truth, lists=lists, ranked=ranked)
        rows = metric_rows(measured, settings)
    finally:
        truth.unpersist()
    if not rows:
        raise _nothing_followed(layout, cut, cut + dt.timedelta(days=days - 1))
    return rows, measured


def _require_lists(layout: Layout, known: dt.date) -> None:
    for table in (tables.TOP_N_LISTS, tables.RANKED, tables.CANDIDATES):
        if known not in lake.dates(layout, table):
            raise InputMissing(
                f"There are no lists as of {known}, the day before the cut.",
                where=str(layout.table(table)),
                todo=f"Run `larder night --as-of {known}` first.",
            )


def _ingest_window(spark: SparkSession, settings: Settings, layout: Layout, first: dt.date, last: dt.date) -> int:
    """Ingests what landed from `first` to `last` where some day of it is not in the lake; returns the days added."""
    landed = {day for day in storage.dates_between(first, last) if layout.landing_day("events", day).is_dir()}
    events = storage.read(spark, layout, tables.EVENTS)
    inside = F.col("landing_date").between(F.lit(first), F.lit(last))
    missing = sorted(landed - {row[0] for row in events.where(inside).select("landing_date").distinct().collect()})
    if missing:
        ingest_events.run(spark, settings, as_of=missing[-1], first=missing[0])
        update_interactions.aggregate_landed(spark, settings, layout, missing[0], missing[-1])
    return len(missing)


def _last_day(spark: SparkSession, layout: Layout, first: dt.date, last: dt.date) -> dt.date:
    """The last day of the window that has an interaction."""
    rows = storage.read(spark, layout, tables.INTERACTIONS).where(F.col("day").between(F.lit(first), F.lit(last)))
    found = rows.agg(F.max("day")).first()
    if found is None or found[0] is None:
        raise _nothing_followed(layout, first, last)
    day: dt.date = found[0]
    return day


def _nothing_followed(layout: Layout, first: dt.date, last: dt.date) -> InputMissing:
    return InputMissing(
        f"No known user bought anything from {first} to {last}.",
        where=str(layout.landing("events")),
        todo="Land the days from the cut on, or choose an earlier --cut.",
    )


def _facts(settings: Settings, rows: list[Row], *, cut: dt.date, last: dt.date, through: dt.date) -> list[str]:
    """What a reader must know to compare the numbers with any others."""
    wanted = settings.evaluation
    n_users = max((row["n_users"] for row in rows if row["protocol"] == FULL), default=0)
    facts = [
        f"{settings.shop.name}: lists known through {cut - dt.timedelta(days=1)}, scored by {cut} to {last}",
        f"K = {wanted.k}; {n_users} users who had bought before and bought in the window",
        "full catalogue: every item purchased counts, unknown ones as misses; nDCG is idealised by min(K, items)",
        "candidate set: purchases outside a user's candidates do not count",
        f"[low, high]: 95 % of {wanted.resamples} bootstrap resamples of users; differences are paired by user",
    ]
    if wanted.min_item_buyers > 1:
        facts.append(f"counted are items with at least {wanted.min_item_buyers} buyers by {last}")
    if through < last:
        facts.append(f"the last day with an event is {through}")
    return facts


def _save(layout: Layout, rows: list[Row], facts: Iterable[str], parts: list[Section], cut: dt.date) -> list[str]:
    json_path, page_path = layout.report(f"backtest-{cut}.json"), layout.report(f"backtest-{cut}.md")
    json_path.parent.mkdir(parents=True, exist_ok=True)
    told = list(facts)
    tree = {"facts": told, "metrics": [{**row, "cut": row["cut"].isoformat()} for row in rows]}
    json_path.write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page_path.write_text(metric_tables.as_markdown(f"Backtest, cut {cut}", told, parts), encoding="utf-8")
    return [str(json_path), str(page_path)]
