from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest

from contracts.settings import Evaluation, Ranker, Settings
from jobs.training.held_out import held_out, variant_of

CUTS = [dt.date(2026, 3, 1) - dt.timedelta(days=28 * n) for n in range(4)]
USERS = (100, 110, 90, 80)
EXAMPLES = pa.table({"as_of": [cut for cut, n in zip(CUTS, USERS, strict=True) for _ in range(n)]})


@pytest.mark.parametrize(("min_users", "n_windows"), [(0, 1), (100, 1), (101, 2), (210, 2), (211, 3), (10_000, 3)])
def test_windows_are_held_out_until_enough_users_are_in_them(min_users: int, n_windows: int) -> None:
    """The newest always; the oldest never, as the one before it has to learn from something."""
    settings = Settings(evaluation=Evaluation(min_users=min_users))
    assert held_out(EXAMPLES, CUTS, settings) == CUTS[:n_windows]


def test_a_window_that_reaches_into_a_later_one_teaches_nothing_of_it() -> None:
    """Windows of 40 days at cuts of 28 overlap: only the newest is held out."""
    settings = Settings(ranker=Ranker(window_days=40), evaluation=Evaluation(min_users=10_000))
    assert held_out(EXAMPLES, CUTS, settings) == CUTS[:1]


def test_of_one_window_nothing_is_held_out() -> None:
    """Nothing older is left to learn from."""
    assert held_out(EXAMPLES, CUTS[:1], Settings()) == []


def test_boosters_are_named_by_the_windows_they_have_not_seen() -> None:
    """The newest window's keep the plain word."""
    assert [variant_of(position) for position in range(3)] == ["holdout", "holdout_1", "holdout_2"]
