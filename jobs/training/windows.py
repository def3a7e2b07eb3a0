"""The past windows that a ranker learns from."""

from __future__ import annotations

import datetime as dt
import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Final

import msgspec
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.settings import Ranker, Settings
from jobs import lake, storage
from jobs.ingest import flag_users
from jobs.ingest.update_interactions import MAX_FOLD_DAYS, build_histories, rebuild_histories
from jobs.kernels.blocks import examples_of
from jobs.kitchens import kitchen_of, users_of
from jobs.training import build_features, impressions, train_als, train_neighbours
from jobs.training.impressions import Log
from models import ranking_features

MIN_HISTORY_DAYS: Final = 28
YEAR_DAYS: Final = 364
STEPS: Final = (
    (flag_users, flag_users.KIND),
    (build_features, "item_arrays"),
    (train_als, "als"),
    (train_neighbours, "neighbours"),
)
CLOSE_DAYS: Final = max(train_als.WARM_DAYS, MAX_FOLD_DAYS)


def window_cuts(settings: Settings, as_of: dt.date, first_day: dt.date) -> list[dt.date]:
    """The cuts of the windows to learn from, newest first: what followed each is known by `as_of`.

    Args:
        settings: window length, stride, grid and count.
        as_of: the last day known.
        first_day: of the history; each cut leaves MIN_HISTORY_DAYS before it. A history too short for a cut on the
            grid gets the latest cut there can be.
    """
    wanted: Ranker = settings.ranker
    newest = _on_grid(as_of - dt.timedelta(days=wanted.window_days), wanted.grid_days)
    cuts = [newest - dt.timedelta(days=n * wanted.stride_days) for n in range(wanted.windows)]
    if wanted.year_ago:
        cuts.append(_on_grid(as_of, wanted.grid_days) - dt.timedelta(days=YEAR_DAYS))
    earliest = first_day + dt.timedelta(days=MIN_HISTORY_DAYS)
    usable = sorted({cut for cut in cuts if cut >= earliest}, reverse=True)
    latest = as_of - dt.timedelta(days=wanted.window_days)
    return usable or ([latest] if latest >= earliest else [])


def for_users(settings: Settings, layout: Layout, as_of: dt.date) -> Settings:
    """The settings with as many windows as a shop of so many users learns from.

    A window of few users teaches little, and tells little of what was learnt; the history has more of them.
    """
    wanted = settings.ranker
    if not wanted.few_users or as_of not in lake.dates(layout, tables.HISTORIES):
        return settings
    if lake.n_rows(layout, tables.HISTORIES, as_of) >= wanted.few_users:
        return settings
    more = msgspec.structs.replace(wanted, windows=max(wanted.windows, wanted.few_users_windows))
    return msgspec.structs.replace(settings, ranker=more)


def first_day(layout: Layout) -> dt.date:
    """The first day of the history; the end of time where there is none."""
    span = lake.span(layout, tables.INTERACTIONS)
    return span[0] if span else dt.date.max


def fingerprint(settings: Settings, log: Log | None = None) -> str:
    """Hash of everything that shapes the examples, the features' names and the window's outcomes included."""
    names = " ".join(ranking_features.names(settings.candidates.sources, settings.candidates.scorers))
    columns = hashlib.sha256(names.encode()).hexdigest()[:8]
    shares = "+".join(str(share) for share in sorted(set(settings.stored_shares)))
    made_with = settings.fingerprint("shop", "als", "candidates", "traffic")
    plain = f"{made_with}-{columns}-{settings.ranker.window_days}-{shares}"
    return plain if log is None else f"{plain}-{settings.fingerprint('impressions')}-{log.digest}"


def prepare_all(spark: SparkSession, settings: Settings, layout: Layout, cuts: list[dt.date]) -> list[dt.date]:
    """Makes the examples of every window that are not stored, and returns those cuts, oldest first.

    The histories of all of them are made in one pass. The rest is made side by side, as each leaves cores idle while
    the driver plans, collects or fits. Windows so close that one could start from another's state are made one after
    the other.
    """
    wanted = [_window(spark, settings, layout, cut) for cut in sorted(cuts)]
    lacking = [window for window in wanted if not window.is_stored]
    _make_histories(spark, layout, lacking)
    apart = all((later - cut).days > CLOSE_DAYS for cut, later in pairwise(sorted(cuts)))
    with ThreadPoolExecutor(settings.ranker.windows_at_once if apart else 1) as pool:
        list(pool.map(lambda window: _make(spark, settings, layout, window), lacking))
    return [window.cut for window in lacking]


@dataclass(frozen=True, slots=True)
class _Window:
    """One window to learn from.

    Attributes:
        cut: the last day known before it.
        log: what it has of impressions.
        made_with: the fingerprint that its examples should have.
        is_stored: whether these are there.
        is_outdated: whether what its date knew was made with other settings.
    """

    cut: dt.date
    log: Log | None
    made_with: str
    is_stored: bool
    is_outdated: bool


def _window(spark: SparkSession, settings: Settings, layout: Layout, cut: dt.date) -> _Window:
    stored, log = _stored_fingerprint(layout, cut), impressions.log_of(spark, settings, layout, cut)
    wanted = fingerprint(settings, log)
    is_stored = stored == wanted and (log is None or layout.artifact(impressions.KIND, cut).is_dir())
    return _Window(cut, log, wanted, is_stored, _settings_of(stored) not in {None, _settings_of(wanted)})


def _make_histories(spark: SparkSession, layout: Layout, windows: list[_Window]) -> None:
    there = lake.dates(layout, tables.HISTORIES)
    cuts = [window.cut for window in windows if window.is_outdated or window.cut not in there]
    if len(cuts) > 1:
        rebuild_histories(spark, layout, cuts)
    elif cuts:
        build_histories(spark, layout, as_of=cuts[0])


def _make(spark: SparkSession, settings: Settings, layout: Layout, window: _Window) -> None:
    """Makes the examples of one window, with all that was known on its cut."""
    cut = window.cut
    _make_artifacts(spark, settings, layout, cut, anew=window.is_outdated)
    after = bought_between(spark, layout, cut + dt.timedelta(days=1), cut + dt.timedelta(settings.ranker.window_days))
    made = partial(
        examples_of,
        users_of(spark, layout, cut),
        kitchen=kitchen_of(spark, settings, layout, cut),
        shares=settings.stored_shares,
        seed=settings.seed,
    )
    if window.log is None:
        _store(layout, made(after), window)
        return
    with impressions.learning(spark, settings, layout, window.log, cut) as (shown, learning):
        _store(layout, made(after.join(shown, "user_idx", "full"), learning=learning), window)


def _store(layout: Layout, rows: DataFrame, window: _Window) -> None:
    stamped = rows.withColumn("fingerprint", F.lit(window.made_with))
    storage.replace_as_of(layout, tables.EXAMPLES, stamped, window.cut)


def _settings_of(made_with: str | None) -> str | None:
    """The part of a fingerprint that shapes what a window's date knew: without the window's outcomes."""
    return None if made_with is None else "-".join(made_with.split("-")[:4])


def stage(spark: SparkSession, settings: Settings, layout: Layout, cut: dt.date) -> None:
    """Makes histories, features and artifacts of a past date where they are not there."""
    if cut not in lake.dates(layout, tables.HISTORIES):
        build_histories(spark, layout, as_of=cut)
    _make_artifacts(spark, settings, layout, cut, anew=False)


def _make_artifacts(spark: SparkSession, settings: Settings, layout: Layout, cut: dt.date, *, anew: bool) -> None:
    for step, kind in STEPS:
        if anew or not layout.artifact(kind, cut).is_dir():
            step.run(spark, settings, as_of=cut)


def bought_between(spark: SparkSession, layout: Layout, first: dt.date, last: dt.date) -> DataFrame:
    """`user_idx` and `bought`, the distinct items bought from `first` to `last`."""
    rows = storage.read(spark, layout, tables.INTERACTIONS, first=first, last=last)
    window = rows.where(F.col("n_purchases") > 0)
    return window.groupBy("user_idx").agg(F.sort_array(F.collect_set("item_idx")).alias("bought"))


def _stored_fingerprint(layout: Layout, cut: dt.date) -> str | None:
    if cut not in lake.dates(layout, tables.EXAMPLES):
        return None
    first: str = next(lake.batches(layout, tables.EXAMPLES, cut, ("fingerprint",)))["fingerprint"][0].as_py()
    return first


def _on_grid(day: dt.date, grid_days: int) -> dt.date:
    return day - dt.timedelta(days=day_number(day) % grid_days)
