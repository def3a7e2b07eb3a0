from __future__ import annotations

import datetime as dt
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts import tables
from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.settings import Ranker, Settings
from jobs.ingest import flag_users
from jobs.training import train_ranker
from models import artifact
from models.ranker import is_sampled

AS_OF = dt.date(2026, 3, 31)
CUTS = [dt.date(2026, 3, 1), dt.date(2026, 2, 1)]
COLUMNS = {"labels": pa.list_(pa.int8()), "is_new": pa.list_(pa.bool_()), "features": pa.binary()}


def write(layout: Layout, cut: dt.date, users: list[int], *, has_log: bool) -> None:
    """Two rows a user; a window without a log was written before the table had its columns."""
    rows = {
        "labels": [[1, 0]] * len(users),
        "is_new": [[True, False]] * len(users),
        "features": [b"12345678"] * len(users),
    }
    arrays = {name: pa.array(rows[name], kind) for name, kind in COLUMNS.items()}
    arrays |= {"as_of": pa.array([cut] * len(users)), "user_idx": pa.array(users, pa.int32())}
    if has_log:
        arrays |= {"weights": pa.array([[1.0, 0.5]] * len(users), pa.list_(pa.float32())),
                   "n_shown": pa.array([2] * len(users), pa.int32())}  # fmt: skip
    path = str(layout.table(tables.EXAMPLES))
    write_deltalake(path, pa.table(arrays), mode="append", partition_by=["as_of"], schema_mode="merge")


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two windows, and a third that is not asked for; user 3 is flagged."""
    made = Layout(tmp_path)
    write(made, CUTS[1], [5, 3, 1], has_log=False)
    write(made, CUTS[0], [4, 1, 3, 2], has_log=True)
    write(made, dt.date(2026, 1, 1), [1, 2], has_log=False)
    left_out = {"user_idx": np.array([3], dtype=np.int32)}
    artifact.save(made.artifact(flag_users.KIND, AS_OF), arrays=left_out, texts={}, about={})
    return made


def test_examples_come_by_window_and_user(layout: Layout) -> None:
    """Oldest window first, whoever was flagged left out; what a window's files lack is null."""
    found = train_ranker._load(Settings(), layout, CUTS, AS_OF)
    assert found["as_of"].to_pylist() == [CUTS[1]] * 2 + [CUTS[0]] * 3
    assert found["user_idx"].to_pylist() == [1, 5, 1, 2, 4]
    assert found["labels"].to_pylist() == [[1, 0]] * 5
    assert found["n_shown"].to_pylist() == [None, None, 2, 2, 2]
    assert found["weights"].to_pylist() == [None, None, *[[1.0, 0.5]] * 3]
    assert train_ranker._load(Settings(), layout, CUTS[1:], AS_OF)["n_shown"].to_pylist() == [None, None]


def test_too_many_examples_are_thinned_by_user(layout: Layout) -> None:
    """Of ten rows six may stay: a user is in with all windows or with none, as a hash says."""
    settings = msgspec.structs.replace(Settings(), ranker=Ranker(max_examples=6))
    found = train_ranker._load(settings, layout, CUTS, AS_OF)["user_idx"].to_pylist()
    kept = {user for user in (1, 2, 4, 5) if is_sampled(np.array([user]), 0.6, settings.seed)[0]}
    assert set(found) == kept
    assert 0 < len(kept) < 4
    assert found.count(1) == (2 if 1 in kept else 0)


def test_windows_without_an_example_are_refused(layout: Layout) -> None:
    """The error names the table."""
    with pytest.raises(InputInvalid, match="Nobody bought"):
        train_ranker._load(Settings(), layout, [dt.date(2025, 12, 1)], AS_OF)
