"""A synthetic shop in the landing layout, and a file of the truth planted in it."""

from __future__ import annotations

import datetime as dt
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa

from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.report import JobReport
from jobs.shops.day_files import PART, write_part
from jobs.shops.first_settings import Sights, write_first_settings
from jobs.shops.staging import staged_landing
from jobs.shops.synthetic_tables import Tables
from models.synthetic import dirt
from models.synthetic.days import day_blocks
from models.synthetic.plan import DIRT, EVENT_TYPES, ShopPlan
from models.synthetic.population import plant

TRUTH: Final = "truth"


def make_shop(plan: ShopPlan, into: Path) -> JobReport:
    """A synthetic shop below `into`: landing files, a first `larder.toml`, and the truth. Equal plans, equal bytes.

    `truth/` has `users`, `items`, `staples` (who buys what again, at which period) and `days` (what ingest must find on
    each landing day) as Parquet, and `truth.json` with the plan and the totals. Days are written one by one in blocks:
    memory holds the users, the items and one block.

    Raises:
        InputInvalid: a size below one, or landing files of another origin in `into`.
    """
    started = time.perf_counter()
    _check(plan)
    tables, sights = Tables(plant(plan)), Sights()
    truth = into / TRUTH
    shutil.rmtree(truth, ignore_errors=True)
    with staged_landing(into) as staged:
        by_day = [_land_day(tables, staged, day, sights) for day in range(plan.days)]
        n_users = _land_catalogues(tables, staged)
    totals: Counter[str] = Counter()
    for counts in by_day:
        totals.update(counts)
    _write_truth(tables, truth, by_day, totals)
    write_first_settings(
        into, name="synthetic", columns={}, sights=sights, item_columns=tables.items(0).column_names,
        user_columns=["segment"], repeats=plan.has_repeats,
    )  # fmt: skip
    return JobReport(
        job="make_shop",
        as_of=plan.date(plan.days - 1),
        rows={name: totals[name] for name in _count_names()} | {"users": n_users, "items": plan.items},
        details={
            "first_day": plan.first_day.isoformat(),
            "last_day": plan.date(plan.days - 1).isoformat(),
            "settings_file": str(into / "larder.toml"),
            "truth": str(truth / "truth.json"),
        },
        seconds=time.perf_counter() - started,
    )


def _check(plan: ShopPlan) -> None:
    for name in ("users", "items", "days", "groups"):
        if getattr(plan, name) < 1:
            raise InputInvalid(f"A shop needs at least one of its {name}.", where=f"--{name}", todo="Give 1 or more.")


def _count_names() -> list[str]:
    reasons = [f"quarantined_{reason}" for reason in dirt.REASONS]
    return ["rows", "accepted", "duplicates", "late", *reasons, *(f"accepted_{name}" for name in EVENT_TYPES)]


def _land_day(tables: Tables, staged: Layout, day: int, sights: Sights) -> Counter[str]:
    counts = Counter(dict.fromkeys(_count_names(), 0))
    file = staged.landing_day("events", tables.plan.date(day)) / PART
    counts["rows"] = write_part(file, _day_tables(tables, day, counts, sights), tables.event_schema)
    return counts


def _day_tables(tables: Tables, day: int, counts: Counter[str], sights: Sights) -> Iterator[pa.Table]:
    first: pa.Table | None = None
    for rows in day_blocks(tables.population, day):
        if not len(rows):
            continue
        table = tables.events(rows, day)
        counts["accepted"] += len(rows)
        counts["late"] += int(rows.is_late.sum())
        for kind, n in enumerate(np.bincount(rows.kind, minlength=len(EVENT_TYPES)).tolist()):
            counts[f"accepted_{EVENT_TYPES[kind]}"] += n
        if first is None:
            first = table
            batch = table.combine_chunks().to_batches()[0]
            sights.add(batch, pa.array(np.full(len(rows), day, np.int32)), Path(TRUTH))
        yield table
    if first is not None:
        yield from _dirt(tables, day, first, counts)


def _dirt(tables: Tables, day: int, clean: pa.Table, counts: Counter[str]) -> Iterator[pa.Table]:
    plan = tables.plan
    random = plan.random(DIRT, day)
    mean = max(1.0, plan.dirty_share * clean.num_rows) if plan.dirty_share else 0.0
    for reason in dirt.REASONS:
        n = min(int(random.poisson(mean)), clean.num_rows)
        if n and (reason != "price_negative" or plan.has_prices):
            counts[f"quarantined_{reason}"] += n
            yield dirt.spoiled(clean, reason, n, random, day_start_us=tables.day_start_us(day))
    n = min(int(random.poisson(mean)), clean.num_rows)
    counts["duplicates"] += n
    yield dirt.copies(clean, n, random)


def _land_catalogues(tables: Tables, staged: Layout) -> int:
    for day in np.unique(tables.population.arrival_day).tolist():
        landed = tables.items(day)
        write_part(staged.landing_day("items", tables.plan.date(day)) / PART, [landed], landed.schema)
    file = staged.landing_day("users", tables.plan.first_day) / PART
    return write_part(file, tables.users(), tables.user_schema)


def _write_truth(tables: Tables, folder: Path, by_day: list[Counter[str]], totals: Counter[str]) -> None:
    for name, parts in tables.truth().items():
        first = next(parts)
        write_part(folder / f"{name}.parquet", _chain(first, parts), first.schema)
    days = {"date": pa.array([tables.plan.date(day) for day in range(len(by_day))], pa.date32())}
    counts = {name: pa.array([day[name] for day in by_day], pa.int64()) for name in _count_names()}
    table = pa.table(days | counts)
    write_part(folder / "days.parquet", [table], table.schema)
    tree = {
        "plan": asdict(tables.plan),
        "first_day": tables.plan.first_day,
        "last_day": tables.plan.date(tables.plan.days - 1),
        "totals": {name: totals[name] for name in _count_names()},
        "bots": tables.user_ids.take(pa.array(tables.population.bots)).to_pylist(),
        "silent_users": int((tables.population.visit_rate == 0).sum()) - len(tables.population.bots),
    }
    (folder / "truth.json").write_bytes(msgspec.json.format(msgspec.json.encode(tree)) + b"\n")


def _chain(first: pa.Table, rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest


def plan_of(truth: Path) -> tuple[dt.date, dt.date, dict[str, int]]:
    """First day, last day and totals that the `truth.json` of a synthetic shop names."""
    tree = msgspec.json.decode(truth.read_bytes())
    return dt.date.fromisoformat(tree["first_day"]), dt.date.fromisoformat(tree["last_day"]), tree["totals"]
