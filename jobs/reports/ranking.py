"""Sections on how the lists come about: sources and ranker, calibration, objectives, rules, exploration."""

from __future__ import annotations

from typing import Any, Final

from contracts import tables
from jobs.evaluation import ledger_report
from jobs.evaluation.ledger_report import PlacementLedger
from jobs.evaluation.metric_tables import Numbers
from jobs.reports import plots
from jobs.reports.blocks import Block, Cell, Figure, Section, Table, Text, count, interval, number
from jobs.reports.facts import Night
from models.measures import FULL, OURS, WITHIN, Row
from models.sweep import ALONE, CHOSEN, COST, MEASURES, ORDERED

MEASURED: Final = (*MEASURES, "coverage")
MOST_SEGMENTS: Final = 8


def ledger(night: Night) -> Section:
    """What each source finds, the ceiling of all of them, and what the ranker leaves of it."""
    lead = "Of all that users bought in the window: what each source proposed, and what became of it."
    rows = night.of(tables.RECALL_LEDGER)
    if not rows:
        return Section("ledger", "Sources and ranker", lead, absent="No recall ledger was written for this night.")
    found = ledger_report.of_rows(rows, as_of=night.as_of)
    told = list(found.placements.items())
    blocks: list[Block] = [
        *[Text(f"{name}: {placement.sentence}") for name, placement in told],
        *[_bars(name, placement) for name, placement in told],
        *[_lost(name, placement) for name, placement in told],
    ]
    return Section("ledger", "Sources and ranker", lead, blocks)


def _bars(name: str, placement: PlacementLedger) -> Figure:
    whole = placement.segments[0] if placement.segments else None
    rows = [
        plots.Bar(line.source, line.recall, line.alone, f"{line.recall:.1%}, alone {line.alone:.1%}")
        for line in placement.sources
        if line.recall
    ]
    if whole is not None:
        totals = (
            ("all sources (ceiling)", whole.ceiling),
            (f"list of {placement.length}", whole.in_list),
            (f"first {placement.k}", whole.at_k),
        )
        rows += [plots.Bar(told, share, 0.0, f"{share:.1%}", is_total=True) for told, share in totals]
    words = f"{name}: share of the purchases found. " + "; ".join(f"{bar.name} {bar.text}" for bar in rows)
    svg = plots.bars(f"ledger-{_key(name)}", words, rows, label="share of the purchases")
    n = f", {whole.n_targets:,} purchases of {whole.n_users:,} users" if whole is not None else ""
    kind = "all purchases" if placement.targets == "all" else "purchases of items new to the user"
    return Figure(svg, f"{name}: {kind}{n}; hatched is what no other source proposed.")


def _lost(name: str, placement: PlacementLedger) -> Table:
    header = (
        "users", "n", "bought", "ceiling", f"first {placement.k}", f"list of {placement.length}", "not proposed",
        "ranked low", "no room", "mend",
    )  # fmt: skip
    rows = []
    for line in placement.segments[:MOST_SEGMENTS]:
        shares = (line.ceiling, line.at_k, line.in_list, line.not_proposed, line.ranked_low, line.no_room)
        told = [Cell(f"{share:.1%}") for share in shares]
        rows.append((Cell(line.segment or "all"), count(line.n_users), count(line.n_targets), *told, Cell(line.mend)))
    return Table(f"{name}: where the purchases went", header, rows)


def calibration(night: Night) -> Section:
    """Purchases foreseen beside those that came."""
    lead = "Whether the ranker's probabilities come true; points on the dashed line are as foreseen."
    rows = night.of(tables.RELIABILITY)
    if not rows:
        return Section("calibration", "Calibration", lead, absent="The ranker of this night was not calibrated.")
    blocks: list[Block] = []
    for placement in night.settings.placements:
        bins = [row for row in rows if row["placement"] == placement]
        if bins:
            blocks.append(_reliability(night, placement, bins))
    return Section("calibration", "Calibration", lead, blocks)


def _reliability(night: Night, placement: str, bins: list[Row]) -> Figure:
    series = [
        ("after the map", [(row["predicted"], row["observed"]) for row in bins]),
        ("logistic of the score", [(row["uncalibrated"], row["observed"]) for row in bins]),
    ]
    highest = bins[-1]
    words = (
        f"{placement}: probabilities after the map against shares that were bought, {len(bins)} bins; in the highest "
        f"{highest['predicted']:.4f} was foreseen and {highest['observed']:.4f} came."
    )
    errors = {
        row["metric"]: row["value"]
        for row in night.of(tables.METRICS)
        if (row["protocol"], row["placement"], row["system"]) == (WITHIN, placement, OURS)
    }
    error = errors.get("calibration_error")
    told = "" if error is None else f"; mean error {error:.4f}, protocol candidate set"
    n_pairs = sum(row["n_pairs"] for row in bins)
    svg = plots.against_diagonal(
        f"calibration-{_key(placement)}", words, series, labels=("foreseen probability", "share that was bought")
    )
    return Figure(svg, f"{placement}: {n_pairs:,} candidates of {highest['n_users']:,} users{told}.")


def objectives(night: Night) -> Section:
    """The chosen weights, what they cost on tonight's holdout, and what other weights would by the last sweep."""
    lead = (
        "Lists are ordered by more than engagement; here is what the chosen weights cost in quality, and what they buy."
    )
    weights = [Text(f"{name}: {_weights(night, name)}") for name in night.settings.placements]
    blocks: list[Block] = [*weights, *_costs(night)]
    if night.sweep is None:
        return Section("objectives", "Objectives", lead, blocks)
    about = f"Other weights, swept as of {night.sweep['as_of']}, window from {night.sweep['cut']} on, full catalogue."
    blocks.append(Text(about))
    for name, points in night.sweep["placements"].items():
        if len(points) > 1:
            blocks += [_front(name, points, night.sweep["k"]), _points(name, points, night.sweep["k"])]
    return Section("objectives", "Objectives", lead, blocks)


def _costs(night: Night) -> list[Block]:
    """What the chosen weights make of the first places of each placement, beside engagement alone."""
    numbers, k = Numbers(night.of(tables.METRICS)), night.k
    found: list[Block] = []
    for name in night.settings.placements:
        cost = numbers.row(FULL, name, COST, f"{ORDERED}ndcg_{k}")
        if cost is None:
            continue
        points = [
            {key: row["value"] for key in MEASURED if (row := numbers.row(FULL, name, system, f"{ORDERED}{key}_{k}"))}
            | {"role": role, "weights": {}, "n_users": cost["n_users"], "ndcg_minus_engagement": cost}
            for role, system in (("chosen", CHOSEN), ("engagement alone", ALONE))
        ]
        found.append(_points(f"{name}, tonight's holdout", points, k))
    return found or [Text("What they cost was not measured: nothing was held out tonight.", "quiet")]


def _weights(night: Night, placement: str) -> str:
    weights = night.settings.objectives.weights(night.settings.placements[placement].objectives)
    told = ", ".join(f"{key} {share:.2f}" for key, share in weights.items() if share)
    numbers, k = Numbers(night.of(tables.METRICS)), night.k
    is_measured, has_margins = (
        numbers.row(FULL, placement, CHOSEN, f"{ORDERED}{key}_{k}") is not None for key in ("ndcg", "margin")
    )
    if weights["margin"] and is_measured and not has_margins:
        return f"{told}; the shop has no margins, the others take their weight"
    return told


def _front(name: str, points: list[dict[str, Any]], k: int) -> Figure:
    shown = [point for point in points[2:] if point["ndcg"] >= 0.8 * points[1]["ndcg"]]
    named = [("engagement alone", points[1]["ndcg"], points[1]["diversity"]),
             ("chosen", points[0]["ndcg"], points[0]["diversity"])]  # fmt: skip
    words = f"{name}: " + "; ".join(f"{told} has nDCG@{k} {x:.4f} and diversity {y:.3f}" for told, x, y in named)
    svg = plots.cloud(
        f"objectives-{_key(name)}",
        words,
        [(point["ndcg"], point["diversity"]) for point in shown],
        named,
        labels=(f"nDCG@{k}", "diversity of a list"),
    )
    return Figure(svg, f"{name}: every point is one set of weights, {points[0]['n_users']:,} users; "
                       "those that lose a fifth of the nDCG are left out.")  # fmt: skip


def _points(name: str, points: list[dict[str, Any]], k: int) -> Table:
    cost = points[0]["ndcg_minus_engagement"]
    bought = ["diversity", "coverage", *(["margin"] if points[0].get("margin") is not None else [])]
    rows = []
    for point in points[:2]:
        gain = Cell("")
        if point is points[0]:
            gain = Cell(f"{cost['value']:+.4f}", small=interval(cost["low"], cost["high"], "+.4f"))
        told = ", ".join(f"{key} {share:.2f}" for key, share in point["weights"].items() if share)
        numbers = [number(point.get(key), ".3f") for key in bought]
        rows.append((Cell(point["role"], small=told), Cell(f"{point['ndcg']:.4f}"), gain, *numbers))
    header = ("weights", f"nDCG@{k}", "minus engagement alone, paired", *bought)
    return Table(f"{name}: the chosen weights, {points[0]['n_users']:,} users", header, rows)


def rules(night: Night) -> Section:
    """What each rule moved."""
    lead = "What the shop's own rules did to tonight's lists."
    rows = night.of(tables.RULE_EFFECTS)
    if not rows:
        none = "No rule applied tonight." if not night.settings.rules else "No effect of a rule was written tonight."
        return Section("rules", "Rules", lead, absent=none)
    header = ("rule", "placement", "kind", "items", "lists touched", "removed", "added", "moved", "places up")
    keys = ("items", "lists", "removed", "added", "moved", "places_up")
    cells = [
        (Cell(row["rule"]), Cell(row["placement"]), Cell(row["kind"]), *[count(row[key]) for key in keys])
        for row in rows
    ]
    return Section("rules", "Rules", lead, [Table("Entries of all lists", header, cells)])


def exploration(night: Night) -> Section:
    """How much is explored, and what came of what was shown."""
    lead = "A share of the slots shows new and under-exposed items with known odds; what users did with it is measured."
    told: list[Block] = [Text(_explored(night, name)) for name in night.settings.placements]
    rows = [row for row in night.of(tables.OUTCOME_RATES) if row["position"] == 0 and row["channel"] == "all"]
    if not rows:
        told.append(Text("No outcome of a shown slot is known: no outcomes feed has landed.", "quiet"))
        return Section("exploration", "Exploration and outcomes", lead, told)
    header = ("source of the slot", "placement", "metric", "shown slots", "users", "value", "why not")
    cells = [
        (
            Cell(row["source"]), Cell(row["placement"]), Cell(row["metric"]), count(row["n_slots"]),
            count(row["n_users"]), number(row["value"], ".4f", low=row["low"], high=row["high"]), Cell(row["note"]),
        )
        for row in rows
    ]  # fmt: skip
    days = f"{rows[0]['first_day']} to {night.as_of}"
    table = Table(f"Outcomes from {days}, all channels and positions, 95 % intervals", header, cells)
    return Section("exploration", "Exploration and outcomes", lead, [*told, table])


def _explored(night: Night, placement: str) -> str:
    wanted = night.settings.exploration
    share = wanted.share.get(placement, 0.0)
    if not share:
        return f"{placement}: nothing is explored."
    return f"{placement}: {share:.0%} of the slots {wanted.first_slot} to {wanted.last_slot} are explored."


def _key(name: str) -> str:
    """A name that may stand in an id."""
    return "".join(c if c.isascii() and c.isalnum() else f"-{ord(c):x}-" for c in name)
