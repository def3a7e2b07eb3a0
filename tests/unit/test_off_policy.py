"""Off-policy estimates against planted truth, and when they are refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.exploration import Policy, draw_key, explore
from models.off_policy import Interval, Limits, Logged, clustered, estimate
from models.rerank import Lists
from models.synthetic.clicks import ClickModel, answer, model_of

N_USERS, N_SLOTS, N_ITEMS, GROUPS = 1200, 8, 120, 4
NO_LIMITS = Limits(overlap=0.0, support=0.0, effective_slots=0.0, rewards=0.0)
SEEDS = 100
COVERED = 90


def shop(seed: int) -> ClickModel:
    """A shop's planted click model."""
    random = np.random.default_rng(seed)
    popularity = (1.0 + random.permutation(N_ITEMS)) ** -0.8
    return model_of(random.integers(0, GROUPS, N_USERS), np.arange(N_ITEMS) % GROUPS, popularity)


def logged_night(seed: int) -> tuple[Logged, Lists, ClickModel]:
    """A night's shown slots under exploration, whose other policy is the list without exploration."""
    model, random = shop(seed), np.random.default_rng([seed, 1])
    order = np.argsort(random.random((N_USERS, N_ITEMS)) - model.attraction, axis=1)[:, : 2 * N_SLOTS].astype(np.int32)
    rows = np.repeat(np.arange(N_USERS, dtype=np.int64), N_SLOTS)

    def lists(items: np.ndarray) -> Lists:
        flat = items.ravel()
        its_rows = np.repeat(np.arange(N_USERS, dtype=np.int64), items.shape[1])
        return Lists(its_rows, flat, np.zeros(len(flat), np.float32), np.zeros(len(flat), np.int32))

    policy = Policy(
        share=0.4, first_slot=1, last_slot=N_SLOTS, floor=0.0, items_per_slot=1, reason=9,
        key=draw_key(seed, 1, "home"),
    )  # fmt: skip
    usual = lists(order[:, :N_SLOTS])
    made = explore(usual, lists(order), np.arange(N_USERS, dtype=np.int32), np.ones(N_ITEMS, bool), policy)
    slots = np.tile(np.arange(1, N_SLOTS + 1), N_USERS)
    shown = made.lists.items.astype(np.int64)
    clicks = answer(model, rows, shown, slots, random).is_clicked.astype(np.float64)
    wanted = usual.items.astype(np.int64)
    night = Logged(
        users=rows, slots=slots, shown=shown, wanted=wanted, propensities=made.propensities.astype(np.float64),
        rewards=clicks,
    )  # fmt: skip
    return night, lists(order[:, N_SLOTS:]), model


def covers(interval: Interval, truth: float) -> bool:
    """Whether the truth lies in the interval."""
    return interval.low <= truth <= interval.high


def test_the_interval_covers_the_planted_truth() -> None:
    """Of a hundred seeds, at least ninety 95 % intervals cover the truth, of either method and for two policies.

    One policy explores nothing; the other always shows the explored items. Both estimates are also unbiased: their mean
    error over the seeds is within three standard errors of nothing.
    """
    hits: dict[tuple[str, str], int] = {}
    errors: dict[tuple[str, str], list[float]] = {}
    for seed in range(SEEDS):
        usual, explored, model = logged_night(seed)
        for name, wanted in (("usual", usual.wanted), ("explored", explored.items.astype(np.int64))):
            truth = float(model.click(usual.users, wanted, usual.slots).mean())
            found = estimate(replace(usual, wanted=wanted), NO_LIMITS)
            for method, interval in (("snips", found.snips), ("dr", found.doubly_robust)):
                hits[name, method] = hits.get((name, method), 0) + covers(interval, truth)
                errors.setdefault((name, method), []).append(interval.value - truth)
    assert all(n >= COVERED for n in hits.values()), hits
    for key, made in errors.items():
        assert abs(np.mean(made)) <= 3 * np.std(made) / np.sqrt(SEEDS), key


def test_wrong_propensities_are_seen() -> None:
    """With propensities twice what they were for usual slots the mean weight falls from 1 to a half: refused."""
    night, _, _ = logged_night(3)
    is_explored = night.shown != night.wanted
    wrong = replace(night, propensities=np.where(is_explored, night.propensities / 2, night.propensities / 0.5))
    assert estimate(night, NO_LIMITS).support == pytest.approx(1.0, abs=0.03)
    assert estimate(wrong, NO_LIMITS).support == pytest.approx(0.5, abs=0.03)
    assert "could not have been logged" in estimate(wrong, replace(NO_LIMITS, support=0.9)).refusal


def by_hand() -> Logged:
    """Four slots of two users."""
    return Logged(
        users=np.array([0, 0, 1, 1]), slots=np.array([1, 2, 1, 2]), shown=np.array([0, 1, 0, 2]),
        wanted=np.array([0, 1, 0, 1]), propensities=np.array([1.0, 0.5, 1.0, 0.5]),
        rewards=np.array([1.0, 1.0, 0.0, 1.0]),
    )  # fmt: skip


def test_weights_by_hand() -> None:
    """Weights 1, 2, 1, 0: SNIPS is (1 + 2) / 4, overlap 3 of 4, mean weight 1, effective size 16 / 6."""
    found = estimate(by_hand(), NO_LIMITS)
    assert found.snips.value == 0.75
    assert (found.overlap, found.support, found.n_slots, found.n_users) == (0.75, 1.0, 4, 2)
    assert found.effective_slots == pytest.approx(16 / 6)
    assert found.logged.value == 0.75
    assert found.refusal == ""


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"overlap": 0.8}, "overlap 0.750 is below 0.8"),
        ({"support": 1.1}, "support 1.000 is below 1.1: it shows what could not have been logged"),
        ({"effective_slots": 3.0}, "effective sample size 3 is below 3 slots"),
        ({"rewards": 3.0}, "2 rewards are fewer than 3"),
    ],
)
def test_what_the_log_cannot_tell_is_refused(changed: dict[str, float], reason: str) -> None:
    """Below a limit there is no number at all, and the reason names value and limit."""
    found = estimate(by_hand(), replace(NO_LIMITS, **changed))
    assert found.refusal == reason
    assert np.isnan([found.snips.value, found.doubly_robust.low]).all()


def test_an_interval_sums_by_user() -> None:
    """Terms 1, 1 of one user and -1, -1 of another: sums 2 and -2, variance 2 x 8 / 16, times Student's 12.706."""
    found = clustered(np.array([1.0, 1.0, -1.0, -1.0]), np.array([0, 0, 1, 1]), 5.0)
    assert (found.value, found.high - 5.0) == (5.0, pytest.approx(12.7062, abs=1e-4))
