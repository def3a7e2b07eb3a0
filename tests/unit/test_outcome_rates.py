"""Rates of shown slots with intervals that know users, and the preference of interleaved teams."""

from __future__ import annotations

import numpy as np
import pytest

from models.outcome_rates import means, preference, shares

ONE = np.zeros(10, dtype=np.int64)


def test_a_share_of_slots_of_different_users_is_wilsons() -> None:
    """Two hits of ten users: 0.2, Wilson's interval [0.0567, 0.5098]."""
    found = shares(ONE, np.arange(10), np.array([1.0, 1.0] + [0.0] * 8), 1)
    assert found.values.tolist() == [0.2]
    assert (found.lows[0], found.highs[0]) == (pytest.approx(0.0567, abs=1e-4), pytest.approx(0.5098, abs=1e-4))
    assert (found.n_slots[0], found.n_users[0]) == (10, 10)


def test_slots_of_one_user_count_for_less() -> None:
    """The same two hits in slots of five users, two each: wider where both hits are one user's."""
    users = np.repeat(np.arange(5), 2)
    alike = shares(ONE, users, np.array([1.0, 1.0] + [0.0] * 8), 1)
    apart = shares(ONE, users, np.array([1.0, 0, 1, 0, 0, 0, 0, 0, 0, 0]), 1)
    assert alike.values[0] == apart.values[0] == 0.2
    assert alike.highs[0] - alike.lows[0] > 1.2 * (apart.highs[0] - apart.lows[0])


def test_no_hit_has_an_upper_end() -> None:
    """Without a hit the interval starts at 0 and ends where that many users leave it; an empty group has no number."""
    found = shares(ONE, np.repeat(np.arange(5), 2), np.zeros(10), 2)
    assert (found.lows[0], found.highs[0]) == (0.0, pytest.approx(0.4345, abs=1e-4))
    assert np.isnan([found.values[1], found.lows[1], found.highs[1]]).all()
    assert found.n_slots.tolist() == [10, 0]


def test_shares_cover_a_planted_rate_of_clustered_users() -> None:
    """Users differ in their rate; at least 92 of 100 intervals cover the mean rate 0.1."""
    covered = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        own = random.beta(1, 9, 400)
        users = np.repeat(np.arange(400), random.integers(1, 20, 400))
        hits = (random.random(len(users)) < own[users]).astype(np.float64)
        found = shares(np.zeros(len(users), np.int64), users, hits, 1)
        covered += bool(found.lows[0] <= 0.1 <= found.highs[0])
    assert covered >= 92


def test_a_mean_by_hand() -> None:
    """Dwell of 10 and 20 seconds of two users: 15, Student's interval with one degree of freedom is 15 +- 63.5."""
    found = means(np.zeros(2, np.int64), np.arange(2), np.array([10.0, 20.0]), 1)
    assert (found.values[0], found.highs[0]) == (15.0, pytest.approx(15 + 63.531, abs=1e-3))


def test_a_preference_by_hand() -> None:
    """One user clicks the canary's item, one the stable's, one both, one nothing: 0.5 of three."""
    users = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    is_canary = np.array([True, False] * 4)
    found = preference(users, is_canary, np.array([1.0, 0, 0, 1, 1, 1, 0, 0]))
    assert (found.values[0], found.n_users[0], found.n_slots[0]) == (0.5, 3, 6)
    assert preference(users, is_canary, np.array([1.0, 0, 1, 0, 1, 0, 0, 0])).values[0] == 1.0
