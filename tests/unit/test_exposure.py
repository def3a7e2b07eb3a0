"""Counts of what lists showed, and what exploration may draw from them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.settings import Exploration
from jobs.kernels.exploring import Exploring
from models.exposure import Exposure, reach
from models.rerank import Lists

INTS = pa.list_(pa.int32())


def batch(placements: list[str], items: list[list[int]]) -> pa.RecordBatch:
    """Rows of the table `top_n_lists`."""
    return pa.RecordBatch.from_pydict({"placement": placements, "item_idx": pa.array(items, INTS)})


def counted(folder: Path) -> Path:
    """Two home lists and one of discover, of which two places count as shown."""
    made = Exposure(2)
    made.add(batch(["home", "discover"], [[0, 1, 5], [2]]))
    made.add(batch(["home"], [[0, 3, 4]]))
    made.save(folder, about={})
    return folder


def test_reach_is_the_share_of_a_placements_lists(tmp_path: Path) -> None:
    """Item 0 is in both home lists, 1 and 3 in one; places beyond the second count for nothing, nor do new items."""
    folder = counted(tmp_path / "exposure")
    assert reach(folder, "home", 7).tolist() == [1.0, 0.5, 0.0, 0.5, 0.0, 0.0, 0.0]
    assert reach(folder, "discover", 3).tolist() == [0.0, 0.0, 1.0]
    assert reach(folder, "email", 2).tolist() == [0.0, 0.0]


def test_a_first_night_has_shown_nothing(tmp_path: Path) -> None:
    """Without earlier lists every item is under-exposed."""
    Exposure(2).save(tmp_path / "exposure", about={})
    assert reach(tmp_path / "exposure", "home", 2).tolist() == [0.0, 0.0]


def test_only_new_and_under_exposed_items_are_drawn(tmp_path: Path) -> None:
    """Item 1 is shown too often, 3 too, but 3 is new: of the candidates below the list only 3 and 4 come in.

    A pinned item's slot is left to it, and another placement explores nothing.
    """
    folder = counted(tmp_path / "exposure")
    settings = Exploration(share={"home": 1.0}, first_slot=1, last_slot=9, floor=0.0, max_reach=0.4)
    exploring = Exploring(settings, 1, dt.date(2024, 3, 1), 10, lambda: folder)
    catalogue: Any = SimpleNamespace(is_arrival=np.arange(7) == 3, items=SimpleNamespace(n_items=7))

    def lists(*items: int) -> Lists:
        n = len(items)
        return Lists(np.zeros(n, np.int64), np.array(items, np.int32), np.ones(n, np.float32), np.zeros(n, np.int32))

    made, below, users, free = lists(6, 5, 2), lists(6, 5, 2, 1, 3, 4), np.zeros(1, np.int32), np.zeros(7, bool)
    explored = exploring.explored(made, below, users, catalogue, "home", free)
    assert explored.lists.items.tolist() == [3, 4, 2]
    assert explored.lists.reasons.tolist() == [10, 10, 0]
    pinned = exploring.explored(made, below, users, catalogue, "home", np.arange(7) == 6)
    assert pinned.lists.items.tolist() == [6, 4, 2]
    assert pinned.propensities.tolist() == [1.0, 1.0, 1.0]
    elsewhere = exploring.explored(made, below, users, catalogue, "email", free)
    assert elsewhere.lists.items.tolist() == [6, 5, 2]
