from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ArtifactCorrupt
from models.calibration import Calibration, edges_of, fit, from_json, logistic, reliability


def test_isotonic_levels_by_hand() -> None:
    """Shares 0, 1, 0, 1 at scores 1 to 4: the two in the middle pool to a half; linear between levels."""
    made = fit(np.array([3.0, 1.0, 4.0, 2.0]), np.array([False, False, True, True]), "isotonic")
    assert made.x.tolist() == [1, 2, 3, 4]
    assert made.y.tolist() == [0, 0.5, 0.5, 1]
    assert made.apply(np.array([0.0, 1.5, 2.5, 9.0])).tolist() == [0, 0.25, 0.5, 1]


def test_equal_scores_weigh_by_their_number() -> None:
    """One of three bought at score 1, none at score 2: pooled, one of four."""
    made = fit(np.array([1.0, 1.0, 1.0, 2.0, 3.0]), np.array([True, False, False, False, True]), "isotonic")
    assert made.apply(np.array([1.0, 2.0, 3.0])).tolist() == [0.25, 0.25, 1]


@given(st.lists(st.tuples(st.floats(-50, 50, width=32), st.booleans()), min_size=1, max_size=60))
@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_a_higher_score_never_has_a_lower_probability(method: str, pairs: list[tuple[float, bool]]) -> None:
    """The map is monotone between 0 and 1 whatever was seen, and its text reads back exactly."""
    scores, labels = np.array([s for s, _ in pairs]), np.array([b for _, b in pairs])
    made = fit(scores, labels, method)  # type: ignore[arg-type]
    wanted = np.sort(np.r_[scores, np.linspace(-60, 60, 25)])
    found = made.apply(wanted)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert from_json(made.to_json()).apply(wanted).tolist() == found.tolist()


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_planted_probabilities_are_found(method: str) -> None:
    """Purchases with odds e^(2s - 3): on unseen pairs the error falls from 0.17 to below 0.01."""
    random = np.random.default_rng(1)
    scores = random.normal(0, 1, 60_000)
    labels = random.random(60_000) < logistic(2 * scores - 3)
    seen, unseen = slice(0, 30_000), slice(30_000, None)
    made = fit(scores[seen], labels[seen], method)  # type: ignore[arg-type]
    edges = edges_of(scores[seen], labels[seen], 10)
    before = reliability(scores[unseen], logistic(scores[unseen]), labels[unseen], edges).error
    after = reliability(scores[unseen], made.apply(scores[unseen]), labels[unseen], edges).error
    assert before > 0.15
    assert after < 0.01
    if method == "platt":
        assert made.x == pytest.approx([2, -3], abs=0.1)


def test_reliability_by_hand() -> None:
    """Two bins: half bought where 0.3 was promised, all where 0.9 was; the error weighs them by their pairs."""
    table = reliability(
        np.array([1.0, 2.0, 5.0]), np.array([0.2, 0.4, 0.9]), np.array([True, False, True]), np.array([3.0])
    )
    assert table.n.tolist() == [2, 1]
    assert table.mean_score.tolist() == [1.5, 5]
    assert table.predicted == pytest.approx([0.3, 0.9])
    assert table.observed.tolist() == [0.5, 1]
    assert table.error == pytest.approx((2 * 0.2 + 0.1) / 3)


def test_bins_hold_equally_many_purchases() -> None:
    """Forty purchases in four bins of ten, wherever the unbought pairs lie."""
    scores = np.r_[np.arange(40.0), np.zeros(500)]
    labels = np.r_[np.ones(40, dtype=bool), np.zeros(500, dtype=bool)]
    table = reliability(scores, scores, labels, edges_of(scores, labels, 4))
    assert (table.n * table.observed).tolist() == pytest.approx([10, 10, 10, 10])


@pytest.mark.parametrize(("labels", "share"), [([False, False], 0.0), ([True, True], 1.0), ([], 0.0)])
def test_without_both_kinds_every_score_has_the_share_bought(labels: list[bool], share: float) -> None:
    """Nothing is invented from one kind alone."""
    made = fit(np.arange(len(labels)), np.array(labels, dtype=bool), "isotonic")
    assert made.apply(np.array([-5.0, 5.0])).tolist() == [share, share]


@pytest.mark.parametrize(
    "text", ["", "{}", '{"method": "isotonic", "x": [1, 2], "y": [1]}', '{"method": "platt", "x": [1], "y": []}']
)
def test_a_damaged_text_is_refused(text: str) -> None:
    """Its error says what to do."""
    with pytest.raises(ArtifactCorrupt, match="A calibration cannot be read"):
        from_json(text)


def test_a_map_is_its_numbers() -> None:
    """Equal numbers give equal text."""
    made = Calibration("platt", np.array([2.0, -3.0]), np.zeros(0))
    assert made.to_json() == '{"method": "platt", "x": [2.0, -3.0], "y": []}'
