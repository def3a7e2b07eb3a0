from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Candidates, Settings
from jobs.ingest import flag_users
from jobs.training import train_neighbours
from models import artifact, item_arrays, neighbours

AS_OF = dt.date(2026, 3, 31)
N_ITEMS = 4
INT, FLOAT = pa.list_(pa.int32()), pa.list_(pa.float32())


def write(layout: Layout, table: tables.Table, rows: dict[str, Any], **types: pa.DataType) -> None:
    """Appends the rows to a table of the lake."""
    arrays = {name: pa.array(values, types.get(name)) for name, values in rows.items()}
    folders = [] if table.is_ranged else list(table.partition)
    write_deltalake(str(layout.table(table)), pa.table(arrays), mode="append", partition_by=folders or None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Five users, the last one flagged, and four items; item 9 and April are not known yet, 28 days ago is too old."""
    layout, index = Layout(tmp_path), pa.int32()
    day = (AS_OF - dt.date(1970, 1, 1)).days
    bought = {0: [(0, 1, 0), (1, 1, 0)], 1: [(0, 1, 3)], 2: [(0, 1, 28), (2, 0, 1), (9, 1, 1)], 3: [(3, 2, 27)],
              4: [(0, 1, 1)]}  # fmt: skip
    lists = [[pair[at] for pair in pairs] for at in range(3) for pairs in bought.values()]
    items, baskets, ages = lists[:5], lists[5:10], lists[10:]
    write(layout, tables.HISTORIES, {
        "as_of": [AS_OF] * 5, "user_idx": list(bought), "item_idx": items, "baskets": baskets,
        "quantities": [[1.0] * len(of) for of in items], "last_days": [[day - age for age in of] for of in ages],
    }, user_idx=index, item_idx=INT, baskets=INT, quantities=FLOAT, last_days=INT)  # fmt: skip
    write(layout, tables.USER_FEATURES, {
        "as_of": [AS_OF] * 4, "user_idx": [0, 1, 3, 4], "segment": ["gold", "tin", "gold", "bots"],
    }, user_idx=index)  # fmt: skip
    rows = [(0, 0, 0), (0, 1, 0), (1, 0, 0), (1, 1, 0), (2, 2, 1), (2, 3, 1), (2, 0, 2), (4, 0, 3), (4, 3, 3),
            (2, 9, 1), (0, 0, -1), (0, 3, -1), (1, 1, 28), (1, 2, 28)]  # fmt: skip
    write(layout, tables.INTERACTIONS, {
        "day": [AS_OF - dt.timedelta(days=age) for *_, age in rows], "user_idx": [row[0] for row in rows],
        "item_idx": [row[1] for row in rows], "weight": [1.0] * len(rows),
    }, user_idx=index, item_idx=index)  # fmt: skip
    ids = [f"i{n}" for n in range(N_ITEMS)]
    write(layout, tables.ITEM_VOCABULARY, {"item_idx": range(N_ITEMS), "item_id": ids, "first_day": [AS_OF] * 4},
          item_idx=index)  # fmt: skip
    texts: dict[str, Any] = dict.fromkeys(("category", "department"), [None] * 3)
    write(layout, tables.ITEMS, {"as_of": [AS_OF] * 3, "item_idx": [3, 0, 1], "title": ["red mug", "red tea", None],
                                 "brand": ["x", None, None], **texts},
          item_idx=index, category=pa.string(), department=pa.string())  # fmt: skip
    columns: dict[str, list[Any]] = {name: [1.0] * 4 for name in item_arrays.NUMBERS}
    columns |= {name: [None] * 4 for name in item_arrays.CODES}
    columns |= {"item_idx": list(range(4)), "is_recommendable": [True] * 4}
    item_arrays.save(layout.artifact("item_arrays", AS_OF), pa.table(columns), about={})
    left_out = {"user_idx": np.array([4], dtype=np.int32)}
    artifact.save(layout.artifact(flag_users.KIND, AS_OF), arrays=left_out, texts={}, about={})
    return Settings(root=str(tmp_path), candidates=Candidates(neighbours=3, covisit_days=28, scorers=()))


def test_neighbours_are_of_what_was_known(settings: Settings) -> None:
    """Items 0 and 1 share both of item 1's baskets and two of item 0's three, 2 and 3 their one; a bot teaches nothing.

    The texts of items 0 and 3 share one word. Of segments: item 0 was bought by both gold and tin of late, by the
    segmentless user 28 days ago; the bot's segment is not there, and a cancelled pair is no buyer.
    """
    report = train_neighbours.run(cast("SparkSession", None), settings, as_of=AS_OF)
    folder = Layout(Path(settings.root)).artifact("neighbours", AS_OF)
    covisit = neighbours.load(folder, "covisit", N_ITEMS).toarray()
    expected = np.zeros((4, 4))
    expected[0, 1] = expected[1, 0] = 2 / np.sqrt(2 * 3)
    expected[2, 3] = expected[3, 2] = 1
    assert covisit == pytest.approx(expected)
    content = neighbours.load(folder, "content", N_ITEMS)
    assert list(zip(*(found.tolist() for found in content.nonzero()), strict=True)) == [(0, 3), (3, 0)]
    assert artifact.text(folder, "segments.json") == '{"all": 0, "gold": 1, "tin": 2}'
    assert artifact.array(folder, "segment_buyers").tolist() == [[2, 1, 0, 1], [1, 1, 0, 1], [1, 0, 0, 0]]
    assert report.rows["segments"] == 3


def test_the_largest_segments_are_told_apart(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one that is kept, gold has most users; everyone else is in the row of everyone."""
    monkeypatch.setattr(train_neighbours, "MAX_SEGMENTS", 1)
    train_neighbours.run(cast("SparkSession", None), settings, as_of=AS_OF)
    folder = Layout(Path(settings.root)).artifact("neighbours", AS_OF)
    assert artifact.text(folder, "segments.json") == '{"all": 0, "gold": 1}'
    assert artifact.array(folder, "segment_buyers").tolist() == [[2, 1, 0, 1], [1, 1, 0, 1]]
