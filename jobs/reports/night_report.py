"""The report of a night: one page that a product manager can read."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Final

from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.report import JobReport
from contracts.settings import Settings
from jobs.paths import layout_of
from jobs.reports import facts, fairness_month, operations, page, past_nights, people, quality, ranking, verdict
from jobs.reports.blocks import Section
from jobs.reports.facts import Night

FOOTER: Final = (
    "For people inside the shop: it names users by the shop's own ids. No number stands without its protocol; "
    "intervals are 95 % of bootstrap resamples of users."
)


def run(settings: Settings, *, as_of: dt.date, out: Path | None = None, failure: str = "") -> JobReport:
    """The page of a night, and the fairness page of its month, from the tables, the gates' verdict and the store.

    What is not there is told in a line, so that a night that a gate or an error held has its page too.

    Args:
        settings: of the shop.
        as_of: the night.
        out: where it goes, `reports/night-<date>.html` by default; the month's page is then left as it is.
        failure: which step of the night failed and why; empty where none did.

    Raises:
        InputMissing: nothing at all is known of that night.
        LarderError: a table, verdict or manifest cannot be read.
    """
    started = time.perf_counter()
    layout = layout_of(settings)
    night = facts.read(settings, layout, as_of)
    _must_tell(night, layout)
    top, sections = verdict.verdict_of(night, failure), sections_of(night, layout)
    html = page.render(
        title=f"{settings.shop.name}, night of {as_of}",
        eyebrow="Larder night report",
        verdict=top,
        sections=sections,
        footer=FOOTER,
    )
    path = page.write(out or path_of(layout, as_of), html)
    details = {"verdict": top.sentence, "report": str(path)}
    if out is None and night.rows["fairness"]:
        details["fairness"] = str(fairness_month.write(settings, layout, as_of.replace(day=1), last=as_of))
    return JobReport(
        job="night_report",
        as_of=as_of,
        rows={"sections": len(sections), "sections_absent": sum(bool(section.absent) for section in sections)},
        numbers={"report_bytes": float(path.stat().st_size)},
        details={**details, "absent": {section.key: section.absent for section in sections if section.absent}},
        seconds=time.perf_counter() - started,
    )


def _must_tell(night: Night, layout: Layout) -> None:
    if not any(night.rows.values()) and night.blessing is None and night.manifest is None:
        raise InputMissing(
            f"Nothing was measured, staged or judged as of {night.as_of}.",
            where=str(layout.root),
            todo=f"Run `larder night --as-of {night.as_of}`; `larder status` shows the dates that are there.",
        )


def sections_of(night: Night, layout: Layout) -> list[Section]:
    """The sections, top down."""
    return [
        verdict.section(night),
        quality.over_nights(past_nights.series_of(night.settings, layout, night.as_of), night.as_of),
        quality.beside_references(night),
        quality.thresholds(night),
        quality.heat_map(night),
        ranking.ledger(night),
        ranking.calibration(night),
        people.fairness(night),
        operations.changes(night),
        ranking.rules(night),
        ranking.exploration(night),
        ranking.objectives(night),
        people.flagged(night),
        operations.cost(night, layout),
        people.extremes(night),
        operations.versions(night),
    ]


def path_of(layout: Layout, as_of: dt.date) -> Path:
    """The file of a night's page."""
    return layout.report(f"night-{as_of.isoformat()}.html")


def newest(layout: Layout) -> Path | None:
    """The page of the newest night that has one."""
    return max(layout.root.glob("reports/night-????-??-??.html"), default=None)
