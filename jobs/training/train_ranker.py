"""The ranker of a date, learnt from past windows."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Ranker, Settings
from jobs import lake
from jobs.ingest.flag_users import flagged
from jobs.paths import layout_of
from jobs.session import cores
from jobs.training import held_out, impressions, windows
from jobs.training.calibrate import Row, calibrations
from models import examples as example_rows
from models import ranker, ranking_features
from models.ragged import Int32
from models.ranker import Examples, Lesson

NO_LOG: Final = "no window has logged impressions"
COLUMNS: Final = ("user_idx", "labels", "is_new", "features", "is_clicked", "weights", "n_shown")


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The ranker artifact: boosters `night-<placement>` from all past windows, `holdout-<placement>` from older ones.

    The newest window is left out of the latter, for honest evaluation on it, and for the calibration, which is saved
    beside them. Where few users are in it, `holdout_1-<placement>` and so on leave earlier windows out too. Windows
    made on earlier nights are reused.

    Raises:
        InputInvalid: the history is too short for one window, or nobody bought a candidate.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    cuts = window_cuts(settings, as_of)
    made = windows.prepare_all(spark, settings, layout, cuts)
    boosters, counts, logged, held = _boosters(settings, layout, cuts, as_of)
    facts = _facts(settings, as_of, cuts, held) | ({"examination": logged} if logged else {})
    folder = layout.artifact("ranker", as_of)
    sha256 = ranker.save(folder, boosters, about=facts)
    bins: list[Row] = []
    if len(cuts) > 1:
        fitted, bins = calibrations(spark, settings, layout, folder, cut=cuts[0])
        sha256 = ranker.save(folder, boosters, about=facts, calibrations=fitted)
    counts["reliability_bins"] = lake.replace_as_of(layout, tables.RELIABILITY, bins, as_of)
    gains = {p: dict(list(ranker.gains(ranker.load(folder, f"night-{p}")).items())[:15]) for p in settings.placements}
    return JobReport(
        job="train_ranker",
        as_of=as_of,
        rows={"windows": len(cuts), "windows_made": len(made), **counts},
        numbers=_examined(logged),
        details={
            "sha256": sha256,
            "cuts": facts["cuts"],
            "held_out": facts["held_out"],
            "feature_gain": gains,
            "examination": logged or NO_LOG,
        },
        seconds=time.perf_counter() - started,
    )


def _facts(settings: Settings, as_of: dt.date, cuts: list[dt.date], held: list[dt.date]) -> dict[str, Any]:
    """What the artifact says of itself."""
    return {
        "as_of": as_of.isoformat(),
        "cuts": [cut.isoformat() for cut in cuts],
        "held_out": [cut.isoformat() for cut in held],
        "fingerprint": settings.fingerprint("ranker", "candidates", "als", "shop"),
        "features": list(ranking_features.names(settings.candidates.sources, settings.candidates.scorers)),
    }


def window_cuts(settings: Settings, as_of: dt.date) -> list[dt.date]:
    """The cuts of the windows that the ranker of `as_of` learns from, newest first.

    Raises:
        InputInvalid: the history is too short for one.
    """
    layout = layout_of(settings)
    first = windows.first_day(layout)
    cuts = windows.window_cuts(windows.for_users(settings, layout, as_of), as_of, first)
    if not cuts:
        needed = windows.MIN_HISTORY_DAYS + settings.ranker.window_days + 1
        raise InputInvalid(
            f"The history from {first} to {as_of} is too short for one training window.",
            where=str(layout.table(tables.INTERACTIONS)),
            todo=f"Ingest at least {needed} days, or lower ranker.window_days.",
        )
    return cuts


def _boosters(
    settings: Settings, layout: Layout, cuts: list[dt.date], as_of: dt.date
) -> tuple[dict[str, str], dict[str, int], dict[str, Any], list[dt.date]]:
    """Each booster's text, the rows it learnt from, what was learnt of each logged window, and the windows held out."""
    boosters: dict[str, str] = {}
    counts: dict[str, int] = {}
    table = _load(settings, layout, cuts, as_of)
    of_log, logged = impressions.told_of(layout, table, cuts)
    held = held_out.held_out(table, cuts, settings)
    older = [(held_out.variant_of(at), cuts[cuts.index(cut) + 1 :]) for at, cut in enumerate(held)]
    for variant, chosen in (("night", cuts), *older):
        if variant != "night":
            table = _load(settings, layout, chosen, as_of)
        for placement, (text, n_examples) in _fits(table, settings).items():
            boosters[f"{variant}-{placement}"] = text
            counts[f"{variant}_{placement}_examples"] = n_examples
    return boosters, counts | of_log, logged, held


def _fits(table: pa.Table, settings: Settings) -> dict[str, tuple[str, int]]:
    """Each placement's booster and the rows it learnt from; those that learn alike share one fit.

    In a shop that sells nothing twice a placement with repeats shows what one without them shows.
    """

    def learns(placement: str) -> tuple[bool, Ranker]:
        return settings.may_repeat(placement), settings.ranker.of(placement)

    twins = {
        name: next(one for one in settings.placements if learns(one) == learns(name)) for name in settings.placements
    }
    wanted = list(dict.fromkeys(twins.values()))
    lessons = [Lesson(_draws(table, settings, name), settings.ranker.of(name)) for name in wanted]
    texts = ranker.fit_all(
        lessons,
        ranking_features.names(settings.candidates.sources, settings.candidates.scorers),
        click_gain=settings.impressions.click_gain,
        seed=settings.seed,
        threads=settings.threads or cores(),
    )
    n_examples = [sum(len(made.labels) for made in lesson.draws) for lesson in lessons]
    fits = dict(zip(wanted, zip(texts, n_examples, strict=True), strict=True))
    return {placement: fits[twin] for placement, twin in twins.items()}


def _examined(logged: dict[str, Any]) -> dict[str, float]:
    """`home_examination_3` and the like, of the newest window that has them."""
    found: dict[str, float] = {}
    for placements in logged.values():
        for placement, told in placements.items():
            found |= {f"{placement}_examination_{at}": value for at, value in told["examination"].items()}
    return found


def _load(settings: Settings, layout: Layout, cuts: list[dt.date], as_of: dt.date) -> pa.Table:
    """Examples of the windows without the users flagged today, thinned by user to `max_examples`, in a fixed order."""
    left_out = flagged(layout, as_of)
    n_rows = sum(len(rows["labels"].flatten()) for rows in _blocks(layout, cuts, left_out, ("user_idx", "labels")))
    if n_rows == 0:
        raise InputInvalid(
            "Nobody bought one of their candidates in any window.",
            where=str(layout.table(tables.EXAMPLES)),
            todo="Check the event types' roles, or lengthen ranker.window_days.",
        )
    share = settings.ranker.max_examples / n_rows
    thinned = (_thinned(rows, share, settings.seed) for rows in _blocks(layout, cuts, left_out, COLUMNS))
    table = pa.concat_tables((pa.Table.from_batches([rows]) for rows in thinned), promote_options="default")
    if "n_shown" not in table.column_names:
        table = table.append_column("n_shown", pa.nulls(table.num_rows, pa.int32()))
    return table.sort_by([("as_of", "ascending"), ("user_idx", "ascending")])


def _blocks(layout: Layout, cuts: list[dt.date], left_out: Int32, columns: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    """Stored examples with their cut as `as_of`; columns that the files of a window lack are left out."""
    for cut in sorted(cuts):
        there = lake.columns_of(layout, tables.EXAMPLES, cut, columns)
        found = lake.batches(layout, tables.EXAMPLES, cut, there) if there else ()
        for block in found:
            rows = block.filter(pa.array(~np.isin(block.column("user_idx").to_numpy(), left_out)))
            yield rows.append_column("as_of", pa.array([cut] * rows.num_rows, pa.date32()))


def _thinned(rows: pa.RecordBatch, share: float, seed: int) -> pa.RecordBatch:
    if share >= 1:
        return rows
    return rows.filter(pa.array(ranker.is_sampled(rows.column("user_idx").to_numpy().astype(np.int64), share, seed)))


def _draws(table: pa.Table, settings: Settings, placement: str) -> list[Examples]:
    kept, repeats = settings.kept_shares(placement), settings.may_repeat(placement)
    made = [
        example_rows.shown(table, repeats=repeats, kept=kept, draw=draw, seed=settings.seed)[0]
        for draw in range(settings.ranker.of(placement).draws)
    ]
    if not len(made[0].groups):
        raise InputInvalid(
            "No user bought an item that a placement may show.",
            where="placements",
            todo="Remove the placement without repeats, or give candidates.per_source a higher number.",
        )
    return made
