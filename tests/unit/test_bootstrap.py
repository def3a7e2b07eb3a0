from __future__ import annotations

import numpy as np
import pytest

from models import bootstrap
from models.bootstrap import intervals, paired_difference


def test_the_mean_and_its_interval_are_those_of_theory() -> None:
    """For 4,000 users the interval is the mean -+ 1.96 standard errors, within resampling noise."""
    values = np.random.default_rng(0).normal(3.0, 2.0, size=(4000, 1))
    found = intervals(values, resamples=2000, seed=7)
    error = values.std() / np.sqrt(4000)
    assert found.means[0] == pytest.approx(values.mean())
    assert found.lows[0] == pytest.approx(values.mean() - 1.96 * error, abs=0.15 * error)
    assert found.highs[0] == pytest.approx(values.mean() + 1.96 * error, abs=0.15 * error)


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    """Two systems that differ by exactly 0.1 for every user have an interval of no width."""
    theirs = np.random.default_rng(1).random(300)
    found = paired_difference(theirs + 0.1, theirs, resamples=200, seed=3)
    np.testing.assert_allclose([found.means[0], found.lows[0], found.highs[0]], 0.1)


def test_users_without_a_value_do_not_count() -> None:
    """NaN leaves a user out of one column and not of the other; a column of NaN has no mean."""
    values = np.array([[1.0, np.nan, np.nan], [1.0, 4.0, np.nan], [4.0, 4.0, np.nan]])
    found = intervals(values, resamples=100, seed=0)
    np.testing.assert_allclose(found.means, [2.0, 4.0, np.nan])
    np.testing.assert_allclose([found.lows[1], found.highs[1]], 4.0)
    assert np.isnan(found.lows[2])
    assert found.n_users.tolist() == [3, 2, 0]


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same seed gives the same interval in one piece and in many, and another seed another one."""
    values = np.random.default_rng(2).random((50, 2))
    whole = intervals(values, resamples=64, seed=5)
    monkeypatch.setattr(bootstrap, "CHUNK_BYTES", 8 * 50 * 3)
    np.testing.assert_allclose(intervals(values, resamples=64, seed=5).lows, whole.lows, rtol=1e-12)
    assert intervals(values, resamples=64, seed=6).lows[0] != whole.lows[0]


def test_no_users_have_no_mean() -> None:
    """An empty block gives NaN and zero users, not an error."""
    found = intervals(np.zeros((0, 2)), resamples=10, seed=0)
    assert np.isnan(found.means).all()
    assert found.n_users.tolist() == [0, 0]
