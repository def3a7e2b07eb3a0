"""A synthetic shop's outcomes feed: its users answer the lists that are served, by the planted click model."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from export.lookup import Lists, TopN
from export.stores.opening import store_of
from jobs.paths import layout_of
from jobs.shops.day_files import write_part
from models.synthetic.clicks import Answers, ClickModel, answer, model_of

TRUTH: Final = "truth"
PART: Final = "part-00000.parquet"
SCHEMA: Final = pa.schema(
    {
        "snapshot": pa.string(), "placement": pa.string(), "user_id": pa.string(), "item_id": pa.string(),
        "position": pa.int32(), "kind": pa.string(), "at": pa.timestamp("us", "UTC"), "channel": pa.string(),
        "team": pa.string(), "dwell_seconds": pa.float64(),
    }
)  # fmt: skip
_OPENS: Final = 8 * 3600
_OPEN_SECONDS: Final = 12 * 3600
_WAITS: Final = {"impression": 0, "click": 5, "dwell": 6, "cart": 30, "purchase": 90}


def make_outcomes(
    settings: Settings, *, day: dt.date, placement: str, k: int, visit_share: float, seed: int
) -> JobReport:
    """The landing day's file of the feed, in place of what lay there; the same lists and seed give the same file.

    Raises:
        InputMissing: the shop has no truth, so it is not a synthetic one, or nothing is served.
        InputInvalid: the day is not after the one that the served lists are as of.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    truth = _Truth(layout)
    with Lists(store_of(settings.store, layout)) as lists:
        as_of = lists.current().manifest.as_of
        if day <= as_of:
            raise InputInvalid(f"The served lists are as of {as_of}", where="--day", todo=f"Name a day after {as_of}.")
        random = np.random.default_rng([seed, day.toordinal()])
        coming = [user for user in truth.users if random.random() < visit_share]
        shown = [lists.get(user, k, placement) for user in coming]
    rows = list(_rows(shown, truth, day, random))
    file = layout.landing_day("outcomes", day) / PART
    n = write_part(file, iter([pa.Table.from_pylist(rows, schema=SCHEMA)]), SCHEMA)
    kinds = {kind: sum(row["kind"] == kind for row in rows) for kind in _WAITS}
    return JobReport(
        job="make_outcomes", as_of=day, rows={"users": len(shown), "outcomes": n, **kinds},
        details={"file": str(file), "snapshot": shown[0].snapshot if shown else ""},
        seconds=time.perf_counter() - started,
    )  # fmt: skip


class _Truth:
    """What was planted, by index and by id."""

    def __init__(self, layout: Layout) -> None:
        folder = layout.root / TRUTH
        users, items = _planted(folder / "users.parquet"), _planted(folder / "items.parquet")
        self.users = [
            name for name, is_bot in zip(users["user_id"].to_pylist(), users["is_bot"].to_pylist(), strict=True)
            if not is_bot
        ]  # fmt: skip
        self.user = {name: i for i, name in enumerate(users["user_id"].to_pylist())}
        self.item = {name: i for i, name in enumerate(items["item_id"].to_pylist())}
        self.model: ClickModel = model_of(
            users["taste_group"].to_numpy(), items["taste_group"].to_numpy(), items["popularity"].to_numpy()
        )


def _planted(path: Path) -> pa.Table:
    if not path.is_file():
        raise InputMissing(
            "This shop has no planted truth.",
            where=str(path),
            todo="Make a synthetic shop by `larder make-shop`; a real one lands outcomes of its own.",
        )
    return pq.read_table(path)


def _rows(shown: list[TopN], truth: _Truth, day: dt.date, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    start = dt.datetime.combine(day, dt.time(), tzinfo=dt.UTC) + dt.timedelta(seconds=_OPENS)
    for made in shown:
        at = start + dt.timedelta(seconds=int(random.integers(0, _OPEN_SECONDS)))
        users = np.full(len(made.items), truth.user[made.user_id])
        items = np.array([truth.item[name] for name in made.items], dtype=np.int64)
        told = answer(truth.model, users, items, np.arange(1, len(made.items) + 1), random)
        for place in range(len(made.items)):
            yield from _of_slot(made, place, told, at)


def _of_slot(made: TopN, place: int, told: Answers, at: dt.datetime) -> Iterator[dict[str, Any]]:
    team = None if made.teams is None else made.teams[place]
    base = {
        "snapshot": made.canary_snapshot if team == "canary" else made.snapshot, "placement": made.placement,
        "user_id": made.user_id, "item_id": made.items[place], "position": place + 1, "channel": made.channel,
        "team": team,
        "dwell_seconds": None,
    }  # fmt: skip
    kinds = ["impression"]
    kinds += ["click", "dwell"] if told.is_clicked[place] else []
    kinds += ["cart"] if told.is_in_cart[place] else []
    for kind in kinds:
        seconds = float(told.dwell_seconds[place]) if kind == "dwell" else None
        yield {**base, "kind": kind, "at": at + dt.timedelta(seconds=_WAITS[kind]), "dwell_seconds": seconds}
    for nth in range(int(told.n_purchases[place])):
        yield {**base, "kind": "purchase", "at": at + dt.timedelta(seconds=_WAITS["purchase"] + 60 * nth)}
