"""The table `fairness`: quality by group of users, the gaps between groups, and the exposure of item groups."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from contracts.layout import Layout
from contracts.settings import Fairness, Settings
from features.catalogue import ALL_USERS
from jobs.evaluation import groups
from jobs.evaluation.gates import Gate, Level
from jobs.evaluation.measure import Measured
from jobs.evaluation.metric_tables import Section
from jobs.kernels import measuring
from jobs.paths import layout_of
from models import fairness
from models.fairness import NOT_ENOUGH, Gap
from models.measures import FULL, OURS, Key
from models.metrics import Float64
from models.ragged import AnyArray, Bool
from models.ragged import lists as flat

Row = dict[str, Any]
ITEM_KINDS: Final = ("brand", "category")
PRICE: Final = "price_band"
AUC: Final = "auc"
NO_GROUPS: Final = frozenset({groups.UNKNOWN, ALL_USERS})
_WORST_FIRST: Final = ("red", "yellow", "green")


def fairness_rows(measured: Measured, settings: Settings) -> list[Row]:
    """Rows of the table `fairness` without `as_of`; none where no user counts."""
    if not measured.table.num_rows:
        return []
    rows = [*_user_rows(measured, settings), *_exposure_rows(measured, settings)]
    return [{"cut": measured.kitchen.as_of + dt.timedelta(days=1), **row} for row in rows]


def fairness_gates(rows: Iterable[Row], settings: Settings) -> list[Gate]:
    """A gate a placement and metric: the worst gap of any kind of groups.

    Yellow where the gap is beyond the limit; red where its whole interval is, if that kind may hold the night; green
    with a note where no two groups have enough users.
    """
    wanted, gaps = settings.gates.fairness, [row for row in rows if row["verdict"] is not None]
    made = []
    for placement in settings.placements:
        for metric in _metrics(settings):
            found = [row for row in gaps if (row["placement"], row["metric"]) == (placement, metric)]
            if found:
                made.append(min((_gate(row, wanted) for row in found), key=_severity))
    return made


def section(rows: Iterable[Row]) -> Section:
    """The gaps as a table for people."""
    cells: list[tuple[str, ...]] = [
        (
            f"{row['placement']}: {row['kind']}",
            row["metric"],
            f"{row['group']} over {row['other']}" if row["value"] is not None else "-",
            "-" if row["value"] is None else f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]",
            str(row["n"]),
            row["verdict"],
        )
        for row in rows
        if row["verdict"] is not None
    ]
    return Section(
        "gaps between groups of users: full catalogue",
        ("placement: groups", "metric", "best over worst", "gap [95 % over all pairs]", "users", ""),
        cells,
    )


def _severity(gate: Gate) -> tuple[int, bool, float]:
    """Red first; of equal ones the measured, then the greater gap; of those the first."""
    return _WORST_FIRST.index(gate.level), gate.value is None, -(gate.value or 0.0)


def _metrics(settings: Settings) -> tuple[str, str]:
    return (f"ndcg_{settings.evaluation.k}", AUC)


def _user_rows(measured: Measured, settings: Settings) -> Iterator[Row]:
    keys, numbers = measured.numbers
    everyone = settings.segments
    kinds = groups.user_groups(measured.users(settings), everyone)
    for placement, _ in measured.plan.placements:
        for metric in _metrics(settings):
            values = numbers[:, keys.index(Key(FULL, placement, OURS, metric))]
            for kind in (groups.SEGMENT, *everyone.columns):
                masks = {name.removeprefix(f"{kind}:"): mask for name, mask in kinds.get(kind, {}).items()}
                yield from gap_rows(values, masks, settings, {"placement": placement, "metric": metric, "kind": kind})


def gap_rows(values: Float64, masks: dict[str, Bool], settings: Settings, named: Row) -> Iterator[Row]:
    """The row of each group, and last that of the gap between the best and the worst.

    Users of whom it is not known who they are (`unknown`, `all`) are told and not compared: they are no group, and
    those whom a shop knows are often those who buy most.
    """
    wanted = settings.gates.fairness

    def gap_of(chosen: dict[str, Bool]) -> Gap:
        return fairness.gap_of(
            values,
            chosen,
            limit=wanted.max_gap,
            min_users=wanted.min_users,
            resamples=settings.evaluation.resamples,
            seed=settings.seed,
        )

    nobody = {name: mask for name, mask in masks.items() if name.lower() in NO_GROUPS}
    gap = gap_of({name: mask for name, mask in masks.items() if name not in nobody})
    for group in (*gap_of(nobody).groups, *gap.groups):
        numbers = {"value": group.value, "low": group.low, "high": group.high, "n": group.n_users}
        yield {**named, "group": group.name, "other": None, **numbers, "verdict": None}
    is_known = not math.isnan(gap.value)
    ends = {name: getattr(gap, name) if is_known else None for name in ("value", "low", "high")}
    yield {**named, "group": gap.best, "other": gap.worst, **ends, "n": gap.n_users, "verdict": gap.verdict}


def _exposure_rows(measured: Measured, settings: Settings) -> Iterator[Row]:
    plan, catalogue = measured.plan, measured.kitchen.catalogue()
    lists = measuring.keys(plan)[1]
    tops = flat(measured.table["tops"])[1].reshape(measured.table.num_rows, len(lists), plan.k)
    demand = np.where(catalogue.allowed, catalogue.number("buyers_28"), 0)
    kinds = _item_groups(measured, settings, layout_of(settings))
    for placement, _ in plan.placements:
        top = tops[:, lists.index((placement, OURS))]
        for kind, (codes, named) in kinds.items():
            ratios, places = fairness.exposure_ratios(top, codes, demand, int(codes.max(initial=-1)) + 1)
            for name, code in named:
                ratio = ratios[code]
                yield {
                    "placement": placement,
                    "metric": f"exposure_ratio_{plan.k}",
                    "kind": kind,
                    "group": name,
                    "other": None,
                    "value": None if math.isnan(ratio) else float(ratio),
                    "low": None,
                    "high": None,
                    "n": int(places[code]),
                    "verdict": None,
                }


def _item_groups(
    measured: Measured, settings: Settings, layout: Layout
) -> dict[str, tuple[AnyArray, list[tuple[str, int]]]]:
    """Codes by item, and names of the codes told, by kind."""
    catalogue, wanted = measured.kitchen.catalogue(), settings.gates.fairness
    found: dict[str, tuple[AnyArray, list[tuple[str, int]]]] = {}
    for kind in ITEM_KINDS:
        named = groups.named_codes(layout, catalogue, kind, as_of=measured.kitchen.as_of, n=wanted.max_groups)
        codes = np.asarray(catalogue.items.codes[kind])
        found[kind] = (codes, [(name.removeprefix(f"{kind}:"), code) for name, code in named])
    prices = np.asarray(catalogue.items.numbers["price"])
    bands = fairness.price_bands(prices, catalogue.allowed, wanted.price_bands)
    known = np.unique(bands[bands >= 0]).tolist()
    names = [(f"{band + 1}: up to {prices[bands == band].max():.2f}", band) for band in known]
    return {**found, PRICE: (bands, names)}


def _gate(row: Row, wanted: Fairness) -> Gate:
    holds = wanted.segment_holds if row["kind"] == groups.SEGMENT else wanted.holds
    level: Level = "green" if row["verdict"] == NOT_ENOUGH else row["verdict"]
    if level == "red" and not holds:
        level = "yellow"
    if row["verdict"] == NOT_ENOUGH:
        note = f"not enough data: no two groups of {row['kind']} have {wanted.min_users} users"
    else:
        note = (
            f"{row['kind']} {row['group']} over {row['other']}, {row['low']:.4f} to {row['high']:.4f} "
            f"of it with 95 %, {row['n']} users in the smaller; full catalogue"
        )
    return Gate(
        name=f"fairness_{row['metric']}",
        placement=row["placement"],
        value=row["value"],
        limit=wanted.max_gap if holds else None,
        warns_at=wanted.max_gap,
        level=level,
        note=note,
    )
