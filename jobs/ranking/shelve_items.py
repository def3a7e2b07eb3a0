"""The shelf: what the stages after scoring need to know of the items, as an artifact of the date."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from contracts.rules_section import PINNED
from contracts.settings import Settings
from jobs.artifacts import SharedFolder
from jobs.catalogue import catalogue_as_of
from jobs.kernels.reach import reach_of
from jobs.kernels.shelves import ShelfFolder
from jobs.paths import layout_of
from jobs.ranking.resolve_rules import resolve
from models import item_arrays, shelf
from models.shelf import Shelf


def shelve(spark: SparkSession, settings: Settings, ranked: DataFrame, *, as_of: dt.date, folder: Path) -> ShelfFolder:
    """Writes the shelf of a date: margins by the catalogue, the reach of items in `ranked`, and the rules that hold.

    The artifact's facts name what rules ask for and the catalogue does not have (`unknown`).

    Args:
        spark: session.
        settings: objectives, rules and placements.
        ranked: `placement`, `item_idx` (best first) of all lists of the date.
        as_of: whose catalogue counts.
        folder: where the artifact goes.

    Raises:
        InputMissing: no catalogue was ingested.
    """
    layout = layout_of(settings)
    n_items = item_arrays.load(layout.artifact("item_arrays", as_of)).n_items
    catalogue, _ = catalogue_as_of(spark, layout, as_of)
    margins = np.full(n_items, np.nan, dtype=np.float32)
    priced = catalogue.where("margin IS NOT NULL AND NOT isnan(margin)").select("item_idx", "margin").toArrow()
    margins[priced["item_idx"].to_numpy()] = priced["margin"].to_numpy()
    reach = {name: np.zeros(n_items, dtype=np.int64) for name in settings.placements}
    counted = reach_of(ranked, settings.objectives.reach_places).toArrow()
    for name, counts in reach.items():
        of_placement = counted.filter(np.array(counted["placement"].to_pylist(), dtype=object) == name)
        counts[of_placement["item_idx"].to_numpy()] = of_placement["lists"].to_numpy()
    resolved = resolve(settings.rules, catalogue, margins, as_of=as_of)
    made = Shelf(margins, reach, tuple((one.rule, one.items) for one in resolved))
    unknown = {one.rule.name: list(one.unknown) for one in resolved if one.unknown}
    sha256 = shelf.save(folder, made, about={"as_of": as_of.isoformat(), "unknown": unknown})
    return ShelfFolder(SharedFolder(spark, folder).open, sha256, settings.objectives, pinned_reason(settings))


def pinned_reason(settings: Settings) -> int:
    """The index of the reason `pinned`."""
    return settings.reasons.index(PINNED)
