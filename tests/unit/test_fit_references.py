from __future__ import annotations

import datetime as dt
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession
from scipy import sparse

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Candidates, Evaluation, References, Settings
from jobs.evaluation import fit_references
from jobs.kernels.blocks import Kitchen
from models import artifact, item_arrays

AS_OF = dt.date(2026, 3, 1)
LATER = AS_OF + dt.timedelta(days=7)
ALL = ("personal_then_popular", "popular", "cosine", "ease", "als_alone", "tifuknn", "last_week")
SPARK = cast("SparkSession", SimpleNamespace(sparkContext=SimpleNamespace(master="local[1]")))
# Users 0 and 1 bought 0 and 1; item 2 was bought and cancelled, item 3 by user 2 alone, and 9 is not known yet.
PAIRS = {0: [(0, 1), (1, 1), (2, 0)], 1: [(0, 2), (1, 1), (9, 1)], 2: [(3, 1)]}


def _histories(pairs: dict[int, list[tuple[int, int]]], as_of: dt.date) -> pa.Table:
    rows = [
        {
            "as_of": as_of,
            "user_idx": user,
            "item_idx": [item for item, _ in bought],
            "baskets": [max(n, 1) for _, n in bought],
            "quantities": [float(n) for _, n in bought],
        }
        for user, bought in pairs.items()
    ]
    lists = [
        ("item_idx", pa.list_(pa.int32())),
        ("baskets", pa.list_(pa.int32())),
        ("quantities", pa.list_(pa.float32())),
    ]
    return pa.Table.from_pylist(rows, pa.schema([("as_of", pa.date32()), ("user_idx", pa.int32()), *lists]))


@pytest.fixture
def kitchen(tmp_path: Path) -> Kitchen:
    """Histories of two dates, the later one with purchases that the earlier does not know, and four items."""
    layout = Layout(tmp_path)
    known = _histories(PAIRS, AS_OF)
    future = _histories({user: [(item, 1) for item in range(4)] for user in range(3)}, LATER)
    for table in (known, future):
        write_deltalake(str(layout.table(tables.HISTORIES)), table, mode="append", partition_by=["as_of"])
    n = 4
    columns: dict[str, list[Any]] = {name: [1.0] * n for name in item_arrays.NUMBERS}
    columns |= {name: [None] * n for name in item_arrays.CODES}
    columns |= {"item_idx": list(range(n)), "is_recommendable": [True] * n, "title": [None] * n}
    folder = layout.artifact("item_arrays", AS_OF)
    item_arrays.save(folder, pa.table(columns), about={})
    return Kitchen((lambda: folder, lambda: folder, lambda: folder), Candidates(), AS_OF)


@pytest.fixture(autouse=True)
def days_read(monkeypatch: pytest.MonkeyPatch) -> list[dt.date]:
    """The last days of what was read of interactions, whose frequencies are a stand-in."""
    read: list[dt.date] = []
    monkeypatch.setattr(fit_references.storage, "read", lambda *_, last: read.append(last))
    rows = sparse.csr_matrix(np.eye(3, 4, dtype=np.float32))
    monkeypatch.setattr(fit_references, "frequencies", lambda *_: rows)
    return read


def _fit(tmp_path: Path, kitchen: Kitchen, *, has_earlier: bool = True, **wanted: Any) -> fit_references.Fitted:
    settings = Settings(
        root=str(tmp_path), threads=1, evaluation=Evaluation(references=ALL), references=References(**wanted)
    )
    return fit_references.fit(SPARK, settings, Layout(tmp_path), kitchen, has_earlier=has_earlier)


def test_references_know_what_was_bought_by_their_date(
    tmp_path: Path, kitchen: Kitchen, days_read: list[dt.date]
) -> None:
    """Purchases of later days, cancelled ones and unknown items leave no trace in what is fitted."""
    fitted = _fit(tmp_path, kitchen, ease_items=4)
    assert (fitted.names, fitted.left_out) == (ALL, {})
    layout = Layout(tmp_path)
    similar = artifact.array(layout.artifact("reference_cosine", AS_OF), "cosine_indices")
    assert sorted(similar.tolist()) == [0, 1]
    weights = artifact.array(layout.artifact("reference_ease", AS_OF), "weights")
    assert np.argwhere(weights).tolist() == [[0, 1], [1, 0]]
    assert days_read == [AS_OF]


def test_what_cannot_be_fitted_is_left_out_and_says_why(tmp_path: Path, kitchen: Kitchen) -> None:
    """Too little memory for one, no lists of a week before for another, and ALS is no source of the third."""
    without_als = Kitchen(kitchen.open_folders, Candidates(sources=("own", "popular")), AS_OF)
    fitted = _fit(tmp_path, without_als, has_earlier=False, memory_gigabytes=1e-6)
    assert fitted.names == ("personal_then_popular", "popular", "ease", "tifuknn")
    assert fitted.left_out == {
        "cosine": "left out: needs 1.94e-05 GB, references.memory_gigabytes is 1e-06",
        "als_alone": "left out: als is not among candidates.sources",
        "last_week": "left out: there are no lists as of 2026-02-22",
    }


def test_an_artifact_is_made_again_only_with_other_settings(tmp_path: Path, kitchen: Kitchen) -> None:
    """The same settings leave the files as they are."""
    folder = Layout(tmp_path).artifact("reference_ease", AS_OF)
    _fit(tmp_path, kitchen)
    first = folder.stat().st_ino
    _fit(tmp_path, kitchen)
    assert folder.stat().st_ino == first
    _fit(tmp_path, kitchen, ease_regularization=1.0)
    assert folder.stat().st_ino != first
