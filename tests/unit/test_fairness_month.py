from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from contracts import settings as contract
from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.reports import fairness_month, night_report
from tests.unit.report_page import Page, rows
from tests.unit.report_root import NIGHT, SCRIPT, fairness, write_root

MONTH = dt.date(2011, 11, 1)
NIGHTS = {3: (0.01, "green"), 4: (0.03, "yellow"), 5: (0.05, "red"), 7: (None, "not enough data")}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Four nights of November, one of October, and fairness measured on each."""
    for day, (gap, verdict) in NIGHTS.items():
        lake.replace_as_of(Layout(tmp_path), tables.FAIRNESS, fairness(gap, verdict), MONTH.replace(day=day))
    lake.replace_as_of(Layout(tmp_path), tables.FAIRNESS, fairness(0.5, "red"), dt.date(2011, 10, 31))
    return contract.load(None, {}, root=str(tmp_path))


def page_of(settings: Settings) -> tuple[str, Page]:
    """The page of the month, as written and as read."""
    report = fairness_month.run(settings, month=MONTH)
    html = Path(report.details["report"]).read_text(encoding="utf-8")
    return html, Page(html)


def test_a_month_is_its_own_nights(settings: Settings) -> None:
    """Nights by verdict and the last gap that could be told, with interval and users; other months do not count."""
    html, page = page_of(settings)
    assert rows(page, "Gaps by verdict, protocol full catalogue")[1] == [
        "home: segment", "nDCG@10", "✕ 1", "! 1", "✓ 1", "○ 1", "non-UK over UK2011-11-05", "0.050[0.030, 0.070]",
        "129",
    ]  # fmt: skip
    assert "home, gap in nDCG@10 by day of the month: segment 0.050 on day 5" in html
    assert "0.500" not in html


def test_exposure_is_the_mean_of_the_nights(settings: Settings) -> None:
    """With least and most, and the places of the last night; a hostile brand is text."""
    html, page = page_of(settings)
    assert rows(page, "Exposure ratios")[1] == ["home: brand", SCRIPT, "4", "1.39", "[1.39, 1.39]", "2,046"]
    assert "<script" not in html


def test_what_is_not_known_is_told(settings: Settings) -> None:
    """Nights without enough data, and days without a night."""
    text = page_of(settings)[1].text
    assert "Nights on which some groups had not enough data: 2011-11-07." in text
    assert "Days without a measurement: 2011-11-01, 2011-11-02, 2011-11-06." in text
    assert "On 2011-11-07 no two groups had enough users to be compared. Nights with a red gap: 1 of 4." in text


def test_the_same_month_gives_the_same_bytes(settings: Settings) -> None:
    """Run again."""
    assert page_of(settings)[0] == page_of(settings)[0]


def test_a_month_without_nights_is_an_error(settings: Settings) -> None:
    """It says which month, and writes nothing."""
    with pytest.raises(InputMissing, match="No night of 2011-12 up to 2011-12-31 measured fairness"):
        fairness_month.run(settings, month=dt.date(2011, 12, 5))


def test_a_night_writes_the_page_of_its_month(tmp_path: Path) -> None:
    """Up to that night, with the gap beyond the limit in the first sentence."""
    report = night_report.run(write_root(tmp_path), as_of=NIGHT)
    text = Page(Path(report.details["fairness"]).read_text(encoding="utf-8")).text
    assert "home, segment, nDCG@10: non-UK over UK by 0.031 [0.011, 0.051], 129 users" in text
