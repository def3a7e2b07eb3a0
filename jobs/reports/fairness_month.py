"""The fairness page of a month: how gaps between groups and the exposure of items went, night by night."""

from __future__ import annotations

import calendar
import datetime as dt
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs import lake
from jobs.paths import layout_of
from jobs.reports import page, plots
from jobs.reports.blocks import Block, Cell, Figure, Section, Table, Text, Tone, count, interval, number
from jobs.reports.facts import Row, rows_of
from jobs.reports.people import GAP_TONES
from jobs.reports.quality import name_of
from jobs.reports.verdict import Verdict
from models.fairness import NOT_ENOUGH

FOOTER: Final = (
    "Quality is measured on the newest past window of each night, protocol full catalogue; nights of one week share a "
    "window. Intervals are 95 %, of gaps widened for all pairs compared."
)
WORST_FIRST: Final = ("red", "yellow", "green", NOT_ENOUGH)
Gap = tuple[str, str, str]  # placement, what parts the groups, metric


@dataclass(frozen=True, slots=True)
class Month:
    """Rows of the table `fairness` by night, without `as_of`, and the days that have none."""

    first: dt.date
    last: dt.date
    nights: dict[dt.date, list[Row]]

    @property
    def silent(self) -> list[dt.date]:
        """Days up to the last night without a row."""
        days = [self.first + dt.timedelta(days=n) for n in range((self.last - self.first).days + 1)]
        return [day for day in days if day not in self.nights]

    def gaps(self) -> dict[Gap, dict[dt.date, Row]]:
        """The gap rows by what they are, then by night."""
        found: dict[Gap, dict[dt.date, Row]] = {}
        for night, rows in self.nights.items():
            for row in rows:
                if row["verdict"] is not None:
                    found.setdefault((row["placement"], row["kind"], row["metric"]), {})[night] = row
        return dict(sorted(found.items()))


def run(settings: Settings, *, month: dt.date, out: Path | None = None) -> JobReport:
    """The page of a month, up to its last night.

    Args:
        settings: of the shop.
        month: any day of it.
        out: where it goes, `reports/fairness-<month>.html` by default.

    Raises:
        InputMissing: no night of the month measured fairness.
    """
    started, layout = time.perf_counter(), layout_of(settings)
    last = month.replace(day=calendar.monthrange(month.year, month.month)[1])
    path = write(settings, layout, month.replace(day=1), last=last, out=out)
    found = read(layout, month.replace(day=1), last)
    verdicts = [row["verdict"] for rows in found.gaps().values() for row in rows.values()]
    return JobReport(
        job="fairness_month",
        as_of=found.last,
        rows={"nights": len(found.nights), **{f"gaps_{v.replace(' ', '_')}": verdicts.count(v) for v in WORST_FIRST}},
        details={"report": str(path), "verdict": verdict_of(found).sentence},
        seconds=time.perf_counter() - started,
    )


def write(settings: Settings, layout: Layout, first: dt.date, *, last: dt.date, out: Path | None = None) -> Path:
    """The page of the month that begins on `first`, of its nights up to `last`; returns its path.

    Raises:
        InputMissing: none of them measured fairness.
    """
    month = read(layout, first, last)
    html = page.render(
        title=f"{settings.shop.name}, fairness of {first:%B %Y}",
        eyebrow="Larder fairness report",
        verdict=verdict_of(month),
        sections=sections_of(month, settings),
        footer=FOOTER,
    )
    return page.write(out or path_of(layout, first), html)


def path_of(layout: Layout, month: dt.date) -> Path:
    """The file of a month's page."""
    return layout.report(f"fairness-{month:%Y-%m}.html")


def read(layout: Layout, first: dt.date, last: dt.date) -> Month:
    """The nights from `first` to `last` that measured fairness.

    Raises:
        InputMissing: none did.
    """
    days = [day for day in lake.dates(layout, tables.FAIRNESS) if first <= day <= last]
    if not days:
        raise InputMissing(
            f"No night of {first:%Y-%m} up to {last} measured fairness.",
            where=str(layout.table(tables.FAIRNESS)),
            todo="Run nights of that month, or name another one.",
        )
    return Month(first, days[-1], {day: rows_of(layout, tables.FAIRNESS, day) for day in days})


def verdict_of(month: Month) -> Verdict:
    """The last night's gaps in a sentence, and how many of the month were beyond the limit."""
    gaps = month.gaps()
    last = [rows[month.last] for rows in gaps.values() if month.last in rows]
    beyond = [row for row in last if row["verdict"] in ("red", "yellow")]
    nights = sorted({night for rows in gaps.values() for night, row in rows.items() if row["verdict"] == "red"})
    names = "; ".join(_named(row) for row in beyond)
    compared = sum(row["verdict"] != NOT_ENOUGH for row in last)
    if not compared:
        told = f"On {month.last} no two groups had enough users to be compared."
    elif beyond:
        told = f"On {month.last} {len(beyond)} of {compared} gaps are beyond the limit ({names})."
    else:
        told = f"On {month.last} all {compared} gaps between groups of users are within the limit."
    history = f" Nights with a red gap: {len(nights)} of {len(month.nights)}."
    tone: Tone = "quiet" if not compared else "good"
    if beyond:
        tone = "bad" if any(row["verdict"] == "red" for row in beyond) else "warn"
    badges = {"quiet": NOT_ENOUGH, "good": "fair", "warn": "look at it", "bad": "not fair"}
    return Verdict(tone, badges[tone], told + history)


def _named(row: Row) -> str:
    who = f"{row['placement']}, {row['kind']}, {name_of(row['metric'])}: {row['group']} over {row['other']}"
    return f"{who} by {row['value']:.3f} {interval(row['low'], row['high'])}, {row['n']:,} users"


def sections_of(month: Month, settings: Settings) -> list[Section]:
    """Gaps over the nights, each night's verdict, exposure, and what is missing."""
    return [_trends(month, settings), _table(month), _exposure(month), _silence(month)]


def _trends(month: Month, settings: Settings) -> Section:
    lead = "The gap between the best and the worst group of users, with its interval; dotted is the limit."
    limit, days = settings.gates.fairness.max_gap, calendar.monthrange(month.first.year, month.first.month)[1]
    blocks: list[Block] = []
    drawn: dict[tuple[str, str], list[plots.Line]] = {}
    for (placement, kind, metric), nights in month.gaps().items():
        points = [(float(night.day), row["value"], row["low"], row["high"]) for night, row in nights.items()
                  if row["value"] is not None]  # fmt: skip
        if points:
            drawn.setdefault((placement, metric), []).append(plots.Line(kind, points))
    for at, ((placement, metric), lines) in enumerate(sorted(drawn.items())):
        last = "; ".join(f"{line.name} {line.points[-1][1]:.3f} on day {line.points[-1][0]:.0f}" for line in lines)
        words = f"{placement}, gap in {name_of(metric)} by day of the month: {last}"
        svg = plots.trend(f"gap-{at}", words, lines, days=days, label=f"gap in {name_of(metric)}", limit=limit)
        blocks.append(
            Figure(svg, f"{placement}: {name_of(metric)}, protocol full catalogue, by what parts the groups.")
        )
    absent = "" if blocks else "On no night of the month had two groups enough users to be compared."
    return Section("trend", "Gaps over the month", lead, blocks, absent)


def _table(month: Month) -> Section:
    lead = "Nights by verdict, and the gap of the last night that could compare."
    cells = []
    for (placement, kind, metric), nights in month.gaps().items():
        verdicts = [row["verdict"] for row in nights.values()]
        known = [(night, row) for night, row in nights.items() if row["value"] is not None]
        tallies = [Cell(str(verdicts.count(v)), tone=GAP_TONES[v] if v in verdicts else "") for v in WORST_FIRST]
        if known:
            night, row = known[-1]
            told = (
                Cell(f"{row['group']} over {row['other']}", small=night.isoformat()),
                number(row["value"], low=row["low"], high=row["high"]), count(row["n"]),
            )  # fmt: skip
        else:
            told = (Cell("never compared"), number(None), count(None))
        cells.append((Cell(f"{placement}: {kind}"), Cell(name_of(metric)), *tallies, *told))
    header = ("placement: groups", "metric", *(f"nights {v}" for v in WORST_FIRST), "best over worst", "gap [95 %]",
              "users in the smaller")  # fmt: skip
    absent = (
        "" if cells else "No users are parted into groups: the shop has no segment, and `segments.columns` is empty."
    )
    table = Table("Gaps by verdict, protocol full catalogue", header, cells)
    return Section("verdicts", "Verdicts", lead, [table], absent)


def _exposure(month: Month) -> Section:
    lead = "Share of the places in lists over share of the recent buyers, mean of the nights; 1 is in proportion."
    found: dict[tuple[str, str, str], list[Row]] = {}
    for rows in month.nights.values():
        for row in rows:
            if row["metric"].startswith("exposure_ratio") and row["value"] is not None:
                found.setdefault((row["placement"], row["kind"], row["group"]), []).append(row)
    cells = []
    for (placement, kind, group), rows in sorted(found.items()):
        values = [row["value"] for row in rows]
        ends = interval(min(values), max(values), ".2f")
        told = (count(len(rows)), Cell(f"{sum(values) / len(rows):.2f}"), Cell(ends), count(rows[-1]["n"]))
        cells.append((Cell(f"{placement}: {kind}"), Cell(group), *told))
    header = ("placement: groups", "group of items", "nights", "mean ratio", "least and most", "places, last night")
    absent = "" if cells else "No exposure was measured in this month."
    return Section("exposure", "Exposure of items", lead, [Table("Exposure ratios", header, cells)], absent)


def _silence(month: Month) -> Section:
    lead = "What this page does not know."
    poor = [night.isoformat() for night, rows in month.nights.items()
            if any(row["verdict"] == NOT_ENOUGH for row in rows)]  # fmt: skip
    blocks: list[Block] = [
        Text("Nights on which some groups had not enough data: " + (", ".join(poor) or "none") + "."),
        Text("Days without a measurement: " + (", ".join(day.isoformat() for day in month.silent) or "none") + "."),
    ]
    return Section("silence", "Not enough data", lead, blocks)
