from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Ranker, Settings
from jobs.training.windows import for_users, window_cuts

AS_OF = dt.date(2026, 11, 24)  # a Tuesday; the grid of seven days since 1970-01-01 lies on Thursdays
LONG_AGO = dt.date(2020, 1, 1)


def cuts(first_day: dt.date, as_of: dt.date = AS_OF, **ranker: object) -> list[str]:
    """The cuts of three windows of 28 days."""
    wanted = Ranker(**({"windows": 3} | ranker))  # type: ignore[arg-type]
    return [cut.isoformat() for cut in window_cuts(Settings(ranker=wanted), as_of, first_day)]


def test_cuts_lie_on_the_grid_and_their_windows_are_over() -> None:
    """The newest Thursday at least 28 days ago, two more every 28 days, and the Thursday a year of 52 weeks ago."""
    assert cuts(LONG_AGO) == ["2026-10-22", "2026-09-24", "2026-08-27", "2025-11-20"]
    assert cuts(LONG_AGO, year_ago=False) == ["2026-10-22", "2026-09-24", "2026-08-27"]


def test_nights_of_one_week_share_their_cuts() -> None:
    """From Thursday to Wednesday the cuts are the same; on the next Thursday they move by a week."""
    assert cuts(LONG_AGO, dt.date(2026, 11, 19)) == cuts(LONG_AGO, dt.date(2026, 11, 25)) == cuts(LONG_AGO)
    assert cuts(LONG_AGO, dt.date(2026, 11, 26))[0] == "2026-10-29"


def test_a_window_that_ends_today_is_over() -> None:
    """What followed a cut is known by the 28th day after it."""
    assert cuts(LONG_AGO, dt.date(2026, 11, 19), windows=1, year_ago=False) == ["2026-10-22"]


def test_every_cut_has_28_days_behind_it() -> None:
    """A history that is one day too short for a cut loses it; a short one gets the latest cut there can be, or none."""
    assert cuts(dt.date(2026, 9, 25)) == ["2026-10-27"]
    assert cuts(dt.date(2026, 8, 27)) == ["2026-10-22", "2026-09-24"]
    assert cuts(dt.date(2026, 8, 28)) == ["2026-10-22"]
    assert cuts(dt.date(2026, 9, 30)) == []
    assert cuts(dt.date.max - dt.timedelta(days=28)) == []


@pytest.mark.parametrize(("n_users", "ranker", "n_windows"), [
    (99, {}, 12), (100, {}, 3), (99, {"few_users_windows": 2}, 3), (99, {"few_users": 0}, 3),
])  # fmt: skip
def test_a_shop_of_few_users_learns_from_more_windows(
    tmp_path: Path, n_users: int, ranker: dict[str, int], n_windows: int
) -> None:
    """Below the limit of known users as of the date; never from fewer windows, and never without a history."""
    settings = Settings(root=str(tmp_path), ranker=Ranker(**({"windows": 3, "few_users": 100} | ranker)))  # type: ignore[arg-type]
    layout = Layout(tmp_path)
    assert for_users(settings, layout, AS_OF) == settings
    users = pa.table({"as_of": pa.array([AS_OF] * n_users), "user_idx": pa.array(range(n_users), pa.int32())})
    write_deltalake(str(layout.table(tables.HISTORIES)), users, partition_by=["as_of"])
    assert for_users(settings, layout, AS_OF).ranker.windows == n_windows
    assert for_users(settings, layout, AS_OF - dt.timedelta(days=1)) == settings
