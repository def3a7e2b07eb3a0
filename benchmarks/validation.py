"""Great Expectations as a share of the ingest whose rows it checks."""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import SparkSession

from benchmarks import synthetic
from benchmarks.results import Result, result, seconds
from benchmarks.sizes import SEED, Sizes, versions
from contracts import tables
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import storage
from jobs.ingest import ingest_events, validate_table
from jobs.machine import session_health

_DAY: Final = dt.date(2024, 10, 4)
_DAY_SECONDS: Final = 86_400
_TYPES: Final = np.array(["view", "click", "cart", "purchase"])


def run(sizes: Sizes) -> Result:
    """The result of the stage `gx_share`: one landing day of events, ingested and then validated, in a night's session.

    Raises:
        RuntimeError: a fact did not hold, so that the time would be that of another check.
    """
    samples: dict[str, list[float]] = {"ours": [], "peer": []}
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name:
        folder = Path(name)
        spark = session_health.start(Settings(root=name), is_quiet=True)
        try:
            _land(folder / "landed.parquet", sizes)
            for turn in range(sizes.repeats):
                ingest, check = _one_turn(spark, folder, turn)
                samples["peer"].append(ingest)
                samples["ours"].append(check)
        finally:
            spark.stop()
    return result(
        "gx_share", samples, peer_name="the ingest it follows", ratio_is="ours / peer", goal=0.25,
        about=f"{sizes.landed:,} events of one day; the first turn imports Great Expectations and warms Java",
        versions=versions("great-expectations", "pyspark", "delta-spark"),
    )  # fmt: skip


def _one_turn(spark: SparkSession, folder: Path, turn: int) -> tuple[float, float]:
    """Seconds of the ingest into a fresh root and of the validation of what it wrote."""
    settings = Settings(root=str(folder / f"root-{turn}"))
    layout = Layout(Path(settings.root))
    day = layout.landing_day("events", _DAY)
    day.mkdir(parents=True)
    shutil.copy(folder / "landed.parquet", day / "part-0.parquet")
    ingest = seconds(lambda: ingest_events.run(spark, settings, as_of=_DAY))
    rows = storage.read(spark, layout, tables.EVENTS, first=_DAY, last=_DAY)
    facts: list[bool] = []

    def check() -> None:
        facts.extend(fact.success for fact in validate_table.validate(rows, tables.EVENTS, settings))

    taken = seconds(check)
    if not facts or not all(facts):
        raise RuntimeError(f"{facts.count(False)} of {len(facts)} facts do not hold of the synthetic events.")
    return ingest, taken


def _land(file: Path, sizes: Sizes) -> None:
    random = np.random.default_rng(SEED)
    users, items = synthetic.events(sizes.users, sizes.items, sizes.landed, SEED)
    midnight = int(dt.datetime.combine(_DAY, dt.time(), dt.UTC).timestamp())
    at = (midnight + random.integers(0, _DAY_SECONDS, sizes.landed)) * 1_000_000
    pq.write_table(
        pa.table({
            "event_id": np.char.add("e", np.arange(sizes.landed).astype(str)),
            "user_id": np.char.add("u", users.astype(str)),
            "item_id": np.char.add("i", items.astype(str)),
            "event_type": _TYPES[random.integers(0, len(_TYPES), sizes.landed)],
            "timestamp": pa.array(at, pa.timestamp("us", tz="UTC")),
            "price": random.gamma(2.0, 5.0, sizes.landed).round(2),
            "quantity": random.integers(1, 4, sizes.landed).astype(np.float64),
        }),
        file,
    )  # fmt: skip
