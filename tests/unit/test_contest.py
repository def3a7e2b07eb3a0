from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.contest import Contest
from models.metrics import Float64
from models.ragged import Int32

SYSTEMS = ("popular", "als", "two_stage")


def _users(n: int) -> Int32:
    return np.arange(n, dtype=np.int32)


def _contest(*parts: tuple[Int32, Float64]) -> Contest:
    return Contest(SYSTEMS, parts, resamples=400, seed=1)


def _values(means: tuple[float, ...], *, n: int, spread: float, seed: int = 3) -> Float64:
    """Values of each user and system about given means; what is added differs from system to system."""
    return np.array(means) + np.random.default_rng(seed).normal(0, spread, (n, len(means)))


def test_the_simplest_wins_where_intervals_do_not_part() -> None:
    """Means rise from simple to complex by a hundredth, the spread is twenty: nothing is shown."""
    outcome = _contest((_users(100), _values((0.10, 0.11, 0.12), n=100, spread=0.2))).outcome()
    assert outcome is not None
    assert (outcome.winner, outcome.beaten) == ("popular", ())


def test_what_is_shown_to_be_better_wins() -> None:
    """The same means, a spread of a hundredth: popularity gives way to the simpler of two, and that to the lists."""
    outcome = _contest((_users(100), _values((0.10, 0.11, 0.12), n=100, spread=0.01))).outcome()
    assert outcome is not None
    assert outcome.winner == "two_stage"
    assert [(loss.better, loss.worse) for loss in outcome.beaten] == [("als", "popular"), ("two_stage", "als")]
    assert all(loss.low > 0 for loss in outcome.beaten)


def test_the_simpler_of_two_that_nobody_can_tell_apart_wins() -> None:
    """Both ALS and the lists beat popularity, and the lists are a thousandth over ALS: ALS is published."""
    outcome = _contest((_users(100), _values((0.10, 0.120, 0.121), n=100, spread=0.02))).outcome()
    assert outcome is not None
    assert outcome.winner == "als"


@pytest.mark.parametrize("mean_of_als", [0.095, 0.11])
def test_what_is_not_shown_to_beat_popularity_does_not_take_its_place(mean_of_als: float) -> None:
    """The lists beat popularity, and are not apart from an ALS that nobody can tell from popularity: the lists win."""
    base = np.random.default_rng(5).normal(0.1, 0.05, 400)
    noise = np.random.default_rng(6).normal(0, 0.3, 400)
    values = np.stack([base, base + mean_of_als - 0.1 + noise - noise.mean(), base + 0.02], axis=1)
    contest = _contest((_users(400), values))
    outcome = contest.outcome()
    assert outcome is not None
    assert contest.difference("two_stage", "als").low < 0 < contest.difference("als", "popular").high
    assert outcome.winner == "two_stage"
    assert [(loss.better, loss.worse) for loss in outcome.beaten] == [("two_stage", "popular")]


def test_windows_together_show_what_none_shows_alone() -> None:
    """A gain of a hundredth at a spread of five: apart over twelve windows of other users, not on the first."""
    parts = [(_users(30) + 30 * n, _values((0.10, 0.10, 0.115), n=30, spread=0.05, seed=20 + n)) for n in range(12)]
    alone, together = _contest(parts[0]).outcome(), _contest(*parts).outcome()
    assert alone is not None
    assert together is not None
    assert (alone.winner, together.winner) == ("popular", "two_stage")


def test_the_same_users_again_are_no_further_witnesses() -> None:
    """One window counted twelve times has the interval of one."""
    part = (_users(30), _values((0.10, 0.10, 0.115), n=30, spread=0.05, seed=20))
    once, often = (_contest(*[part] * n).difference("two_stage", "popular") for n in (1, 12))
    assert (once.low, once.high, once.n_users) == pytest.approx((often.low, often.high, often.n_users))


def test_without_users_nothing_wins() -> None:
    """Nobody counts in any window."""
    assert _contest((_users(3), np.full((3, 3), np.nan))).outcome() is None


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1, max_size=12))
def test_no_other_beats_the_winner(rows: list[tuple[float, float, float]]) -> None:
    """Of whatever numbers: none is shown to beat the winner, and each step from the simplest one on rises."""
    contest = _contest((_users(len(rows)), np.array(rows)))
    outcome = contest.outcome()
    assert outcome is not None
    assert all(contest.difference(other, outcome.winner).low <= 0 for other in SYSTEMS if other != outcome.winner)
    steps = ["popular", *[loss.better for loss in outcome.beaten]]
    assert steps == [*[loss.worse for loss in outcome.beaten], outcome.winner]
    means = [outcome.means[name] for name in steps]
    assert means == sorted(set(means))
