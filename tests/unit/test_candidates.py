from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from contracts.settings import Shares
from models import candidates, examples
from models.candidates import CandidateBlock
from models.histories import Pairs
from models.item_arrays import ItemArrays
from models.sources.base import Source
from models.sources.own import Own
from models.sources.popular import Popular
from models.user_block import UserBlock

NAN = float("nan")


@pytest.fixture
def sources(items: ItemArrays) -> dict[str, Source]:
    """Own items, and everyone's popular ones."""
    liked = np.array([[5, 4, 3, 2, 1, 9]], dtype=np.float32)
    allowed = items.is_recommendable
    return {"own": Own(items, allowed, 10), "popular": Popular(liked, {}, allowed)}


@pytest.fixture
def made(block: UserBlock, sources: dict[str, Source]) -> CandidateBlock:
    """Own items and one popular new item a user."""
    return candidates.generate(block, sources, 1, {})


def test_candidates_are_the_union_with_who_proposed_them(made: CandidateBlock) -> None:
    """Bit 0 and column 0 are of the first source; 0 is the rank of what a source did not propose."""
    assert made.rows.tolist() == [0, 0, 0, 1, 1, 2, 3]
    assert made.items.tolist() == [0, 1, 2, 0, 2, 0, 0]
    assert made.bits.tolist() == [1, 1, 2, 2, 1, 2, 2]
    assert made.ranks.tolist() == [[1, 0], [2, 0], [0, 1], [0, 1], [1, 0], [0, 1], [0, 1]]


def test_every_source_scores_every_candidate(made: CandidateBlock) -> None:
    """The popular score stands beside own items too; own has none for new items."""
    assert made.scores[:, 1].tolist() == [5, 4, 3, 5, 3, 5, 5]
    assert made.scores[:, 0] == pytest.approx([0.9, 0.1, NAN, NAN, 0.15, NAN, NAN], nan_ok=True)


def test_an_item_of_two_sources_is_one_candidate(block: UserBlock, sources: dict[str, Source]) -> None:
    """Asked twice, the popular source sets both its bits and both its ranks."""
    twice = candidates.generate(block, {"first": sources["popular"], "second": sources["popular"]}, 1, {})
    assert (twice.bits.tolist(), twice.ranks.tolist()) == ([3] * 4, [[1, 1]] * 4)


def test_candidates_survive_their_table(made: CandidateBlock) -> None:
    """Matrices are row-major: what is read is what was written."""
    columns = candidates.to_columns(made, 4)
    columns["proposed_idx"] = columns.pop("item_idx")
    back = candidates.read(pa.RecordBatch.from_pydict(columns), 2, 0)
    for name in ("rows", "items", "bits", "ranks"):
        assert getattr(back, name).tolist() == getattr(made, name).tolist()
    np.testing.assert_array_equal(back.scores, made.scores)


AFTER = pa.array([[0, 4], [], None, [0]], pa.list_(pa.int32()))


def test_users_who_bought_no_candidate_teach_nothing(block: UserBlock, made: CandidateBlock) -> None:
    """User 0 bought candidate 0, user 3 too; users 1 and 2 bought nothing, and item 4 was no candidate."""
    rows = examples.label(block, made, AFTER, shares=Shares(1.0, 1.0), seed=1)
    assert list(
        zip(rows.candidates.rows.tolist(), rows.candidates.items.tolist(), rows.labels.tolist(), strict=True)
    ) == [
        (0, 0, 1),
        (0, 1, 0),
        (0, 2, 0),
        (3, 0, 1),
    ]
    assert rows.is_new.tolist() == [False, False, True, True]


def test_what_was_bought_is_kept_whatever_the_share(block: UserBlock, made: CandidateBlock) -> None:
    """With a share of 0 of the others, the bought candidates alone are left."""
    rows = examples.label(block, made, AFTER, shares=Shares(0.0, 0.0), seed=1)
    assert (rows.candidates.items.tolist(), rows.labels.tolist()) == ([0, 0], [1, 1])


def test_own_and_new_negatives_are_sampled_alike(block: UserBlock) -> None:
    """Of 6000 users' own and new unbought candidates, a fifth of each is kept, within four standard deviations."""
    n = 6000
    big = UserBlock(np.arange(n, dtype=np.int32), ["a"] * n, {}, block.pairs, _owns_item_1(block, n), 6)
    rows, items = np.repeat(np.arange(n), 3), np.tile(np.array([0, 1, 2], dtype=np.int32), n)
    none = np.zeros((3 * n, 1))
    wide = CandidateBlock(rows, items, items, none.astype(np.float32), none.astype(np.int16))
    kept = examples.label(big, wide, pa.array([[0]] * n, pa.list_(pa.int32())), shares=Shares(0.2, 0.2), seed=3)
    own = np.count_nonzero((kept.labels == 0) & ~kept.is_new)
    new = np.count_nonzero((kept.labels == 0) & kept.is_new)
    assert np.count_nonzero(kept.labels) == n
    assert abs(own - 0.2 * n) < 125
    assert abs(new - 0.2 * n) < 125


def _owns_item_1(block: UserBlock, n: int) -> Pairs:
    one = block.pairs.take(np.array([1]))
    repeated = one.take(np.zeros(n, dtype=np.int64))
    repeated.rows[:] = np.arange(n)
    return repeated
