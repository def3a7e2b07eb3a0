from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from contracts.settings import Evaluation, Placement, Settings
from jobs.evaluation import standing
from jobs.evaluation.measure import Measured
from jobs.evaluation.standing import Window
from models.bootstrap import intervals, pooled_intervals
from models.measures import FULL, Key, Row

SETTINGS = Settings(
    evaluation=Evaluation(references=("personal_then_popular", "popular", "ease")),
    placements={"home": Placement(repeats=True)},
)
NEWEST, OLDER = dt.date(2026, 3, 1), dt.date(2026, 2, 1)
KEYS = [Key(FULL, "home", system, "ndcg_10") for system in ("two_stage", "personal_then_popular", "popular")]


def _gain(reference: str, low: float, high: float) -> list[Row]:
    rows = []
    for system, value in ((reference, 0.25), (f"two_stage_minus_{reference}", (low + high) / 2)):
        key = Key(FULL, "home", system, "ndcg_10")._asdict()
        rows.append({**key, "value": value, "low": low, "high": high, "n_users": 40})
    return rows


def _window(cut: dt.date, rows: list[Row], users: list[int], numbers: list[list[float]], **left_out: str) -> Window:
    values = np.array(numbers)
    measured = SimpleNamespace(
        keys=KEYS,
        user_idx=np.array(users, dtype=np.int32),
        left_out=left_out,
        columns=lambda positions: values[:, positions],
    )
    last = cut + dt.timedelta(days=27)
    return Window(cut=cut, last=last, through=last, lists="the store", rows=rows, measured=cast("Measured", measured))


OURS = [{**KEYS[0]._asdict(), "value": 0.4, "low": 0.3, "high": 0.5, "n_users": 40}]
WINDOWS = [
    _window(
        NEWEST,
        [*OURS, *_gain("personal_then_popular", 0.05, 0.15), *_gain("popular", -0.01, 0.03)],
        [1, 2],
        [[0.5, 0.3, 0.1], [0.7, 0.3, 0.1]],
        ease="left out: needs 5.0 GB, references.memory_gigabytes is 2",
    ),
    _window(
        OLDER,
        [*OURS, *_gain("personal_then_popular", 0.01, 0.02), *_gain("popular", -0.3, -0.1), *_gain("ease", 0.1, 0.2)],
        [2, 3],
        [[0.1, 0.3, np.nan], [0.3, 0.1, 0.1]],
    ),
]


def test_each_cut_and_reference_says_whether_it_is_apart() -> None:
    """Ahead where the whole interval is above zero, behind where below, not apart between; one is left out."""
    (section,) = standing.sections(WINDOWS, [], SETTINGS)
    assert section.title == "all items (home): our lists and every reference, full catalogue"
    assert [(row[0], row[2], row[-1]) for row in section.rows] == [
        ("2026-03-01", "own items, then popular", "ahead"),
        ("2026-03-01", "popular, last 28 days", "not apart"),
        ("2026-03-01", "EASE^R", "left out"),
        ("2026-02-01", "own items, then popular", "ahead"),
        ("2026-02-01", "popular, last 28 days", "behind"),
        ("2026-02-01", "EASE^R", "ahead"),
    ]
    assert section.rows[0][3:6] == ("0.250 [0.050, 0.150]", "0.400 [0.300, 0.500]", "+0.100 [+0.050, +0.150]")


def test_a_sentence_says_where_the_lists_are_not_ahead() -> None:
    """One placement, two cuts: neither is won against every reference."""
    (told,) = standing.sentences(WINDOWS, [], SETTINGS)
    assert told == (
        "home: ahead of every reference measured on 0 of 2 cuts, not so on 2026-03-01: not apart from popular, last 28 "
        "days; 2026-02-01: behind popular, last 28 days"
    )
    won = [_window(NEWEST, [*OURS, *_gain("popular", 0.1, 0.2)], [1], [[0.5, 0.3, 0.1]])]
    assert standing.sentences(won, [], SETTINGS) == ["home: ahead of every reference measured on 1 of 1 cuts"]


def test_pooled_means_are_over_all_users_of_all_cuts() -> None:
    """Four values of three users; a difference counts where both systems have a value."""
    rows = {row["system"]: row for row in standing.pooled_rows(WINDOWS, SETTINGS)}
    assert rows["two_stage"]["value"] == pytest.approx((0.5 + 0.7 + 0.1 + 0.3) / 4)
    assert rows["popular"]["value"] == pytest.approx(0.1)
    assert rows["two_stage_minus_personal_then_popular"]["value"] == pytest.approx((0.2 + 0.4 - 0.2 + 0.2) / 4)
    assert rows["two_stage_minus_popular"]["value"] == pytest.approx((0.4 + 0.6 + 0.2) / 3)
    assert {row["n_users"] for row in rows.values()} == {3}
    assert {row["cut"] for row in rows.values()} == {NEWEST}
    assert standing.pooled_rows(WINDOWS[:1], SETTINGS) == []


def test_a_user_is_drawn_with_all_their_values() -> None:
    """Two windows of the same users are no more certain than one of their means; of other users they are."""
    values: Any = np.random.default_rng(3).normal(size=(200, 1))
    users = np.arange(200, dtype=np.int32)
    once = intervals(values, resamples=400, seed=1)
    same = pooled_intervals([(users, values), (users, values)], resamples=400, seed=1)
    np.testing.assert_allclose([same.lows, same.highs], [once.lows, once.highs])
    others = pooled_intervals([(users, values), (users + 200, values)], resamples=400, seed=1)
    assert others.highs[0] - others.lows[0] < 0.8 * (once.highs[0] - once.lows[0])
    assert (same.n_users[0], others.n_users[0]) == (200, 400)
