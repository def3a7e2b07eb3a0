from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from deltalake import write_deltalake
from scipy import sparse

from contracts import tables
from contracts.days import day_number
from contracts.layout import Layout
from contracts.settings import Candidates, Settings
from jobs.ingest.flag_users import KIND
from jobs.training import fit_scorers
from models import artifact, candidates
from models.item_arrays import ItemArrays
from models.sources import alike, ease
from models.sources.alike import AlikeUsers
from models.sources.ease import Ease
from models.sources.popular import Popular
from models.user_block import UserBlock

AS_OF = dt.date(2026, 3, 1)
LATE = day_number(AS_OF) - 27
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
    kinds |= {"decayed_baskets": pa.list_(pa.float32()), "last_days": pa.list_(pa.int32())}
    schema = pa.schema([("as_of", pa.date32()), ("user_idx", pa.int32()), *kinds.items()])
    for day, known in ((AS_OF, PAIRS), (AS_OF + dt.timedelta(days=1), later)):
        rows = [
            {
                "as_of": day, "user_idx": user, "item_idx": [item for item, _ in pairs],
                "baskets": [1] * len(pairs), "quantities": [float(n) for _, n in pairs],
                "decayed_baskets": [0.5] * len(pairs), "last_days": [LATE - 40 * (n == 2) for _, n in pairs],
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
    made = _fit(layout, items, Candidates(scorers=("ease",), ease_items=3, ease_regularization=1.0))
    assert made["ease_items"].tolist() == [0, 1, 2]
    assert made["ease_weights"] == pytest.approx(np.array([[0, 2 / 3, 0], [2 / 3, 0, 0], [0, 0, 0]]))
    artifact.save(tmp_path / "n", arrays=made, texts={}, about={})
    np.testing.assert_array_equal(ease.load(tmp_path / "n", 6)._weights, made["ease_weights"])


def test_a_shop_without_scorers_fits_nothing(layout: Layout, items: ItemArrays) -> None:
    """The artifact then has no arrays of them."""
    assert _fit(layout, items, Candidates(scorers=())) == {}


def test_of_more_users_a_sample_teaches(layout: Layout, items: ItemArrays) -> None:
    """The same every time; with one of four users no item is bought by more than that one."""
    wanted = Candidates(scorers=("ease",), ease_items=3, ease_regularization=1.0, ease_users=1)
    first, again = (_fit(layout, items, wanted)["ease_weights"] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.max() < 2 / 3


def _pool() -> tuple[sparse.csr_matrix, sparse.csr_matrix]:
    """Profiles of users 0, 7 and 8, of items 0 and 1, and what they bought lately: item 0, item 3 and item 4."""
    profiles = sparse.csr_matrix(np.array([[0.6, 0.8], [1, 0], [0, 1]], dtype=np.float32), shape=(3, 2))
    profiles.resize((3, 6))
    return profiles, sparse.csr_matrix((np.ones(3, np.float32), ([0, 1, 2], [0, 3, 4])), shape=(3, 6))


@pytest.mark.parametrize(("n", "expected"), [(2, [0, 0.6, 0.8, 0]), (1, [0, 0, 0.8, 0])])
def test_the_score_is_the_likeness_of_those_who_bought_it_lately(
    block: UserBlock, n: int, expected: list[float]
) -> None:
    """User 0 took items 0 and 1 in 3 and 4 decayed baskets: a cosine of 0.6 with user 7 and of 0.8 with user 8.

    What the user bought oneself counts nothing, of one neighbour only user 8 does; who bought nothing is like nobody.
    """
    baskets = np.array([3, 4, 1, 1, 1, 1], dtype=np.float32)
    pairs = replace(block.pairs, decayed_baskets=baskets)
    known = replace(block, pairs=pairs, bought=pairs.take(pairs.is_bought))
    scorer = AlikeUsers(*_pool(), np.array([0, 7, 8], np.int32), np.ones(6, np.float32), n)
    made = scorer.score(known, np.array([0, 0, 0, 3]), np.array([0, 3, 4, 3], dtype=np.int32))
    assert made.dtype == np.float32
    assert made == pytest.approx(expected)


def test_a_pool_remembers_profiles_and_late_purchases(layout: Layout, items: ItemArrays, tmp_path: Path) -> None:
    """Of four users one is flagged; items 0 and 1 are equally rare, and user 1 took item 0 more than 28 days ago."""
    made = _fit(layout, items, Candidates(scorers=("alike",)))
    assert made["alike_pool"].tolist() == [0, 1, 2]
    rarity = [np.log(4 / 3), np.log(4 / 3), np.log(2), np.log(4), 0, 0]
    assert made["alike_rarity"] == pytest.approx(rarity)
    artifact.save(tmp_path / "n", arrays=made, texts={}, about={})
    loaded = alike.load(tmp_path / "n", 5)
    half = 0.5**0.5
    assert loaded._by_item.T.toarray()[:, :3] == pytest.approx(np.array([[half, half, 0], [half, half, 0], [0, 0, 1]]))
    assert loaded._recent.toarray()[:, :3].tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 1]]


def test_nobody_is_like_oneself(block: UserBlock) -> None:
    """In a pool of one user, that user has no neighbour."""
    profiles = sparse.csr_matrix(np.array([[1.0, 0, 0, 0, 0, 0]], dtype=np.float32))
    scorer = AlikeUsers(profiles, profiles, np.array([0], np.int32), np.ones(6, np.float32), 3)
    pairs = replace(block.pairs, decayed_baskets=np.ones(6, dtype=np.float32))
    known = replace(block, pairs=pairs, bought=pairs.take(pairs.is_bought))
    assert scorer.score(known, np.array([0, 0]), np.array([0, 1], np.int32)).tolist() == [0, 0]
