from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from contracts import tables
from contracts.layout import Layout
from contracts.settings import Candidates, Settings
from jobs.ingest.flag_users import KIND
from jobs.training import fit_scorers
from models import artifact, candidates
from models.item_arrays import ItemArrays
from models.sources import ease
from models.sources.ease import Ease
from models.sources.popular import Popular
from models.user_block import UserBlock

AS_OF = dt.date(2026, 3, 1)
NAN = float("nan")
WEIGHTS = np.array([[0, 0.5, 0.1], [0.2, 0, -0.3], [0.4, 0.6, 0]], dtype=np.float32)
# Users 0 and 1 bought items 0 and 1, user 3 everything; user 2 bought item 2 and cancelled item 3, and 9 is unknown.
PAIRS = {0: [(0, 1), (1, 1)], 1: [(0, 2), (1, 1), (9, 1)], 2: [(2, 1), (3, 0)], 3: [(0, 1), (1, 1), (2, 1), (3, 1)]}


def test_the_score_is_the_sum_of_the_weights_from_what_was_bought(block: UserBlock) -> None:
    """User 0 bought items 0 and 1; user 2 bought item 5, and cancelled 3; user 3 bought nothing."""
    scorer = Ease(np.array([0, 1, 5], dtype=np.int32), WEIGHTS, 6)
    rows, items = np.array([0, 0, 0, 2, 2, 3]), np.array([0, 1, 5, 1, 2, 0], dtype=np.int32)
    made = scorer.score(block, rows, items)
    assert made.dtype == np.float32
    assert made == pytest.approx([0.2, 0.5, -0.2, 0.6, NAN, 0], nan_ok=True)


def test_a_scorer_adds_a_column_and_no_candidate(block: UserBlock, items: ItemArrays) -> None:
    """The candidates, their bits and ranks are those without it; its scores stand behind those of the sources."""
    liked = np.array([[5, 4, 3, 2, 1, 9]], dtype=np.float32)
    sources = {"popular": Popular(liked, {}, items.is_recommendable)}
    scorer = Ease(np.array([0, 1, 5], dtype=np.int32), WEIGHTS, 6)
    without, made = (candidates.generate(block, sources, 2, scorers) for scorers in ({}, {"ease": scorer}))
    for name in ("rows", "items", "bits", "ranks"):
        np.testing.assert_array_equal(getattr(made, name), getattr(without, name))
    np.testing.assert_array_equal(made.scores[:, :1], without.scores)
    np.testing.assert_array_equal(made.scores[:, 1], scorer.score(block, made.rows, made.items))
    columns = candidates.to_columns(made, block.n_users)
    columns["proposed_idx"] = columns.pop("item_idx")
    back = candidates.read(pa.RecordBatch.from_pydict(columns), 1, 1)
    np.testing.assert_array_equal(back.scores, made.scores)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Histories of a date, and of a later one on which everybody bought everything; user 3 is flagged."""
    found = Layout(tmp_path)
    later = {user: [(item, 1) for item in range(4)] for user in range(4)}
    kinds = {"item_idx": pa.list_(pa.int32()), "baskets": pa.list_(pa.int32()), "quantities": pa.list_(pa.float32())}
    schema = pa.schema([("as_of", pa.date32()), ("user_idx", pa.int32()), *kinds.items()])
    for day, known in ((AS_OF, PAIRS), (AS_OF + dt.timedelta(days=1), later)):
        rows = [
            {
                "as_of": day, "user_idx": user, "item_idx": [item for item, _ in pairs],
                "baskets": [1] * len(pairs), "quantities": [float(n) for _, n in pairs],
            }
            for user, pairs in known.items()
        ]  # fmt: skip
        table = pa.Table.from_pylist(rows, schema)
        write_deltalake(str(found.table(tables.HISTORIES)), table, mode="append", partition_by=["as_of"])
    artifact.save(found.artifact(KIND, AS_OF), arrays={"user_idx": np.array([3], np.int32)}, texts={}, about={})
    return found


def _items(items: ItemArrays) -> ItemArrays:
    buyers = np.array([3, 3, 2, 1, 0, 9], dtype=np.float32)
    return replace(items, numbers={**items.numbers, "buyers": buyers})


def _fit(layout: Layout, items: ItemArrays, wanted: Candidates) -> dict[str, np.ndarray]:
    return fit_scorers.arrays(Settings(threads=1, candidates=wanted), layout, _items(items), AS_OF)


def test_a_scorer_learns_from_what_was_bought_by_its_date(layout: Layout, items: ItemArrays, tmp_path: Path) -> None:
    """Later days, flagged users and item 3 teach nothing.

    Items 0, 1 and 2 are covered. Two users bought 0 and 1 together, G = [[2, 2, 0], [2, 2, 0], [0, 0, 1]], so that with
    1 on the diagonal the weight from one to the other is 2/3.
    """
    made = _fit(layout, items, Candidates(ease_items=3, ease_regularization=1.0))
    assert made["ease_items"].tolist() == [0, 1, 2]
    assert made["ease_weights"] == pytest.approx(np.array([[0, 2 / 3, 0], [2 / 3, 0, 0], [0, 0, 0]]))
    artifact.save(tmp_path / "n", arrays=made, texts={}, about={})
    np.testing.assert_array_equal(ease.load(tmp_path / "n", 6)._weights, made["ease_weights"])


def test_a_shop_without_scorers_fits_nothing(layout: Layout, items: ItemArrays) -> None:
    """The artifact then has no arrays of them."""
    assert _fit(layout, items, Candidates(scorers=())) == {}


def test_of_more_users_a_sample_teaches(layout: Layout, items: ItemArrays) -> None:
    """The same every time; with one of four users no item is bought by more than that one."""
    wanted = Candidates(ease_items=3, ease_regularization=1.0, ease_users=1)
    first, again = (_fit(layout, items, wanted)["ease_weights"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.max() < 2 / 3
