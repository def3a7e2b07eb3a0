from __future__ import annotations

import datetime as dt
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from jobs import catalogue

FIRST = dt.date(2026, 3, 1)
LATER = FIRST + dt.timedelta(days=7)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Items 0 and 1 were seen on the first day, 2 later, though the first catalogue lists it too."""
    made = Layout(tmp_path)
    ids = pa.table({"item_idx": pa.array([2, 0, 1], pa.int32()), "item_id": ["c", "a", "b"],
                    "first_day": pa.array([LATER, FIRST, FIRST])})  # fmt: skip
    write_deltalake(str(made.table(tables.ITEM_VOCABULARY)), ids)
    for day, rows in ((FIRST, {2: "ink", 1: "pen"}), (LATER, {2: "ink", 1: "quill", 0: None})):
        texts = pa.table({"as_of": [day] * len(rows), "item_idx": pa.array(list(rows), pa.int32()),
                          "title": pa.array(list(rows.values()), pa.string())})  # fmt: skip
        write_deltalake(str(made.table(tables.ITEMS)), texts, mode="append", partition_by=["as_of"])
    return made


def test_texts_are_those_known_on_the_date(layout: Layout) -> None:
    """Row i is item i; what the catalogue lacks is null; an item first seen later is not there."""
    assert catalogue.item_texts(layout, FIRST, ("title",))["title"].to_pylist() == [None, "pen"]
    assert catalogue.item_texts(layout, LATER, ("title",))["title"].to_pylist() == [None, "quill", "ink"]


def test_a_date_before_any_catalogue_takes_the_oldest(layout: Layout) -> None:
    """Of a week before nothing was known; the day before the second catalogue has the first."""
    assert catalogue.item_texts(layout, FIRST - dt.timedelta(days=7), ("title",)).num_rows == 0
    before = LATER - dt.timedelta(days=1)
    assert catalogue.item_texts(layout, before, ("title",))["title"].to_pylist() == [None, "pen"]


def test_a_vocabulary_is_counted_by_date(layout: Layout) -> None:
    """Two ids by the first day, three later; of an unwritten vocabulary none."""
    days = (FIRST - dt.timedelta(days=1), FIRST, LATER)
    assert [catalogue.n_known(layout, tables.ITEM_VOCABULARY, day) for day in days] == [0, 2, 3]
    assert [catalogue.n_seen(layout, tables.ITEM_VOCABULARY, day) for day in days] == [0, 2, 3]
    assert catalogue.n_known(layout, tables.USER_VOCABULARY, LATER) == 0


def test_without_a_catalogue_nothing_is_guessed(tmp_path: Path) -> None:
    """The error names the table."""
    with pytest.raises(InputMissing, match="items"):
        catalogue.item_texts(Layout(tmp_path), FIRST, ("title",))
