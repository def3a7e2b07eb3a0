from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import deltalake
import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession

from contracts import tables
from contracts.layout import Layout
from jobs import lake
from jobs.evaluation.extreme_users import rows_of
from jobs.evaluation.measure import Measured
from jobs.kernels import measuring
from models.measures import FULL, OURS, Key, Plan

PLAN = Plan((("home", True), ("discover", False)), ("own",), 2)
KITCHEN: Any = SimpleNamespace(as_of=dt.date(2024, 1, 1))
# The ids of the vocabulary are in another order than the users measured.
IDS = {4: "<b>d</b>", 9: "nina", 7: "seven"}
USERS = [4, 7, 9]
NDCG = {"home": [0.25, 1.0, 0.5], "discover": [np.nan, 0.0, 0.75]}
LISTED = {"home": [[5, 6], [1, 2], [3, -1]], "discover": [[-1, -1], [8, 9], [9, 4]]}
TRUTH = [(9, [3, 9], [9]), (4, [6], []), (7, [1, 2, 5], [5]), (100, [1], [1])]


def measured() -> Measured:
    """Three users with their NDCG at 2 and lists; what is measured beside these is unknown."""
    keys, lists = measuring.keys(PLAN)
    numbers = np.full((3, len(keys)), np.nan, dtype=np.float32)
    tops = np.full((3, len(lists), 2), -1, dtype=np.int32)
    for placement, values in NDCG.items():
        numbers[:, keys.index(Key(FULL, placement, OURS, "ndcg_2"))] = values
        tops[:, lists.index((placement, OURS))] = LISTED[placement]
    table = pa.table(
        {
            "user_idx": pa.array(USERS, pa.int32()),
            "n_baskets": pa.array([3, None, 1], pa.int32()),
            "numbers": pa.array(numbers.tolist(), pa.list_(pa.float32())),
            "tops": pa.array(tops.reshape(3, -1).tolist(), pa.list_(pa.int32())),
        }
    )
    return Measured(table, PLAN, KITCHEN, {})


def test_extremes_have_the_truth_and_the_list_of_their_placement(spark: SparkSession, tmp_path: Path) -> None:
    """Each user's own id, list and purchases, repeats where they count; a user who does not count is not told."""
    layout = Layout(tmp_path)
    lake.create(layout, tables.USER_VOCABULARY)
    first = [dt.date(2024, 1, 1)] * len(IDS)
    rows = {"user_idx": pa.array(list(IDS), pa.int32()), "user_id": list(IDS.values()), "first_day": first}
    kinds = {"user_idx": pa.int32(), "user_id": pa.string(), "first_day": pa.date32()}
    schema = pa.schema([pa.field(name, kind, nullable=False) for name, kind in kinds.items()])
    deltalake.write_deltalake(str(layout.table(tables.USER_VOCABULARY)), pa.table(rows, schema), mode="append")
    truth = spark.createDataFrame(TRUTH, "user_idx int, truth_all array<int>, truth_new array<int>")
    made = rows_of(measured(), truth, layout)
    told = [
        (r["placement"], r["side"], r["place"], r["user_idx"], r["user_id"], r["value"], r["n_taken"], r["listed"],
         r["taken"])
        for r in made
    ]  # fmt: skip
    assert told == [
        ("home", "best", 1, 7, "seven", 1.0, 3, [1, 2], [1, 2, 5]),
        ("home", "best", 2, 9, "nina", 0.5, 2, [3], [3, 9]),
        ("home", "worst", 1, 4, "<b>d</b>", 0.25, 1, [5, 6], [6]),
        ("discover", "best", 1, 9, "nina", 0.75, 1, [9, 4], [9]),
        ("discover", "worst", 1, 7, "seven", 0.0, 1, [8, 9], [5]),
    ]
    assert {(r["cut"], r["metric"]) for r in made} == {(dt.date(2024, 1, 2), "ndcg_2")}
    assert [r["n_baskets"] for r in made] == [0, 1, 3, 1, 0]
    assert lake.replace_as_of(layout, tables.EXTREME_USERS, made, dt.date(2024, 1, 31)) == 5
