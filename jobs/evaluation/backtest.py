"""Published lists scored by what followed, on one cut or several."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Sequence

import msgspec
from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from contracts.references_section import REFERENCE_NAMES
from contracts.report import JobReport
from contracts.settings import Settings
from features.user_rows import with_candidates
from jobs import lake, storage
from jobs.evaluation import cook_past, metric_tables, read_back, standing, thresholds
from jobs.evaluation.evaluate_holdout import headlines
from jobs.evaluation.measure import measure, metric_rows, truth_frame
from jobs.evaluation.metric_tables import Section
from jobs.evaluation.past_window import ingest_window, last_day, nothing_followed
from jobs.evaluation.read_back import Published
from jobs.evaluation.standing import Window
from jobs.kitchens import users_of
from jobs.paths import layout_of
from models.measures import FULL, Row

STRIDE_DAYS = 28
DAY = dt.timedelta(days=1)


def run(
    spark: SparkSession,
    settings: Settings,
    *,
    cut: dt.date,
    days: int,
    k: int,
    cuts: int = 1,
    must_be_published: bool = False,
) -> JobReport:
    """The lists known on the day before each cut against the `days` from it, as a report for people.

    Lists are read back from the snapshot as of the day before; where there is none, they are cooked with what was known
    then, and read back from the bytes that would have been published. The pointer does not move. Days of the windows
    that only landed are ingested first. Writes the table `backtests` and `reports/backtest-<cut>.json` and `.md`.

    Args:
        spark: session.
        settings: `evaluation.days` and `evaluation.k` are overridden, and all references are measured.
        cut: first day that the newest lists did not know.
        days: length of the window.
        k: cutoff of the headline metrics.
        cuts: how many, each STRIDE_DAYS before the next.
        must_be_published: whether lists that were never published are an error.

    Raises:
        InputMissing: nothing followed, or lists were to be published and were not.
        InputInvalid: the history before the newest cut is too short.
    """
    started = time.perf_counter()
    layout, measured_by = layout_of(settings), with_protocol(settings, days=days, k=k)
    firsts = [cut - dt.timedelta(days=STRIDE_DAYS * n) for n in range(cuts)]
    ingested = ingest_window(spark, settings, layout, firsts[-1], cut + dt.timedelta(days=days - 1))
    lists, skipped = _lists_of(spark, settings, layout, firsts, must_be_published=must_be_published)
    windows = [window_of(spark, measured_by, layout, found, cut=first) for first, found in lists.items()]
    pooled = standing.pooled_rows(windows, measured_by)
    for window in windows:
        write(layout, window, pooled if window is windows[0] else [], n_cuts=len(windows))
    return _report(measured_by, layout, windows, pooled, skipped, ingested=ingested, started=started)


def with_protocol(settings: Settings, *, days: int, k: int) -> Settings:
    """The settings that measure `days` at the cutoff `k`, beside all references."""
    evaluation = msgspec.structs.replace(settings.evaluation, days=days, k=k, references=REFERENCE_NAMES)
    return msgspec.structs.replace(settings, evaluation=evaluation)


def _lists_of(
    spark: SparkSession, settings: Settings, layout: Layout, firsts: Sequence[dt.date], *, must_be_published: bool
) -> tuple[dict[dt.date, Published], list[str]]:
    """Lists by cut, newest first, and what is to be said of the older cuts that have no history to learn from."""
    found: dict[dt.date, Published] = {}
    skipped: list[str] = []
    for first in firsts:
        try:
            found[first] = _lists(spark, settings, layout, first - DAY, must_be_published=must_be_published)
        except InputInvalid as error:
            if not found:
                raise
            skipped.append(f"cut {first} is left out: {error.what}")
    return found, skipped


def _lists(
    spark: SparkSession, settings: Settings, layout: Layout, known: dt.date, *, must_be_published: bool
) -> Published:
    """The lists as of a date: published ones, else those that would have been."""
    found = read_back.published(settings, layout, known)
    if found is not None:
        return found
    if must_be_published:
        raise InputMissing(
            f"No snapshot as of {known}, the day before the cut, was published.",
            where=str(layout.root),
            todo=f"Run `larder night --as-of {known}`, or leave --published out.",
        )
    cook_past.cook(spark, settings, layout, known)
    return cook_past.as_published(spark, settings, layout, known)


def window_of(spark: SparkSession, settings: Settings, layout: Layout, lists: Published, *, cut: dt.date) -> Window:
    """One cut, measured for `evaluation.days`.

    Raises:
        InputMissing: nobody bought anything, or tables of the day before the cut are not there.
    """
    known, days = cut - DAY, settings.evaluation.days
    last = cut + dt.timedelta(days=days - 1)
    through = last_day(spark, layout, cut, last)
    ranked = storage.read_as_of(spark, layout, tables.RANKED, known)
    users = with_candidates(users_of(spark, layout, known), storage.read_as_of(spark, layout, tables.CANDIDATES, known))
    truth = truth_frame(spark, settings, as_of=known, cut=cut, days=days).persist()
    try:
        chosen = truth.select("user_idx").toArrow()["user_idx"].to_numpy()
        shown = spark.createDataFrame(read_back.lists_of(layout, lists.reader, chosen, list(settings.placements)))
        measured = measure(spark, settings, cut=cut, users=users, truth=truth, lists=shown, ranked=ranked)
        rows = metric_rows(measured, settings)
    finally:
        truth.unpersist()
    if not rows:
        raise nothing_followed(layout, cut, last)
    return Window(cut=cut, last=last, through=through, lists=str(lists), rows=rows, measured=measured)


def write(layout: Layout, window: Window, pooled: list[Row], *, n_cuts: int) -> int:
    """The rows of the table `backtests` as of a window's last day, in place of earlier ones; returns how many."""
    rows = [{**row, "n_cuts": 1, "lists": window.lists} for row in window.rows]
    rows += [{**row, "n_cuts": n_cuts, "lists": f"{n_cuts} cuts"} for row in pooled]
    return lake.replace_as_of(layout, tables.BACKTESTS, rows, window.last)


def _report(
    settings: Settings,
    layout: Layout,
    windows: Sequence[Window],
    pooled: list[Row],
    skipped: list[str],
    *,
    ingested: int,
    started: float,
) -> JobReport:
    newest = windows[0]
    facts = [*_facts(settings, windows), *skipped]
    stand = [*standing.sentences(windows, pooled, settings)]
    against = standing.sections(windows, pooled, settings)
    whole = {window.cut: _sections(window, settings) for window in windows}
    paths = _save(
        layout, windows, pooled, [*facts, *stand], [*against, *(s for parts in whole.values() for s in parts)]
    )
    parts = against if len(windows) > 1 else [*whole[newest.cut], *against]
    rows = {"cuts": len(windows), "days_ingested": ingested, "metrics": sum(len(window.rows) for window in windows)}
    return JobReport(
        job="backtest",
        as_of=newest.cut - DAY,
        rows={**rows, "users_measured": sum(window.measured.n_users for window in windows)},
        numbers=headlines(newest.rows, settings),
        details={
            "table": "\n".join([*facts, "", metric_tables.as_text(parts), *stand]),
            "files": paths,
            "standing": stand,
            "lists": {window.cut.isoformat(): window.lists for window in windows},
        },
        seconds=time.perf_counter() - started,
    )


def _sections(window: Window, settings: Settings) -> list[Section]:
    """Systems by protocol, and where the success thresholds are reached."""
    reached = thresholds.section(thresholds.threshold_rows(window.rows, settings))
    return [*metric_tables.sections(window.rows, window.measured.plan), reached]


def _facts(settings: Settings, windows: Sequence[Window]) -> list[str]:
    """What a reader must know to compare the numbers with any others."""
    wanted = settings.evaluation
    facts = []
    for window in windows:
        n_users = max((row["n_users"] for row in window.rows if row["protocol"] == FULL), default=0)
        facts.append(
            f"{settings.shop.name}: lists known through {window.cut - DAY}, scored by {window.cut} to {window.last}, "
            f"{n_users} users who had bought before and bought in the window; {window.lists}"
        )
        facts += [f"reference {name} {why}" for name, why in window.measured.left_out.items()]
        if window.through < window.last:
            facts.append(f"the last day with an event is {window.through}")
    facts += [
        f"K = {wanted.k}",
        "full catalogue: every item purchased counts, unknown ones as misses; nDCG is idealised by min(K, items)",
        "candidate set: purchases outside a user's candidates do not count",
        f"[low, high]: 95 % of {wanted.resamples} bootstrap resamples of users; differences are paired by user",
    ]
    if wanted.min_item_buyers > 1:
        facts.append(f"counted are items with at least {wanted.min_item_buyers} buyers by the end of the window")
    return facts


def _save(
    layout: Layout, windows: Sequence[Window], pooled: list[Row], told: list[str], parts: list[Section]
) -> list[str]:
    cut = windows[0].cut
    json_path, page_path = layout.report(f"backtest-{cut}.json"), layout.report(f"backtest-{cut}.md")
    json_path.parent.mkdir(parents=True, exist_ok=True)
    rows = [(row, 1) for window in windows for row in window.rows] + [(row, len(windows)) for row in pooled]
    tree = {
        "facts": told,
        "metrics": [{**row, "cut": row["cut"].isoformat(), "n_cuts": n_cuts} for row, n_cuts in rows],
    }
    json_path.write_text(json.dumps(tree, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    page_path.write_text(metric_tables.as_markdown(f"Backtest, cut {cut}", told, parts), encoding="utf-8")
    return [str(json_path), str(page_path)]
