"""The outcome report of hand-made outcomes: what counts as shown, rates, estimates, refusals, teams."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from contracts import tables
from contracts.errors import InputMissing
from contracts.settings import Outcomes, Settings
from jobs import lake
from jobs.outcomes import report_outcomes
from jobs.outcomes.log_slots import SCHEMA
from jobs.paths import layout_of

DAY = dt.date(2024, 3, 2)
SNAPSHOT, OTHER = "2024-03-01-aaaaaaaaaaaa", "2024-03-01-bbbbbbbbbbbb"
TYPES = pa.schema(
    {
        "landing_date": pa.date32(), "outcome_key": pa.string(), "snapshot": pa.string(), "placement": pa.string(),
        "user_id": pa.string(), "item_id": pa.string(), "position": pa.int32(), "kind": pa.string(),
        "at": pa.timestamp("us", "UTC"), "channel": pa.string(), "team": pa.string(), "dwell_seconds": pa.float64(),
        "slot": pa.int32(), "source": pa.string(), "propensity": pa.float32(), "usual_item_id": pa.string(),
    }
)  # fmt: skip


def told(user: str, item: str, position: int, kinds: str, **more: Any) -> list[dict[str, Any]]:
    """Rows of the table `outcomes`: one a kind, of a slot that is at its own place and never explored."""
    base = {
        "landing_date": DAY, "snapshot": SNAPSHOT, "placement": "home", "user_id": user, "item_id": item,
        "position": position, "at": dt.datetime(2024, 3, 2, 8, tzinfo=dt.UTC), "channel": "stable", "team": None,
        "dwell_seconds": None, "slot": position, "source": "own", "propensity": 1.0, "usual_item_id": item,
    }  # fmt: skip
    made = []
    for nth, kind in enumerate(kinds.split()):
        seconds = {"dwell_seconds": 8.0} if kind == "dwell" else {}
        made.append({**base, **more, "kind": kind, "outcome_key": f"{user}{item}{nth}", **seconds})
    return made


def shop(root: Path, *rows: list[dict[str, Any]], **limits: Any) -> Settings:
    """A shop with these outcomes."""
    made = Settings(root=str(root), outcomes=Outcomes(**limits))
    layout = layout_of(made)
    lake.create(layout, tables.OUTCOMES)
    data = pa.Table.from_pylist([row for part in rows for row in part], schema=TYPES)
    deltalake.write_deltalake(str(layout.table(tables.OUTCOMES)), data, mode="append")
    return made


def found(settings: Settings, **asked: Any) -> dict[tuple[str, str, str, int, str], dict[str, Any]]:
    """The report's rows by key."""
    report = report_outcomes.run(settings, as_of=DAY, **asked)
    key = ("placement", "channel", "source", "position", "metric")
    return {tuple(row[name] for name in key): row for row in report.details["rows"]}  # type: ignore[misc]


def test_a_shown_slot_counts_once(tmp_path: Path) -> None:
    """Two impressions and two clicks of a slot are one shown, clicked slot; a click without impression is left out."""
    settings = shop(
        tmp_path,
        told("ann", "tea", 1, "impression impression click click dwell dwell cart purchase purchase"),
        told("ann", "jam", 2, "impression"),
        told("bob", "tea", 1, "impression click dwell purchase"),
        told("bob", "jam", 2, "impression", source="explored"),
        told("zoe", "tea", 1, "click"),
    )
    report = report_outcomes.run(settings, as_of=DAY)
    assert (report.rows["shown_slots"], report.rows["never_shown"]) == (4, 1)
    rows = found(settings)
    values = {key: row["value"] for key, row in rows.items()}
    assert values["home", "all", "all", 0, "ctr"] == 0.5
    assert values["home", "all", "all", 0, "add_to_cart"] == 0.25
    assert values["home", "all", "all", 0, "conversion"] == 0.5
    assert values["home", "all", "all", 0, "repeat_purchase"] == 0.5
    assert values["home", "all", "all", 0, "dwell_seconds"] == 12.0
    assert values["home", "all", "all", 1, "ctr"] == 1.0
    assert values["home", "stable", "explored", 0, "ctr"] == 0.0
    assert rows["home", "all", "all", 0, "ctr"]["low"] < 0.5 < rows["home", "all", "all", 0, "ctr"]["high"]
    assert rows["home", "all", "all", 2, "ctr"]["n_slots"] == 2
    assert report.numbers["home_ctr"] == 0.5


def test_a_night_without_a_feed_says_so(tmp_path: Path) -> None:
    """No table at all, or no row of these days: "no feed", no row, no file."""
    report = report_outcomes.run(Settings(root=str(tmp_path)), as_of=DAY)
    assert report.details["feed"] == "no feed"
    assert report.rows == {"shown_slots": 0, "never_shown": 0, "rates": 0}
    assert not (tmp_path / "reports").exists()
    settings = shop(tmp_path, told("ann", "tea", 1, "impression"))
    assert report_outcomes.run(settings, as_of=DAY - dt.timedelta(days=1)).details["feed"] == "no feed"


def test_the_table_holds_the_rows_of_the_last_run(tmp_path: Path) -> None:
    """A second run leaves the same rows in the table `outcome_rates`, a run that is not kept leaves them alone."""
    settings = shop(tmp_path, told("ann", "tea", 1, "impression click"))
    for is_kept in (True, True, False):
        report = report_outcomes.run(settings, as_of=DAY, is_kept=is_kept)
    stored = list(lake.batches(layout_of(settings), tables.OUTCOME_RATES, DAY, ("metric", "value")))
    assert sum(batch.num_rows for batch in stored) == report.rows["rates"]


def explored_night() -> list[list[dict[str, Any]]]:
    """Forty users with one open slot: ten saw the explored item there and never clicked, thirty the usual one."""
    rows = []
    for n in range(40):
        is_explored = n % 4 == 0
        more: dict[str, Any] = {"usual_item_id": "tea", "propensity": 0.25 if is_explored else 0.75}
        more["source"] = "explored" if is_explored else "own"
        clicked = " click" if n % 3 == 0 and not is_explored else ""
        rows.append(told(f"u{n:02d}", "new" if is_explored else "tea", 1, f"impression{clicked}", **more))
    return rows


def test_no_exploration_is_estimated_from_the_usual_slots(tmp_path: Path) -> None:
    """Ten of the thirty usual slots were clicked: a third, where the log itself had a quarter."""
    settings = shop(tmp_path, *explored_night(), min_effective_slots=10, min_rewards=5)
    rows = found(settings)
    assert rows["home", "all", "snips", 0, "no_exploration_ctr"]["value"] == pytest.approx(1 / 3)
    assert rows["home", "all", "logged", 0, "no_exploration_ctr"]["value"] == 0.25
    assert rows["home", "all", "all", 0, "no_exploration_ctr_overlap"]["value"] == 0.75
    assert rows["home", "all", "all", 0, "no_exploration_ctr_support"]["value"] == pytest.approx(1.0)
    assert rows["home", "all", "all", 0, "no_exploration_ctr_effective_slots"]["value"] == pytest.approx(30.0)
    assert rows["home", "all", "snips", 0, "popular_ctr"]["note"] == "overlap 0.000 is below 0.1"
    assert rows["home", "all", "snips", 0, "popular_ctr"]["value"] is None


def test_what_was_moved_or_not_logged_is_no_evidence(tmp_path: Path) -> None:
    """Slots shown at another place, unlogged ones and interleaved ones are not among the estimate's slots."""
    settings = shop(
        tmp_path,
        *explored_night(),
        told("ann", "tea", 2, "impression", slot=1),
        told("bob", "tea", 1, "impression", slot=0, source="unlogged", propensity=None, usual_item_id=None),
        told("cat", "tea", 1, "impression", channel="interleaved", team="stable"),
    )
    assert found(settings)["home", "all", "snips", 0, "no_exploration_ctr"]["n_slots"] == 40


def test_another_snapshots_lists_are_a_policy(tmp_path: Path) -> None:
    """The lists of a snapshot in the log are valued as they stand without exploration; an unknown one is refused."""
    settings = shop(tmp_path, *explored_night(), min_effective_slots=5, min_rewards=0)
    lists = [
        {"as_of": dt.date(2024, 3, 1), "snapshot": OTHER, "placement": "home", "user_id": f"u{n:02d}",
         "item_ids": ["x"], "usual_item_ids": ["new"], "sources": ["own"], "propensities": [1.0]}
        for n in range(40)
    ]  # fmt: skip
    batch = pa.RecordBatch.from_pylist(lists, schema=SCHEMA)
    lake.replace(layout_of(settings), tables.SLOTS, iter([batch]), {"as_of": "2024-03-01", "snapshot": OTHER})
    rows = found(settings, snapshots=(OTHER,))
    assert rows["home", "all", "snips", 0, f"{OTHER}_ctr"]["value"] == 0.0
    assert rows["home", "all", "all", 0, f"{OTHER}_ctr_overlap"]["value"] == 0.25
    with pytest.raises(InputMissing, match="The slot log has no snapshot 2024-03-01-cccccccccccc"):
        found(settings, snapshots=("2024-03-01-cccccccccccc",))


def test_teams_are_credited_by_user(tmp_path: Path) -> None:
    """Two users click an item of the canary, one an item of the stable list: two thirds prefer the canary."""
    mixed = {"channel": "interleaved"}
    rows = []
    for user, team in (("ann", "canary"), ("bob", "canary"), ("cat", "stable")):
        rows.append(told(user, "tea", 1, "impression click", team=team, **mixed))
        other = "stable" if team == "canary" else "canary"
        rows.append(told(user, "jam", 2, "impression", team=other, **mixed))
    made = found(shop(tmp_path, *rows))["home", "interleaved", "preference", 0, "canary_preference_click"]
    assert made["value"] == pytest.approx(2 / 3)
    assert made["n_users"] == 3


def test_of_many_users_some_are_read(tmp_path: Path) -> None:
    """With room for two users, two of five count, the same two every time."""
    parts = [told(user, "tea", 1, "impression") for user in ("ann", "bob", "cat", "dan", "eve")]
    settings = shop(tmp_path, *parts, max_users=2)
    first, again = (report_outcomes.run(settings, as_of=DAY) for _ in range(2))
    assert first.rows["shown_slots"] == 2
    assert first.details["rows"] == again.details["rows"]


def test_the_screen_shows_all_of_it(tmp_path: Path) -> None:
    """Rates, estimates, refusals and "no feed" are told to a person."""
    from rich.console import Console

    from jobs.commands.outcomes_screen import show_outcomes

    settings = shop(tmp_path, *explored_night(), min_effective_slots=10, min_rewards=5)
    console = Console(width=240, record=True, file=(tmp_path / "screen").open("w"))
    show_outcomes(console, report_outcomes.run(settings, as_of=DAY))
    show_outcomes(console, report_outcomes.run(settings, as_of=DAY - dt.timedelta(days=9)))
    text = console.export_text()
    for fact in ("40 shown slots", "0.2500", "explored", "no_exploration_ctr", "refused: overlap", "no feed"):
        assert fact in text


def test_no_number_is_cut_on_a_narrow_screen(tmp_path: Path) -> None:
    """On 80 columns the rates that have no room stand below, under the same channel, source and position."""
    from rich.console import Console

    from jobs.commands.outcomes_screen import RATES, _show_rates

    facts = {"channel": "all", "source": "explored", "position": 12, "n_slots": 1_234_567, "value": 0.1234}
    console = Console(width=80, record=True, file=(tmp_path / "screen").open("w"))
    _show_rates(console, [{**facts, "metric": name, "low": 0.1111, "high": 0.1357} for name in RATES])
    text = console.export_text()
    assert "…" not in text
    assert text.count("1,234,567") == 3
    assert text.count("0.1357]") == len(RATES) - 1
