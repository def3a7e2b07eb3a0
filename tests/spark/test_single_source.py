from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from contracts import tables
from contracts.settings import Candidates, Settings
from jobs import storage
from jobs.kernels.ranking import RANKED_SCHEMA
from jobs.ranking import rerank_lists

AS_OF = dt.date(2026, 3, 1)
SOURCES = ("als", "popular")
SCORERS = ("ease",)
# User 1 got 3, 5 and 8 proposed: popular ranked 8, then 3; user 2 got 4 by als alone.
RANKS = {1: [[1, 2], [2, 0], [0, 1]], 2: [[1, 0]]}
ITEMS = {1: [3, 5, 8], 2: [4]}


def _frame(spark: SparkSession, table: tables.Table) -> DataFrame:
    if table.name == "ranked":
        rows: list[Any] = [
            (placement, user, [7], [0.5], [1], [0]) for placement in ("home", "discover") for user in ITEMS
        ]
        return spark.createDataFrame(rows, RANKED_SCHEMA)
    columns = "user_idx int, item_idx array<int>, source_bits array<int>, source_scores binary, source_ranks binary"
    made = []
    for user, ranks in RANKS.items():
        scores = np.zeros((len(ranks), len(SOURCES) + len(SCORERS)), dtype=np.float32)
        binary = (bytearray(scores.tobytes()), bytearray(np.array(ranks, dtype=np.int16).tobytes()))
        made.append((user, ITEMS[user], [3] * len(ranks), *binary))
    return spark.createDataFrame(made, columns)


def test_a_placement_gets_the_lists_of_the_source_that_was_chosen(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the source's own order, with it as the reason; the other placement keeps what the ranker said."""
    monkeypatch.setattr(storage, "read_as_of", lambda _spark, _layout, table, _as_of: _frame(spark, table))
    settings = Settings(root=str(tmp_path), candidates=Candidates(sources=SOURCES, scorers=SCORERS))
    chosen = rerank_lists.chosen(spark, settings, {"discover": "popular", "home": "two_stage"}, as_of=AS_OF)
    rows = {(row["placement"], row["user_idx"]): row for row in chosen.collect()}
    assert set(rows) == {(placement, user) for placement in ("home", "discover") for user in ITEMS}
    assert [row["item_idx"] for key, row in sorted(rows.items())] == [[8, 3], [], [7], [7]]
    assert rows["discover", 1]["scores"] == [0.0, -1.0]
    assert rows["discover", 1]["main_sources"] == [1, 1]
    assert rows["discover", 1]["source_bits"] == [2, 2]
