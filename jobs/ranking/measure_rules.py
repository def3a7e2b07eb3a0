"""What each rule moved in the lists of a night."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.rules_section import kind_of
from contracts.settings import Settings
from jobs import lake, storage
from jobs.artifacts import SharedFolder
from jobs.evaluation import choosing
from jobs.kernels.rule_effects import NUMBERS, effects_of
from jobs.kernels.shelves import ShelfFolder
from jobs.kitchens import kitchen_of, users_of
from jobs.paths import layout_of
from jobs.ranking.rerank_lists import by_score_where_replaced, chosen
from jobs.ranking.shelve_items import pinned_reason
from models import artifact, shelf
from models.shelf import Shelf

Row = dict[str, Any]


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """The table `rule_effects` as of a date, from the ranked candidates and the shelf that made its lists.

    The lists are made once more, and each rule's work is counted where it is done: a rule is credited with what it
    found to do after those before it. What rules ask for and the catalogue lacks is counted as a warning.

    Raises:
        InputMissing: the lists of that date were not made.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    folder = layout.artifact("shelf", as_of)
    if not folder.is_dir():
        raise InputMissing(
            f"There is no shelf as of {as_of}.", where=str(folder), todo=f"Run `larder rerank --as-of {as_of}`."
        )
    known, unknown = shelf.load(folder), artifact.about(folder).get("unknown", {})
    rows = _counted(spark, settings, layout, known, as_of=as_of) if known.rules else []
    _write(spark, layout, rows, as_of)
    warnings = [f"rule {name!r} names what no item has: {', '.join(names)}" for name, names in unknown.items()]
    return JobReport(
        job="measure_rules",
        as_of=as_of,
        rows={
            "rules": len(known.rules),
            "lists_touched": sum(row["lists"] for row in rows),
            "entries_removed": sum(row["removed"] for row in rows),
            "entries_added": sum(row["added"] for row in rows),
            "entries_moved": sum(row["moved"] for row in rows),
            "unknown_targets": sum(len(names) for names in unknown.values()),
        },
        details={"effects": rows, "warnings": warnings},
        seconds=time.perf_counter() - started,
    )


def _counted(spark: SparkSession, settings: Settings, layout: Layout, known: Shelf, *, as_of: dt.date) -> list[Row]:
    choices = choosing.read(layout, as_of)
    systems = choices.systems if choices else {}
    settings = by_score_where_replaced(settings, systems)
    folder = layout.artifact("shelf", as_of)
    opened = ShelfFolder(
        SharedFolder(spark, folder).open, artifact.verify(folder), settings.objectives, pinned_reason(settings)
    )
    found = effects_of(
        chosen(spark, settings, systems, as_of=as_of), users_of(spark, layout, as_of),
        kitchen_of(spark, settings, layout, as_of), opened, settings.placements, repeats=settings.shop.repeats,
    ).toArrow()  # fmt: skip
    counts = {(row["placement"], row["rule"]): row for row in found.to_pylist()}
    nothing = dict.fromkeys(NUMBERS, 0)
    return [
        {"placement": name, "rule": rule.name, "kind": kind_of(rule), "items": len(items), **nothing,
         **counts.get((name, rule.name), {})}
        for name in settings.placements
        for rule, items in known.rules
        if rule.is_for(name)
    ]  # fmt: skip


def _write(spark: SparkSession, layout: Layout, rows: list[Row], as_of: dt.date) -> int:
    table = tables.RULE_EFFECTS
    if not rows and as_of not in lake.dates(layout, table):
        return 0
    names = [column.name for column in table.columns if column.name != "as_of"]
    schema = ", ".join(f"{column.name} {column.type}" for column in table.columns if column.name != "as_of")
    frame = spark.createDataFrame([tuple(row[name] for name in names) for row in rows], schema)
    return storage.replace_as_of(layout, table, frame, as_of)
