from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from contracts.errors import ArtifactCorrupt
from models import shelf
from models.exposure import Exposure
from models.shelf import Shelf


def batch(*rows: tuple[str, list[int]]) -> pa.RecordBatch:
    """Lists of a placement."""
    columns = [pa.array([name for name, _ in rows]), pa.array([items for _, items in rows], pa.list_(pa.int32()))]
    return pa.RecordBatch.from_arrays(columns, names=["placement", "item_idx"])


def test_reach_counts_the_lists_that_show_an_item_first() -> None:
    """Only the first two places count, each placement by itself, over all batches; a slice counts its own rows."""
    reach = Exposure(2)
    reach.add(batch(("home", [3, 1, 0]), ("discover", [2]), ("home", [])))
    reach.add(batch(("home", [9]), ("home", [1, 5]), ("home", [0, 0])).slice(1, 1))
    found = pa.Table.from_batches(reach.rows()).to_pydict()
    assert found == {"placement": ["discover", "home", "home", "home"], "item_idx": [2, 1, 3, 5], "lists": [1, 2, 1, 1]}


def test_a_shelf_comes_back_as_it_was(tmp_path: Path) -> None:
    """Margins with their gaps and the reach of each placement, whatever its name; the same shelf has the same hash."""
    margins = np.array([0.5, np.nan, 0.25], dtype=np.float32)
    made = Shelf(margins, {"new/in": np.array([4, 0, 1]), "home": np.array([0, 2, 0])})
    first = shelf.save(tmp_path / "a", made, about={"as_of": "2024-01-01"})
    assert shelf.save(tmp_path / "b", made, about={"as_of": "2024-01-01"}) == first
    read = shelf.load(tmp_path / "a")
    assert np.array_equal(read.margins, margins, equal_nan=True)
    assert {name: counts.tolist() for name, counts in read.reach.items()} == {"new/in": [4, 0, 1], "home": [0, 2, 0]}


def test_a_shelf_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A missing artifact is an error that says so."""
    with pytest.raises(ArtifactCorrupt, match=r"manifest\.json is absent"):
        shelf.load(tmp_path)
