"""The gates that a night passes before it is published."""

from __future__ import annotations

import datetime as dt
import math
import time
from collections.abc import Iterator
from typing import Any, Final

from pyspark.sql import SparkSession

from contracts import tables
from contracts.errors import HeldByGate, InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.blessing import Blessing, write_blessing
from export.format.manifest import Manifest, read_manifest
from features.catalogue import ALL_USERS
from features.coverage import users_without_any
from jobs import storage
from jobs.catalogue import catalogue_as_of
from jobs.evaluation import choosing
from jobs.evaluation.change_gates import change_gates, rows_of
from jobs.evaluation.choosing import Choice
from jobs.evaluation.gates import Gate, Level, as_facts, as_text, at_least, counts, numbers, of_level
from jobs.evaluation.holdout_gates import holdout_gates, time_gates
from jobs.evaluation.metric_tables import Numbers
from jobs.evaluation.rule_gates import rule_gates
from jobs.kernels.list_checks import faults
from jobs.kitchens import kitchen_of
from jobs.paths import layout_of
from jobs.publishing.stage_snapshot import staged
from jobs.training.train_ranker import window_cuts
from models.measures import FULL, OURS

FORBIDDEN: Final = ("unknown", "not_recommendable", "already_bought", "repeated")


def run(spark: SparkSession, settings: Settings, *, as_of: dt.date) -> JobReport:
    """No gate red, and the blessing `<as_of>.json`; yellow ones are told in `warnings`, a red one holds the night.

    Raises:
        HeldByGate: names every red gate with its value and limit; the blessing says held.
        InputMissing: lists, metrics or changes of that date are not there.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    manifest = _staged_manifest(layout, as_of)
    gates = [
        *_list_gates(spark, settings, layout, as_of),
        *_quality_gates(spark, settings, layout, manifest, as_of),
        *change_gates(rows_of(layout, as_of, manifest.snapshot_id), list(settings.placements), settings.gates.changes),
        *rule_gates(settings, as_of),
    ]
    path = _sign(layout, manifest, gates, as_of)
    red = of_level(gates, "red")
    if red:
        raise HeldByGate(
            f"{len(red)} of {len(gates)} gates hold the night of {as_of}: " + "; ".join(map(str, red)) + ".",
            where=str(path),
            todo="The previous snapshot stays current. Mend the cause and run the night again; limits are in [gates].",
        )
    return JobReport(
        job="check_gates",
        as_of=as_of,
        rows=counts(gates),
        numbers=numbers(gates),
        details={
            "table": as_text(gates),
            "gates": as_facts(gates),
            "verdict": path,
            "warnings": [str(gate) for gate in of_level(gates, "yellow")],
        },
        seconds=time.perf_counter() - started,
    )


def _list_gates(spark: SparkSession, settings: Settings, layout: Layout, as_of: dt.date) -> Iterator[Gate]:
    lists = storage.read_as_of(spark, layout, tables.TOP_N_LISTS, as_of)
    histories = storage.read_as_of(spark, layout, tables.HISTORIES, as_of)
    kitchen = kitchen_of(spark, settings, layout, as_of)
    rows = faults(lists, histories, kitchen, settings.placements, repeats=settings.shop.repeats).collect()
    counts = {row["placement"]: row.asDict() for row in rows}
    users = catalogue_as_of(spark, layout, as_of)[1].select("user_idx", "segment").fillna({"segment": ALL_USERS})
    n_users = users.count()
    covered = _segments_covered(spark, layout, settings, as_of)
    alone = users_without_any(users, lists, covered).collect() if covered else []
    missing = {row["placement"]: row["n"] for row in alone}
    for placement in settings.placements:
        without = missing.get(placement, 0)
        yield at_least(
            "coverage_users",
            placement,
            1 - without / n_users if n_users else math.nan,
            settings.gates.min_coverage_users,
            f"{without} of {n_users} users have neither a list nor a fallback list",
        )
        yield from _fault_gates(placement, counts.get(placement, {}), settings)


def _fault_gates(placement: str, counts: dict[str, Any], settings: Settings) -> Iterator[Gate]:
    n_lists, full = counts.get("lists", 0), counts.get("full", 0)
    share = full / n_lists if n_lists else math.nan
    yield at_least("full_lists", placement, share, settings.gates.min_full_lists, f"{full} of {n_lists} lists")
    banned = sum(counts.get(name, 0) for name in FORBIDDEN)
    yield Gate(
        name="banned_items",
        placement=placement,
        value=float(banned),
        limit=float(settings.gates.max_banned),
        level="green" if banned <= settings.gates.max_banned else "red",
        note=", ".join(f"{counts.get(name, 0)} {name}" for name in FORBIDDEN),
    )


def _segments_covered(spark: SparkSession, layout: Layout, settings: Settings, as_of: dt.date) -> dict[str, set[str]]:
    """The segments with a fallback list, by placement; placements that have one for everybody are left out."""
    rows = storage.read_as_of(spark, layout, tables.FALLBACK_LISTS, as_of).select("placement", "segment", "item_idx")
    covered: dict[str, set[str]] = {placement: set() for placement in settings.placements}
    for row in rows.collect():
        if row["item_idx"] and row["placement"] in covered:
            covered[row["placement"]].add(row["segment"])
    return {placement: segments for placement, segments in covered.items() if ALL_USERS not in segments}


def _quality_gates(
    spark: SparkSession, settings: Settings, layout: Layout, manifest: Manifest, as_of: dt.date
) -> Iterator[Gate]:
    """Gates on the holdout. A shop too young to hold a window out passes, unless a floor was asked for."""
    wanted, metric = settings.gates, f"ndcg_{settings.evaluation.k}"
    cuts = window_cuts(settings, as_of)
    has_holdout = len(cuts) > 1
    found = storage.read_as_of(spark, layout, tables.METRICS, as_of).collect() if has_holdout else []
    rows = [row.asDict() for row in found]
    measured = Numbers(rows)
    if wanted.beat_best_source and has_holdout:
        choices = choosing.read(layout, as_of) or choosing.choose({}, settings, as_of=as_of)
        for choice in choices.placements:
            yield _earns_its_keep(choice, manifest.placements[choice.placement].system, settings)
    for placement, floor in sorted(wanted.min_ndcg.items()):
        row = measured.row(FULL, placement, OURS, metric)
        yield at_least(f"min_{metric}", placement, math.nan if row is None else row["value"], floor, "")
    if has_holdout:
        yield from holdout_gates(rows, settings, layout, as_of=as_of, known=cuts[0])
    else:
        yield from time_gates(settings, layout, [as_of])


def _earns_its_keep(choice: Choice, staged_system: str, settings: Settings) -> Gate:
    """Yellow where a source's lists are published instead; red where the night is held, or was staged otherwise."""
    name, value = "beats_best_source", choice.value
    if value is None or choice.high is None:
        note = "no metric was written"
        return Gate(name=name, placement=choice.placement, value=None, limit=0.0, level="red", note=note)
    if staged_system != choice.system:
        note = f"those of {staged_system} are staged, those of {choice.system} were chosen: rerank and stage again"
        return Gate(name=name, placement=choice.placement, value=value, limit=0.0, level="red", note=note)
    if settings.gates.unearned == "publish_source":
        level: Level = "green" if choice.system == OURS else "yellow"
        return Gate(
            name=name, placement=choice.placement, value=value, limit=None, warns_at=0.0, level=level, note=choice.note
        )
    level = "green" if choice.high >= 0 else "red"
    return Gate(name=name, placement=choice.placement, value=value, limit=0.0, level=level, note=choice.note)


def _staged_manifest(layout: Layout, as_of: dt.date) -> Manifest:
    directory = staged(layout, as_of)
    if not directory.is_dir():
        raise InputMissing(
            f"No snapshot is staged for {as_of}.",
            where=str(directory),
            todo=f"Run `larder stage --as-of {as_of}` first: a verdict names the bytes it is about.",
        )
    return read_manifest(directory)


def _sign(layout: Layout, manifest: Manifest, gates: list[Gate], as_of: dt.date) -> str:
    """The verdict on the staged snapshot's very bytes, in a file; returns its path."""
    verdict = Blessing(
        as_of=as_of,
        manifest_sha256=manifest.sha256,
        verdict="held" if of_level(gates, "red") else "blessed",
        gates=as_facts(gates),
    )
    path = layout.blessings / f"{as_of.isoformat()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_blessing(path, verdict)
    return str(path)
