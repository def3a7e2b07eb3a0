"""Top-N lists with reasons, and the fallback lists of segments."""

from __future__ import annotations

import datetime as dt
import time

import msgspec
import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from contracts import tables
from contracts.exploration_section import EXPLORED
from contracts.placement_section import by_score_alone
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import storage
from jobs.artifacts import SharedFolder
from jobs.catalogue import catalogue_as_of
from jobs.evaluation import choosing
from jobs.kernels.blocks import Kitchen
from jobs.kernels.exploring import Exploring
from jobs.kernels.lists import context_of, popular_order, rerank
from jobs.kernels.shelves import ShelfFolder
from jobs.kernels.single_source import ranked_by_source
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of
from jobs.ranking import count_exposure
from jobs.ranking.shelve_items import shelve
from models import artifact
from models.rerank import Lists
from models.stages import fallback_of
from models.user_block import strangers


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The tables `top_n_lists` and `fallback_lists` as of a date.

    Where the holdout chose a source for a placement, its lists are that source's, through the same stages.

    Raises:
        InputMissing: ranked lists or artifacts of that date are missing.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    choices = choosing.read(layout, as_of)
    systems = choices.systems if choices else {}
    settings = by_score_where_replaced(settings, systems)
    ranked = chosen(spark, settings, systems, as_of=as_of)
    shelf = shelve(spark, settings, ranked, as_of=as_of, folder=layout.artifact("shelf", as_of))
    rows = list_frame(spark, settings, ranked, shelf, as_of=as_of)
    n_lists = storage.replace_as_of(layout, tables.TOP_N_LISTS, rows, as_of)
    kitchen = kitchen_of(spark, settings, layout, as_of)
    fallbacks = fallback_rows(kitchen, shelf, settings)
    schema = ", ".join(f"{c.name} {c.type}" for c in tables.FALLBACK_LISTS.columns if c.name != "as_of")
    frame = spark.createDataFrame(fallbacks, schema)
    n_fallbacks = storage.replace_as_of(layout, tables.FALLBACK_LISTS, frame, as_of)
    return JobReport(
        job="rerank_lists",
        as_of=as_of,
        rows={"lists_written": n_lists, "fallback_lists_written": n_fallbacks},
        details={
            "systems": choices.systems if choices else "two_stage: the holdout of the night was not evaluated",
            "warnings": [f"{choice.placement}: {choice.note}" for choice in choices.unearned] if choices else [],
            **_objectives(kitchen, shelf, settings),
        },
        seconds=time.perf_counter() - started,
    )


def chosen(spark: SparkSession, settings: Settings, systems: dict[str, str], *, as_of: dt.date) -> DataFrame:
    """Rows like `ranked`, those of a placement that publishes a source's lists replaced by them."""
    layout, sources = layout_of(settings), settings.candidates.sources
    ranked = storage.read_as_of(spark, layout, tables.RANKED, as_of)
    replaced = {name: system for name, system in systems.items() if system in sources}
    if not replaced:
        return ranked
    candidates = storage.read_as_of(spark, layout, tables.CANDIDATES, as_of)
    rows = ranked.where(~F.col("placement").isin(list(replaced)))
    for name, source in replaced.items():
        rows = rows.unionByName(ranked_by_source(candidates, settings.candidates, sources.index(source), name))
    return rows


def by_score_where_replaced(settings: Settings, systems: dict[str, str]) -> Settings:
    """The settings with the placements that publish a source's lists ordered as that source does."""
    replaced = {name for name, system in systems.items() if system in settings.candidates.sources}
    placements = {
        name: by_score_alone(placement) if name in replaced else placement
        for name, placement in settings.placements.items()
    }
    return msgspec.structs.replace(settings, placements=placements)


def list_frame(
    spark: SparkSession,
    settings: Settings,
    ranked: DataFrame,
    shelf: ShelfFolder,
    *,
    as_of: dt.date,
    users: DataFrame | None = None,
) -> DataFrame:
    """Rows of the table `top_n_lists` without `as_of`, from ranked candidates and a shelf of that date.

    Args:
        spark: session.
        settings: placements and exploration.
        ranked: rows like `ranked`.
        shelf: of the date.
        as_of: the date.
        users: `user_frame` of the users in `ranked`; None for everybody's.
    """
    layout = layout_of(settings)
    kitchen = kitchen_of(spark, settings, layout, as_of)
    exposure = SharedFolder(spark, count_exposure.make(layout, settings, as_of=as_of)).open
    exploring = Exploring(settings.exploration, settings.seed, as_of, settings.reasons.index(EXPLORED), exposure)
    known_users = users_of(spark, layout, as_of) if users is None else users
    made = rerank(ranked, known_users, kitchen, shelf, settings.placements, exploring, repeats=settings.shop.repeats)
    _, known = catalogue_as_of(spark, layout, as_of)
    return made.join(known.select("user_idx", "user_id", "segment"), "user_idx")


def _objectives(kitchen: Kitchen, shelf: ShelfFolder, settings: Settings) -> dict[str, str]:
    """The weights in force by placement, and the objectives that the shop has no data for."""
    catalogue, told, absent = kitchen.catalogue(), [], set()
    for name, placement in settings.placements.items():
        weights = shelf.aims(catalogue, name, placement).weights
        told.append(f"{name}: " + ", ".join(f"{key} {share:.2f}" for key, share in weights.items()))
        wanted = settings.objectives.weights(placement.objectives)
        absent |= {key for key, weight in wanted.items() if weight and key not in weights}
    missing = {"objectives_left_out": f"{', '.join(sorted(absent))}: the shop has no data, the others take the weight"}
    return {"objectives": "; ".join(told), **(missing if absent else {})}


def fallback_rows(
    kitchen: Kitchen, shelf: ShelfFolder, settings: Settings
) -> list[tuple[str, str, list[int], list[float]]]:
    """The list of every segment and of everyone, for each placement: placement, segment, items, scores.

    A segment's list goes on with the popular items where the segment bought too few. Rules hold in it too.
    """
    catalogue = kitchen.catalogue()
    buyers = np.asarray(artifact.array(catalogue.folders.neighbours, "segment_buyers"))
    popular = popular_order(catalogue)
    rows = []
    for segment, position in sorted(catalogue.segments.items()):
        wanted = np.where(catalogue.allowed, buyers[position], 0)
        own = np.lexsort((np.arange(len(wanted)), -wanted))[: np.count_nonzero(wanted)]
        items = np.concatenate([own, popular[~np.isin(popular, own)]]).astype(np.int32)
        shares = (wanted / max(float(wanted.max()), 1.0))[items]
        nobody = strangers([segment], catalogue.items.n_items)
        listed = Lists(np.zeros(len(items), np.int64), items, shares.astype(np.float32), np.zeros(len(items), np.int32))
        for name, placement in sorted(settings.placements.items()):
            context = context_of(nobody, catalogue, shelf, name, placement, may_repeat=True)
            made = fallback_of(listed, context)
            rows.append((name, segment, made.items.tolist(), made.scores.astype(float).tolist()))
    return rows
