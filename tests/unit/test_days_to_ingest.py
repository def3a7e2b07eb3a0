from __future__ import annotations

import datetime as dt
from pathlib import Path

import deltalake
import pyarrow as pa
import pytest

from contracts import tables
from contracts.errors import InputInvalid, InputMissing
from contracts.layout import Layout
from jobs.ingest.days_to_ingest import first_to_ingest


def day(n: int) -> dt.date:
    """The n-th of March 2024."""
    return dt.date(2024, 3, n)


def land(root: Path, *days: int) -> Layout:
    """A root folder in which events landed on these days of March 2024."""
    layout = Layout(root)
    for n in days:
        layout.landing_day("events", day(n)).mkdir(parents=True)
    return layout


def ingest(layout: Layout, first: int, last: int) -> None:
    """An events table that holds landing days `first` to `last`."""
    days = pa.array([day(first), day(last)], pa.date32())
    deltalake.write_deltalake(str(layout.table(tables.EVENTS)), pa.table({"landing_date": days}))


def test_a_first_night_ingests_everything_landed(tmp_path: Path) -> None:
    """Without an events table the range starts at the first landing day."""
    assert first_to_ingest(land(tmp_path, 1, 2, 3, 4), day(3)) == day(1)


def test_the_next_night_ingests_its_day(tmp_path: Path) -> None:
    """After a night of the day before, the range is the day alone."""
    layout = land(tmp_path, 1, 2, 3)
    ingest(layout, 1, 2)
    assert first_to_ingest(layout, day(3)) == day(3)


def test_missed_nights_are_made_up_for(tmp_path: Path) -> None:
    """Days that landed since the last night are in the range."""
    layout = land(tmp_path, 1, 2, 4, 5)
    ingest(layout, 1, 2)
    assert first_to_ingest(layout, day(5)) == day(4)


def test_a_night_run_again_ingests_its_day_again(tmp_path: Path) -> None:
    """A day that is in the lake already is read again alone."""
    layout = land(tmp_path, 1, 2, 3)
    ingest(layout, 1, 3)
    assert first_to_ingest(layout, day(2)) == day(2)


def test_history_older_than_the_lake_is_ingested(tmp_path: Path) -> None:
    """A date before all that was ingested starts at the first landing day."""
    layout = land(tmp_path, 1, 2, 3, 4)
    ingest(layout, 4, 4)
    assert first_to_ingest(layout, day(3)) == day(1)


def test_the_newest_day_must_have_landed(tmp_path: Path) -> None:
    """While no later day has landed, a missing folder is an error that names it and the newest day."""
    layout = land(tmp_path, 1, 2)
    with pytest.raises(InputMissing, match="No events landed for 2024-03-03; the newest day is 2024-03-02") as caught:
        first_to_ingest(layout, day(3))
    assert caught.value.where == str(layout.landing_day("events", day(3)))


def test_a_closed_day_goes_on_from_the_day_before(tmp_path: Path) -> None:
    """A day without folder between landed days was closed: the day before is read again, which changes nothing."""
    layout = land(tmp_path, 1, 2, 4)
    ingest(layout, 1, 2)
    assert first_to_ingest(layout, day(3)) == day(2)


def test_nothing_landed_by_then(tmp_path: Path) -> None:
    """A date before the first landing day is an error."""
    with pytest.raises(InputMissing):
        first_to_ingest(land(tmp_path, 5), day(3))


def test_a_folder_that_is_no_date_is_named(tmp_path: Path) -> None:
    """A landing folder with a bad name is an error."""
    layout = land(tmp_path, 1)
    (layout.landing("events") / "date=yesterday").mkdir()
    with pytest.raises(InputInvalid, match="date=yesterday is not a day"):
        first_to_ingest(layout, day(1))
