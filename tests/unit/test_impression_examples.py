"""Examples of users with logged impressions, and what a ranker learns from them."""

from __future__ import annotations

from typing import Final

import lightgbm
import msgspec
import numpy as np
import pyarrow as pa
import pytest

from contracts.settings import Impressions, Loss, Ranker, Shares
from models import examples, ranker, tuning
from models.candidates import CandidateBlock
from models.examination import Examination
from models.examples import Labelled
from models.impressions import LAST_POSITION, Seen
from models.ranker import Examples, Lesson
from models.user_block import UserBlock

AFTER: Final = pa.array([[0], [], [0], None], pa.list_(pa.int32()))
SPAN: Final = 1 << 32


@pytest.fixture
def wide() -> CandidateBlock:
    """Items 0 to 4 for each of the four users of the block."""
    rows, items = np.repeat(np.arange(4), 5), np.tile(np.arange(5, dtype=np.int32), 4)
    none = np.zeros((20, 1))
    return CandidateBlock(rows, items, items, none.astype(np.float32), none.astype(np.int16))


def seen(cells: dict[tuple[int, int], tuple[float, bool]]) -> Seen:
    """What was shown: by row and item the chance of a look in vain, and whether it was clicked."""
    keys = np.array(sorted(row * SPAN + item for row, item in cells), dtype=np.int64)
    looked, clicked = zip(*(cells[(int(key) // SPAN, int(key) % SPAN)] for key in keys), strict=True)
    return Seen(keys, np.array(looked), np.array(clicked))


def kept(rows: Labelled) -> list[tuple[int, int, int, bool, float]]:
    """Row, item, label, clicked and weight of each example."""
    columns = (rows.candidates.rows, rows.candidates.items, rows.labels, rows.is_clicked)
    weights = [round(float(weight), 4) for weight in rows.weights]
    return list(zip(*(column.tolist() for column in columns), weights, strict=True))


SHOWN: Final = {
    (0, 0): (0.5, True), (0, 1): (0.25, False), (0, 2): (0.5, True),
    (1, 3): (0.75, True), (1, 4): (0.5, False), (3, 1): (0.5, False),
}  # fmt: skip


def test_what_was_shown_to_no_avail_is_the_negative(block: UserBlock, wide: CandidateBlock) -> None:
    """User 0: bought, in vain, clicked. User 1 bought nothing, but clicked. User 2 has no impressions: as ever.

    User 3 was shown one item to no avail and took nothing: there is nothing to rank.
    """
    nothing_else = Impressions(unshown_share=0.0)
    rows = examples.label(block, wide, AFTER, shares=Shares(1.0, 1.0), seed=1, seen=seen(SHOWN), wanted=nothing_else)
    assert [row for row in kept(rows) if row[0] != 2] == [
        (0, 0, 1, False, 1.0),
        (0, 1, 0, False, 0.25),
        (0, 2, 0, True, 1.0),
        (1, 3, 0, True, 1.0),
        (1, 4, 0, False, 0.5),
    ]
    assert [row for row in kept(rows) if row[0] == 2] == [(2, item, int(item == 0), False, 1.0) for item in range(5)]
    assert rows.n_shown.tolist() == [3, 2, 0, 1]


def test_the_unshown_count_as_much_as_the_share_of_the_others(block: UserBlock, wide: CandidateBlock) -> None:
    """Kept at 1 where 0.2 of the others' are kept, each weighs 0.2."""
    rows = examples.label(
        block, wide, AFTER, shares=Shares(0.2, 0.2), seed=1, seen=seen(SHOWN), wanted=Impressions(unshown_share=1.0)
    )
    assert [(item, weight) for row, item, _, _, weight in kept(rows) if row == 0] == [
        (0, 1.0), (1, 0.25), (2, 1.0), (3, 0.2), (4, 0.2),
    ]  # fmt: skip


def test_clicks_worth_nothing_are_neither_positive_nor_negative(block: UserBlock, wide: CandidateBlock) -> None:
    """With a gain of 0 user 0's clicked item 2 is left out, and user 1 has nothing to teach."""
    wanted = Impressions(unshown_share=0.0, click_gain=0.0)
    rows = examples.label(block, wide, AFTER, shares=Shares(0.0, 0.0), seed=1, seen=seen(SHOWN), wanted=wanted)
    assert [row[:2] for row in kept(rows)] == [(0, 0), (0, 1), (2, 0)]
    assert not rows.is_clicked.any()


def test_windows_with_and_without_a_log_are_one_training(block: UserBlock, wide: CandidateBlock) -> None:
    """Rows of a window without a log count 1 and have no clicks; without any log there are no weights at all."""
    features = np.zeros((6, 2), dtype=np.float32)
    wanted = Impressions(unshown_share=0.0)
    some = examples.label(block, wide, AFTER, shares=Shares(0.0, 0.0), seed=1, seen=seen(SHOWN), wanted=wanted)
    none = examples.label(block, wide, AFTER, shares=Shares(0.0, 0.0), seed=1)
    columns = [
        examples.to_columns(some, features, 4, has_log=True),
        examples.to_columns(none, features[:2], 4),
    ]
    tables = [pa.table({name: pa.array(column) for name, column in one.items()}) for one in columns]
    both, _ = examples.shown(pa.concat_tables(tables), repeats=True)
    assert both.labels.tolist() == [1, 0, 0, 0, 0, 1, 1, 1]
    assert both.weights is not None
    assert both.weights.tolist() == [1, 0.25, 1, 1, 0.5, 1, 1, 1]
    assert both.is_clicked is not None
    assert np.flatnonzero(both.is_clicked).tolist() == [2, 3]
    assert both.groups.tolist() == [3, 2, 1, 1, 1]
    alone, _ = examples.shown(tables[1], repeats=True)
    assert alone.weights is None
    assert alone.is_clicked is None
    joined = tuning._joined([examples.shown(tables[0], repeats=True)[0], alone])
    assert joined.weights is not None
    assert joined.weights.tolist() == both.weights.tolist()


SMALL: Final = Ranker(
    few_examples=0, n_estimators=40, num_leaves=8, min_data_in_leaf=20, feature_fraction=1.0, lambda_l2=0.0
)


def of_loss(loss: Loss) -> Ranker:
    """The small settings with one loss."""
    return msgspec.structs.replace(SMALL, losses=(loss,))


def test_without_a_log_the_model_is_the_same_to_the_letter() -> None:
    """Settings of clicks, and windows that have none, leave the text of both losses as it is."""
    features = np.random.default_rng(7).normal(size=(240, 2)).astype(np.float32)
    made = Examples(features, (features[:, 0] > 0.5).astype(np.int8), np.full(30, 8))
    for loss in ("lambdarank", "binary"):
        texts = {
            ranker.fit(Lesson([made], of_loss(loss)), ("a", "b"), click_gain=gain, seed=1, threads=1)  # type: ignore[arg-type]
            for gain in (0.1, 1.0)
        }
        data = lightgbm.Dataset(made.features, made.labels, group=made.groups, feature_name=["a", "b"])
        parameters = ranker._parameters(ranker._Booster(made, SMALL, loss, seed=1, rounds=40), 1)  # type: ignore[arg-type]
        assert texts == {lightgbm.train(parameters, data, num_boost_round=40).model_to_string()}


def test_a_click_is_worth_its_gain() -> None:
    """Groups of one bought, one clicked and one other item, told apart by one feature: they are ordered so."""
    features = np.tile(np.array([[2.0], [1.0], [0.0]], dtype=np.float32), (200, 1))
    bought, clicked = np.tile([1, 0, 0], 200).astype(np.int8), np.tile([False, True, False], 200)
    made = Examples(features, bought, np.full(200, 3), clicked, np.ones(600, dtype=np.float32))
    for losses in (("lambdarank",), ("binary",)):
        settings = Ranker(
            few_examples=0, losses=losses, n_estimators=5, num_leaves=4, min_data_in_leaf=2, feature_fraction=1.0
        )  # type: ignore[arg-type]
        texts = [
            ranker.fit(Lesson([made], settings), ("f",), click_gain=gain, seed=1, threads=1) for gain in (0.1, 0.5)
        ]
        low, high = (lightgbm.Booster(model_str=text).predict(features[:3], raw_score=True) for text in texts)
        assert low[1] > low[2]
        assert high[1] - high[2] > low[1] - low[2]
        if losses == ("lambdarank",):
            assert low[0] > low[1]


LISTS: Final = 6000
FIRST, FIFTH = 1.0, 2.0


def _clicked() -> tuple[Examples, Examination]:
    """Lists of ten with clicks, and the examination. FIRST always stands at place 1, FIFTH at 5; they attract alike."""
    random = np.random.default_rng(11)
    looked = np.tile(np.arange(1, 11) ** -0.6, (LISTS, 1))
    attraction = random.choice([0.1, 0.2, 0.3], size=looked.shape)
    features = attraction.copy()
    features[:, 0], features[:, 4] = FIRST, FIFTH
    attraction[:, [0, 4]] = 0.25
    clicked = random.random(looked.shape) < looked * attraction
    table = features.reshape(-1, 1).astype(np.float32)
    made = Examples(table, np.zeros(looked.size, dtype=np.int8), np.full(LISTS, 10), clicked.ravel(), None)
    values = np.concatenate([looked[0], np.ones(LAST_POSITION - 10)])
    known = np.ones(LAST_POSITION, dtype=bool)
    return made, Examination(values, known, 1, 0, float(clicked.sum() / looked.sum()))


@pytest.mark.parametrize("loss", ["lambdarank", "binary"])
def test_equally_attractive_items_are_ordered_equal(loss: Loss) -> None:
    """Without weights the one shown first leads by more than most things do; with them by nothing but noise."""
    naive, truth = _clicked()
    assert naive.is_clicked is not None
    looked = np.tile(truth.without_click[:10], LISTS)
    weights = np.where(naive.is_clicked, 1.0, looked).astype(np.float32)
    fair = Examples(naive.features, naive.labels, naive.groups, naive.is_clicked, weights)
    leads = []
    for made in (naive, fair):
        text = ranker.fit(Lesson([made], of_loss(loss)), ("f",), click_gain=1.0, seed=1, threads=1)
        first, fifth = lightgbm.Booster(model_str=text).predict(np.array([[FIRST], [FIFTH]]), raw_score=True)
        leads.append(first - fifth)
    assert leads[0] > 1.0
    assert abs(leads[1]) < 0.16  # three standard errors of the log odds of 6000 lists
