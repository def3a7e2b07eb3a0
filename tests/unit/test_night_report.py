from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import pytest

from contracts import settings as contract
from contracts import tables
from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from contracts.settings import Settings
from jobs import lake
from jobs.reports import facts, night_report
from jobs.reports.plots import polyline
from tests.unit.report_page import Page, rows
from tests.unit.report_root import ARABIC, NIGHT, OVERRIDE, SCRIPT, USER, serve, write_root


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Page]:
    """The page of a night of which everything is known."""
    return page_of(write_root(tmp_path_factory.mktemp("root")))


def page_of(settings: Settings, **over: str) -> tuple[str, Page]:
    """The page as written and as read."""
    report = night_report.run(settings, as_of=NIGHT, **over)
    html = Path(report.details["report"]).read_text(encoding="utf-8")
    return html, Page(html)


def test_numbers_are_those_of_the_tables(whole: tuple[str, Page]) -> None:
    """Each with its interval, its users and the name of its protocol; what was not measured is a dash."""
    page = whole[1]
    found = rows(page, "home, protocol full catalogue: all items count")
    assert found[0][:6] == [
        "system",
        "users",
        "nDCG@10",
        "two-stage minus it, nDCG@10",
        "two-stage lists are",
        "nDCG@5",
    ]
    assert found[1][:6] == ["✓ two-stage lists", "1,205", "0.343[0.333, 0.353]", "", "", "0.363[0.353, 0.373]"]
    assert found[2][:6] == [
        "popular, last 28 days", "1,205", "0.313[0.303, 0.323]", "+0.029[+0.019, +0.039]", "✓ ahead", "\u2013",
    ]  # fmt: skip
    assert found[3][:5] == ["source als", "1,205", "0.200[0.190, 0.210]", "+0.004[-0.006, +0.014]", "○ not apart"]
    assert rows(page, "home, protocol candidate set: the ranker alone")[1][:3] == [
        "✓ two-stage lists", "1,205", "0.400[0.390, 0.410]",
    ]  # fmt: skip


def test_thresholds_stand_under_the_names_of_their_protocols(whole: tuple[str, Page]) -> None:
    """Reached or missed, gated or not, side by side."""
    page = whole[1]
    assert rows(page, "home") == [
        ["protocol", "users", "nDCG@5", "AUC, mean per user", "AUC, pooled"],
        ["full catalogue", "1,205", "! 0.412 missed[0.400, 0.430]", "! 0.911 missed, gated[0.400, 0.430]", "\u2013"],
        ["all positives + 99 uniform", "1,205", "✓ 0.879 reached, gated[0.400, 0.430]", "\u2013", "\u2013"],
    ]


def test_the_heat_map_tells_groups_by_arrows_too(whole: tuple[str, Page]) -> None:
    """Each step is a tenth of the value of all users, three at most; head and tail of the items beside each other."""
    html, page = whole
    users = rows(page, "Users by group, protocol full catalogue")
    assert users[0][:3] == ["group", "users", "home: nDCG@10"]
    assert [row[:3] for row in users[1:]] == [
        ["all", "1,205", "0.343[0.333, 0.353]"],
        ["users:new", "85", "0.206 ▼▼▼[0.196, 0.216]"],
        ["users:heavy", "400", "0.411 ▲▲[0.401, 0.421]"],
        [f"segment:{SCRIPT}", "90", "0.343[0.333, 0.353]"],
    ]
    items = rows(page, "Recall of the purchases of item groups, protocol full catalogue")
    assert [row[2] for row in items[1:]] == [
        "0.200[0.190, 0.210]",
        "0.300 ▲▲▲[0.290, 0.310]",
        "0.080 ▼▼▼[0.070, 0.090]",
    ]
    assert html.count('class="down3"') == 4
    assert html.count('class="up2"') == 2


def test_sources_calibration_and_fairness_are_told(whole: tuple[str, Page]) -> None:
    """The plots say in words what they show; the gap stands with its interval and users."""
    html, page = whole
    assert (
        "own 40.2%, alone 30.0%; als 15.0%, alone 2.0%; all sources (ceiling) 70.0%; list of 50 41.0%; first 10 25.0%"
        in html
    )
    assert "home: 300 candidates of 1,012 users; mean error 0.0020, protocol candidate set." in page.text
    assert rows(page, "Gaps between groups of users, protocol full catalogue")[1] == [
        "home: segment", "nDCG@10", "non-UK over UK", "0.031[0.011, 0.051]", "129", "! yellow",
    ]  # fmt: skip
    assert rows(page, "Exposure of items: 1 is in proportion to recent buyers")[1] == [
        "home: brand", SCRIPT, "exposure ratio@10", "1.39", "2,046",
    ]  # fmt: skip


def test_changes_rules_outcomes_and_objectives_are_told(whole: tuple[str, Page]) -> None:
    """With limits, counts and the reason where a number was refused."""
    page = whole[1]
    assert rows(page, "Numbers of the diff")[2:4] == [
        ["median share of a list that stays", "home", "stable", "✓ 0.8600", "0.5", "0.3"],
        [
            "share of a list that stays, worst tenth of the users",
            "home",
            "stable",
            "✕ nothing to compare",
            "0.2",
            "0.05",
        ],
    ]
    assert rows(page, "Entries of all lists")[1] == [
        "<i>pin</i> lamps", "home", "pin", "2", "5,806", "1", "2", "5,800", "12,345",
    ]  # fmt: skip
    outcomes = rows(page, "Outcomes from 2011-10-15 to 2011-11-11, all channels and positions, 95 % intervals")
    assert outcomes[1:] == [
        ["explored", "home", "ctr", "2,240", "598", "0.0321[0.0256, 0.0403]", ""],
        ["snips", "home", "ctr", "41", "12", "\u2013", "refused: overlap 0.009 is below 0.1"],
    ]
    assert rows(page, "home: the chosen weights, 1,205 users")[1] == [
        "chosenengagement 0.60, diversity 0.25, margin 0.15", "0.3380", "-0.0045[-0.0060, -0.0030]", "0.610", "0.520",
        "0.310",
    ]  # fmt: skip
    assert "margin 0.15; the shop has no margins, the others take their weight" in page.text
    assert rows(page, "home, tonight's holdout: the chosen weights, 1,205 users")[1:] == [
        ["chosen", "0.3391", "-0.0034[-0.0050, -0.0020]", "0.620", "0.500"],
        ["engagement alone", "0.3425", "", "0.520", "0.500"],
    ]
    assert "2 users are flagged. By limit: max_catalogue_share: 1, max_events_per_day: 2." in page.text


def test_tonight_stands_beside_the_nights_before(whole: tuple[str, Page]) -> None:
    """The lines say from where to where they go; the share on fallback lists is that of the manifest."""
    html, page = whole
    assert 'aria-label="home: nDCG@10, full catalogue: 0.343 tonight, from 0.300 to 0.343 on 4 nights"' in html
    assert 'aria-label="home: users on fallback lists: 16.7% tonight, first night"' in html
    assert "95 % 0.333 to 0.353, 1,205 users; from 0.300 to 0.343 on 4 nights" in page.text


def test_the_best_and_the_worst_have_titles(whole: tuple[str, Page]) -> None:
    """What was listed and what was bought, hits marked in words, and how much more was bought."""
    page = whole[1]
    assert "nDCG@10 0.988; 2 of 3 listed items bought; 60 bought in the window; 31 baskets before" in page.text
    assert f"Listed {SCRIPT} i1 ✓ bought PLAIN LAMP i0 {ARABIC} i2 ✓ bought" in page.text
    assert "and 48 more" in page.text
    assert "item 100, not in the catalogue" in page.text
    assert "Bought in the window PLAIN LAMP i0 i5 " in page.text
    assert "i5 i5" not in page.text


def test_hostile_titles_are_text(whole: tuple[str, Page]) -> None:
    """Markup and templates in titles, ids and group names show as they are; directions stay inside their own text."""
    html, page = whole
    assert [tag for tag, _ in page.tags if tag in ("script", "iframe", "img", "link", "object")] == []
    assert "<b>1</b>" not in html
    assert USER in page.text
    assert "{{ 7 * 7 }}{% raw %}" in page.text
    assert f"<bdi>{OVERRIDE}</bdi>" in html
    assert f"<bdi>{ARABIC}</bdi>" in html
    assert html.count("\u202e") == html.count("<bdi>\u202e") > 1
    assert "&lt;script&gt;" in html


def test_a_page_is_one_file(whole: tuple[str, Page]) -> None:
    """Nothing is fetched, ids are unique and what is referred to is there; tables have headers, plots have words."""
    html, page = whole
    assert set(re.findall(r"https?://[^\"' <]+", html)) <= {
        "http://www.w3.org/1999/xlink", "http://www.w3.org/2000/svg",
    }  # fmt: skip
    assert page.open == []
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    refers = re.findall(r'(?:href="|url\()#([^")]+)', html)
    assert set(refers) <= set(ids)
    svgs = [attrs for tag, attrs in page.tags if tag == "svg"]
    assert all(a.get("role") == "img" and ("aria-label" in a or a.get("aria-labelledby") in ids) for a in svgs)
    heads = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert set(heads) == {"col", "row"}
    assert html.count("<caption>") == html.count("<table>") > 10


def test_the_same_facts_give_the_same_bytes(tmp_path: Path) -> None:
    """Two roots, two runs; only the root's path differs, and it is not on the page."""
    first = page_of(write_root(tmp_path / "a"))[0]
    assert page_of(write_root(tmp_path / "b"))[0] == first
    assert str(tmp_path) not in first


PUBLISHED = (
    r"Published: users are served 2011-11-11-\w{12}, the two-stage lists on home and those of source als on discover\. "
    r"One gate warns\."
)
HELD = (
    r"Held: 1 of 3 gates are red \(banned_items of home\), so nothing changes for users\. "
    r"Users are served 2011-11-10-aaaaaaaaaaaa\."
)
PASSED = r"The gates passed 2011-11-11-\w{12}, yet it is not served\. Users are served 2011-11-10-aaaaaaaaaaaa\."


@pytest.mark.parametrize(
    ("verdict", "is_served", "sentence"),
    [("blessed", True, PUBLISHED), ("held", False, HELD), ("blessed", False, PASSED)],
)
def test_the_first_sentence_is_the_verdict(tmp_path: Path, verdict: str, is_served: bool, sentence: str) -> None:  # noqa: FBT001
    """Whether it is served, whose lists, and which gates are not green."""
    settings = write_root(tmp_path, verdict=verdict, is_served=is_served)
    assert re.search(sentence, page_of(settings)[1].text)


def test_a_failed_step_is_named(tmp_path: Path) -> None:
    """What the night failed of stands beside what is served."""
    settings = write_root(tmp_path, is_served=False)
    failure = "The step parity failed: HeldByGate: lists differ."
    page = page_of(settings, failure=failure)[1]
    assert failure in page.text


def test_absent_tables_are_told_in_a_line(tmp_path: Path) -> None:
    """A night that only reached its metrics has a page that says what is not there."""
    settings = contract.load(None, {}, root=str(tmp_path))
    row = {"cut": NIGHT, "protocol": "full_catalogue", "placement": "home", "system": "two_stage", "metric": "ndcg_10",
           "segment": None, "value": 0.5, "low": 0.4, "high": 0.6, "n_users": 7}  # fmt: skip
    lake.replace_as_of(Layout(tmp_path), tables.METRICS, [row], NIGHT)
    report = night_report.run(settings, as_of=NIGHT)
    assert set(report.details["absent"]) == {
        "gates", "thresholds", "segments", "ledger", "calibration", "fairness", "changes", "rules", "flagged", "cost",
        "users",
    }  # fmt: skip
    text = Page(Path(report.details["report"]).read_text(encoding="utf-8")).text
    assert "The night did not reach its gates, so nothing of it is published. Nothing was served before." in text
    assert "fairness" not in report.details


def test_nothing_known_is_no_page(tmp_path: Path) -> None:
    """A date without table, snapshot or verdict is an error that says what to run."""
    with pytest.raises(InputMissing, match="Nothing was measured, staged or judged as of 2011-11-11"):
        night_report.run(contract.load(None, {}, root=str(tmp_path)), as_of=NIGHT)
    assert not (tmp_path / "reports").exists()


def test_the_newest_night_is_asked_of_what_is_there(tmp_path: Path) -> None:
    """By metrics, verdict or staged snapshot, whichever is newest."""
    assert facts.newest(Layout(tmp_path)) is None
    write_root(tmp_path)
    assert facts.newest(Layout(tmp_path)) == NIGHT
    (tmp_path / "staging" / "2011-11-13").mkdir()
    assert facts.newest(Layout(tmp_path)) == dt.date(2011, 11, 13)


def test_a_replaced_night_says_so(tmp_path: Path) -> None:
    """The pointer has gone on: the page names what is served now."""
    settings = write_root(tmp_path)
    serve(Layout(tmp_path), "2011-11-12-bbbbbbbbbbbb")
    assert "yet it is not served. Users are served 2011-11-12-bbbbbbbbbbbb." in page_of(settings)[1].text


def test_a_sweep_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """It names the file; a page without it would hide the damage."""
    settings = write_root(tmp_path)
    (tmp_path / "reports" / f"objectives-{NIGHT}.json").write_text("{", encoding="utf-8")
    with pytest.raises(InputInvalid, match="The sweep of the objectives cannot be read"):
        night_report.run(settings, as_of=NIGHT)


def test_a_line_has_a_gap_where_a_night_is_missing() -> None:
    """Runs of known values, each spread over the whole box; one value alone is a point in the middle."""
    assert polyline([1.0, 2.0, None, 3.0], width=30, height=10) == ["0.0,10.0 10.0,5.0", "30.0,0.0 30.0,0.0"]
    assert polyline([None, 4.0], width=30, height=10) == ["30.0,5.0 30.0,5.0"]
    assert polyline([None]) == []
