"""Sections on how good the lists are: over the nights, beside references, by protocol, and for whom."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Final

from contracts import tables
from contracts.settings import Settings
from jobs.evaluation.metric_tables import NAMES, Numbers
from jobs.evaluation.thresholds import METRICS as THRESHOLD_METRICS
from jobs.evaluation.thresholds import WORDS
from jobs.reports.blocks import DASH, Block, Cell, Section, Spark, Sparks, Table, Text, Tone, count, interval, number
from jobs.reports.facts import Night
from jobs.reports.past_nights import DAYS, Series, nights
from jobs.reports.plots import polyline
from models.measures import FULL, MINUS, OURS, SOURCE, WITHIN, Row

NOT_MEASURED: Final = "Nothing was measured: the history holds fewer than two past windows, or `evaluate` did not run."
APART: Final[dict[str, Tone]] = {"ahead": "good", "behind": "bad", "not apart": "quiet"}
HEAT_STEP: Final = 0.1
"""Each step of a heat map's colour is a tenth of the value of all users."""
ITEM_GROUPS: Final = ("items:", "category:")


def over_nights(series: list[Series], as_of: dt.date) -> Section:
    """Tonight beside the last four weeks, a line a number."""
    lead = f"Each line is one number over the {DAYS} days that end with the night; gaps are days without a night."
    sparks = [_spark(one, as_of) for one in series if as_of in one.values]
    if not sparks:
        return Section("nights", f"The last {DAYS} nights", lead, absent="No number of this night is there.")
    return Section("nights", f"The last {DAYS} nights", lead, [Sparks(sparks)])


def _spark(series: Series, as_of: dt.date) -> Spark:
    values = [series.values.get(day) for day in nights(as_of)]
    known = [value for value in values if value is not None]
    form, now = series.form, series.values[as_of]
    ends = (
        f"from {min(known):{form}} to {max(known):{form}} on {len(known)} nights" if len(known) > 1 else "first night"
    )
    last = tuple(float(part) for part in polyline(values)[-1].rpartition(" ")[2].split(","))
    words = f"{series.name}: {now:{form}} tonight, {ends}"
    about = "; ".join(part for part in (series.about, ends) if part)
    return Spark(series.name, f"{now:{form}}", about, polyline(values), words, (last[0], last[1]))


def beside_references(night: Night) -> Section:
    """Both protocols, a table a placement."""
    lead = (
        "Lists as they would have been on the first day of the newest past window, by a ranker that never saw it. "
        "Brackets are 95 % intervals over users; a line is ahead where the paired difference lies above 0 as a whole."
    )
    rows = night.of(tables.METRICS)
    if not rows:
        return Section("quality", "Quality beside references", lead, absent=NOT_MEASURED)
    numbers = Numbers(rows)
    blocks: list[Block] = [Text(f"Window: purchases from {rows[0]['cut']} on.")]
    for placement in night.settings.placements:
        blocks += [_full(numbers, night, placement), _within(numbers, night, placement)]
    return Section(
        "quality", "Quality beside references", lead, [b for b in blocks if not isinstance(b, Table) or b.rows]
    )


def _full(numbers: Numbers, night: Night, placement: str) -> Table:
    k = night.k
    header = (
        "system", "users", f"nDCG@{k}", f"two-stage minus it, nDCG@{k}", "two-stage lists are", "nDCG@5",
        f"recall@{k}, capped", f"hit rate@{k}", f"MAP@{k}", "AUC, mean per user", f"coverage@{k}", f"Gini@{k}",
        f"novelty@{k}, bits",
    )  # fmt: skip
    metrics = ["ndcg_5", f"capped_recall_{k}", f"hit_rate_{k}", f"map_{k}", "auc", f"coverage_{k}", f"gini_{k}",
               f"novelty_{k}"]  # fmt: skip
    rows = []
    for system, name in _systems(night.settings):
        ceiling = numbers.row(FULL, placement, system, "recall_ceiling")
        if ceiling is not None and not ceiling["value"]:
            continue  # a source that found nothing: its list would be the popular one
        if numbers.row(FULL, placement, system, f"ndcg_{k}") is not None:
            first, n, *_ = told = _line(numbers, FULL, placement, system, name, [f"ndcg_{k}", *metrics])
            rows.append((first, n, told[2], *_gain(numbers, placement, system, k), *told[3:]))
    return Table(f"{placement}, protocol {WORDS[FULL]}: {_kind(night.settings, placement)}", header, rows)


def _within(numbers: Numbers, night: Night, placement: str) -> Table:
    k = night.k
    header = ("system", "users", f"nDCG@{k}", "nDCG@5", f"hit rate@{k}", "AUC, mean per user")
    metrics = [f"ndcg_{k}", "ndcg_5", f"hit_rate_{k}", "auc"]
    rows = [
        _line(numbers, WITHIN, placement, system, name, metrics)
        for system, name in _systems(night.settings)
        if numbers.row(WITHIN, placement, system, f"ndcg_{k}") is not None
    ]
    return Table(f"{placement}, protocol {WORDS[WITHIN]}: the ranker alone", header, rows, is_folded=True)


def _line(
    numbers: Numbers, protocol: str, placement: str, system: str, name: str, metrics: list[str]
) -> tuple[Cell, ...]:
    found = [numbers.row(protocol, placement, system, metric) for metric in metrics]
    tone: Tone = "good" if system == OURS else ""
    return (Cell(name, tone=tone), count(found[0]["n_users"] if found[0] else None), *[cell(row) for row in found])


def _gain(numbers: Numbers, placement: str, system: str, k: int) -> tuple[Cell, Cell]:
    row = numbers.row(FULL, placement, MINUS + system, f"ndcg_{k}")
    if row is None:
        return Cell(""), Cell("")
    word = "not apart" if row["low"] <= 0 <= row["high"] else "ahead" if row["low"] > 0 else "behind"
    return Cell(f"{row['value']:+.3f}", small=interval(row["low"], row["high"], "+.3f")), Cell(word, tone=APART[word])


def thresholds(night: Night) -> Section:
    """The success thresholds under every protocol, side by side."""
    lead = (
        "The same lists under every protocol. Sampled negatives give higher numbers than the whole catalogue: a number "
        "means something only beside the name of its protocol."
    )
    rows = night.of(tables.THRESHOLDS)
    if not rows:
        return Section("thresholds", "Success thresholds", lead, absent=NOT_MEASURED)
    asked = {row["metric"]: row["threshold"] for row in rows}
    wanted = ", ".join(f"{name} at least {asked[key]:g}" for key, name in THRESHOLD_METRICS.items() if key in asked)
    blocks: list[Block] = [Text(f"Asked for: {wanted}. A gate looks at those marked gated.")]
    for placement in night.settings.placements:
        mine = [row for row in rows if row["placement"] == placement]
        if mine:
            blocks.append(_threshold_table(placement, mine))
    return Section("thresholds", "Success thresholds", lead, blocks)


def _threshold_table(placement: str, rows: list[Row]) -> Table:
    by_key = {(row["protocol"], row["metric"]): row for row in rows}
    protocols = [protocol for protocol in WORDS if any(key[0] == protocol for key in by_key)]
    cells = []
    for protocol in protocols:
        found = [by_key.get((protocol, metric)) for metric in THRESHOLD_METRICS]
        n = next((row["n_users"] for row in found if row is not None), None)
        cells.append((Cell(WORDS[protocol]), count(n), *[_reached(row) for row in found]))
    return Table(placement, ("protocol", "users", *THRESHOLD_METRICS.values()), cells)


def _reached(row: Row | None) -> Cell:
    if row is None:
        return Cell(DASH)
    word = ("reached" if row["is_reached"] else "missed") + (", gated" if row["is_gated"] else "")
    ends = interval(row["low"], row["high"])
    return Cell(f"{row['value']:.3f} {word}", small=ends, tone="good" if row["is_reached"] else "warn")


def heat_map(night: Night) -> Section:
    """Groups of users by placement and metric, and recall of groups of items."""
    lead = (
        "Full catalogue. Colour and arrows say how far a group lies from all users: each step is a tenth of their "
        "value. Small groups have wide intervals."
    )
    rows = [row for row in night.of(tables.METRICS) if (row["protocol"], row["system"]) == (FULL, OURS)]
    groups = sorted({row["segment"] for row in rows if row["segment"] is not None}, key=_order)
    if not groups:
        return Section(
            "segments", "For whom: segments", lead, absent="No group has enough users, or nothing was measured."
        )
    users, items = ([name for name in groups if name.startswith(ITEM_GROUPS) == is_item] for is_item in (False, True))
    k, places = night.k, list(night.settings.placements)
    of_users = [(p, metric) for p in places for metric in (f"ndcg_{k}", f"hit_rate_{k}", f"recall_{k}", "auc")]
    of_items = [(placement, f"recall_{k}") for placement in places]
    found = {(row["segment"], row["placement"], row["metric"]): row for row in rows}
    blocks: list[Block] = [
        _heat("Users by group, protocol full catalogue", [None, *users], of_users, found, "users"),
        _heat("Recall of the purchases of item groups, protocol full catalogue", [None, *items], of_items, found,
              "users who bought"),
    ]  # fmt: skip
    return Section(
        "segments", "For whom: segments", lead, [b for b in blocks if isinstance(b, Table) and len(b.rows) > 1]
    )


def _heat(
    caption: str,
    groups: list[str | None],
    columns: list[tuple[str, str]],
    found: dict[tuple[str | None, str, str], Row],
    n_of: str,
) -> Table:
    kept = [column for column in columns if any((group, *column) in found for group in groups)]
    header = ("group", n_of, *(f"{placement}: {name_of(metric)}" for placement, metric in kept))
    rows = []
    for group in groups:
        mine = [found.get((group, *column)) for column in kept]
        counts = sorted({row["n_users"] for row in mine if row is not None})
        n = DASH if not counts else f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
        everyone = [found.get((None, *column)) for column in kept]
        cells = [_warm(row, base, is_all=group is None) for row, base in zip(mine, everyone, strict=True)]
        rows.append((Cell(group or "all"), Cell(n), *cells))
    return Table(caption, header, rows)


def _warm(row: Row | None, everyone: Row | None, *, is_all: bool) -> Cell:
    if row is None:
        return Cell(DASH)
    ends = interval(row["low"], row["high"])
    if is_all or everyone is None or not everyone["value"]:
        return Cell(f"{row['value']:.3f}", small=ends)
    share = (row["value"] - everyone["value"]) / abs(everyone["value"])
    heat = max(-3, min(3, math.trunc(share / HEAT_STEP + math.copysign(0.5, share))))
    return Cell(f"{row['value']:.3f} {('▲' if heat > 0 else '▼') * abs(heat)}".rstrip(), small=ends, heat=heat)


def name_of(metric: str) -> str:
    """A metric as people write it."""
    stem, _, cutoff = metric.rpartition("_")
    names = {"ndcg": "nDCG", "hit_rate": "hit rate", "recall": "recall", "exposure_ratio": "exposure ratio"}
    if metric in THRESHOLD_METRICS:
        return THRESHOLD_METRICS[metric]
    return f"{names.get(stem, stem)}@{cutoff}" if cutoff.isdigit() else metric


def cell(row: dict[str, Any] | None) -> Cell:
    """A row of `metrics` as a cell."""
    if row is None:
        return Cell(DASH)
    return number(row["value"], low=row["low"], high=row["high"])


def _order(group: str) -> tuple[int, str]:
    known = ("users:new", "users:light", "users:heavy", "items:head", "items:tail")
    return (known.index(group), "") if group in known else (len(known), group)


def _systems(settings: Settings) -> list[tuple[str, str]]:
    references = [(name, NAMES[name]) for name in settings.evaluation.references]
    return [(OURS, NAMES[OURS]), *references, *((SOURCE + s, f"source {s}") for s in settings.candidates.sources)]


def _kind(settings: Settings, placement: str) -> str:
    repeats = settings.placements[placement].repeats and settings.shop.repeats
    return "all items count" if repeats else "only items new to the user count"
