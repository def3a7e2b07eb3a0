"""What another policy would have earned, from slots logged with their propensities.

A reward depends on the user, the slot and the item in it, not on the other slots (the item-position model), and every
slot was drawn with a known probability. SNIPS is the self-normalised inverse propensity estimate of Swaminathan and
Joachims, "The self-normalized estimator for counterfactual learning" (2015); the doubly robust one is of Dudik,
Langford and Li, "Doubly robust policy evaluation and learning" (2011), its reward model fitted on other users.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from models.ragged import Int64

Float64 = npt.NDArray[np.float64]
UPPER: Final = 0.975
MIN_USERS: Final = 2
FOLDS: Final = 2
SHRINKAGE: Final = 20.0
"""Rewards that an item or a position needs, in expectation, to count as much as the average of all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """Shown slots; parallel arrays, shape (n,).

    Attributes:
        users: code of the user, 0 and up.
        slots: place in the list, from 1.
        shown: code of the item that was shown.
        wanted: code of the item that the other policy shows there, -1 where it shows nothing.
        propensities: probability that the logging policy shows `shown` there.
        rewards: 0 or 1, or any number.
    """

    users: Int64
    slots: Int64
    shown: Int64
    wanted: Int64
    propensities: Float64
    rewards: Float64


@dataclass(frozen=True, slots=True)
class Limits:
    """Below which there is no estimate. The settings' section `outcomes` says what they mean."""

    overlap: float
    support: float
    effective_slots: float
    rewards: float


@dataclass(frozen=True, slots=True)
class Interval:
    """A number and its 95 % interval; NaN throughout where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the other policy would earn a slot, and how much of the log says so.

    Attributes:
        snips: self-normalised estimate.
        doubly_robust: doubly robust estimate.
        logged: what the logging policy earned a slot.
        overlap: share of the slots that show what the other policy shows.
        support: mean weight, which is 1 in expectation where all that the other policy shows could have been logged.
        effective_slots: as many equally weighted slots would tell as much.
        refusal: why there is no estimate, empty where there is one.
    """

    snips: Interval
    doubly_robust: Interval
    logged: Interval
    overlap: float
    support: float
    effective_slots: float
    n_slots: int
    n_users: int
    refusal: str


NOTHING: Final = Interval(np.nan, np.nan, np.nan)


def estimate(logged: Logged, limits: Limits) -> Estimate:
    """The value of the other policy, or why there is none. Intervals are of influence functions summed by user."""
    n, n_users = len(logged.users), len(np.unique(logged.users))
    is_match = logged.shown == logged.wanted
    weights = np.where(is_match, 1.0 / logged.propensities, 0.0)
    overlap = float(is_match.mean()) if n else 0.0
    support = float(weights.mean()) if n else 0.0
    squares = float((weights**2).sum())
    effective = float(weights.sum()) ** 2 / squares if squares else 0.0
    rewarded = float(np.count_nonzero(logged.rewards[is_match]))
    refusal = _refusal(overlap, support, effective, rewarded, n_users, limits)
    snips = robust = NOTHING
    if not refusal:
        snips = _snips(logged, weights)
        robust = _doubly_robust(logged, weights)
    ones = np.ones(n)
    return Estimate(
        snips=snips, doubly_robust=robust, logged=_snips(logged, ones) if n else NOTHING, overlap=overlap,
        support=support, effective_slots=effective, n_slots=n, n_users=n_users, refusal=refusal,
    )  # fmt: skip


def clustered(influence: Float64, users: Int64, value: float) -> Interval:
    """The 95 % interval of `value` from influence terms of mean 0, of which those of one user may depend on another.

    Liang and Zeger's sandwich with users as clusters, and Student's t with as many degrees of freedom as users less 1.

    Args:
        influence: shape (n,), scaled so that their mean estimates the error of `value`.
        users: code of each term's user.
        value: the estimate.
    """
    sums = np.bincount(users, weights=influence)
    n_users = len(np.unique(users))
    if n_users < MIN_USERS:
        return NOTHING
    error = np.sqrt(n_users / (n_users - 1) * float((sums**2).sum())) / len(influence)
    half = float(stdtrit(n_users - 1, UPPER)) * float(error)
    return Interval(value, value - half, value + half)


def _refusal(overlap: float, support: float, effective: float, rewarded: float, n_users: int, limits: Limits) -> str:
    if n_users < MIN_USERS:
        return "fewer than two users"
    if overlap < limits.overlap:
        return f"overlap {overlap:.3f} is below {limits.overlap:g}"
    if support < limits.support:
        return f"support {support:.3f} is below {limits.support:g}: it shows what could not have been logged"
    if effective < limits.effective_slots:
        return f"effective sample size {effective:.0f} is below {limits.effective_slots:g} slots"
    if rewarded < limits.rewards:
        return f"{rewarded:.0f} rewards are fewer than {limits.rewards:g}"
    return ""


def _snips(logged: Logged, weights: Float64) -> Interval:
    mean = float(weights.mean())
    value = float((weights * logged.rewards).sum() / weights.sum())
    return clustered(weights * (logged.rewards - value) / mean, logged.users, value)


def _doubly_robust(logged: Logged, weights: Float64) -> Interval:
    expected, wanted = _expected_rewards(logged)
    terms = wanted + weights * (logged.rewards - expected)
    value = float(terms.mean())
    return clustered(terms - value, logged.users, value)


def _expected_rewards(logged: Logged) -> tuple[Float64, Float64]:
    """Expected reward of the shown and of the wanted item of each slot, from the other fold's users."""
    shown, wanted = np.zeros(len(logged.users)), np.zeros(len(logged.users))
    n_slots = int(logged.slots.max()) + 1
    n_items = int(max(logged.shown.max(), logged.wanted.max())) + 1
    fold = logged.users % FOLDS
    for number in range(FOLDS):
        inside, rest = fold == number, fold != number
        by_slot, by_item = _rates(logged.slots[rest], logged.shown[rest], logged.rewards[rest], n_slots, n_items)
        base = by_slot[logged.slots[inside]]
        shown[inside] = base * by_item[logged.shown[inside]]
        wanted[inside] = np.where(logged.wanted[inside] < 0, 0.0, base * by_item[logged.wanted[inside]])
    return shown, wanted


def _rates(slots: Int64, items: Int64, rewards: Float64, n_slots: int, n_items: int) -> tuple[Float64, Float64]:
    """Reward a slot, and each item's factor on it, both drawn towards the average where little is known."""
    overall = float(rewards.mean()) if len(rewards) else 0.0
    prior = SHRINKAGE / overall if overall > 0 else 1.0
    seen = np.bincount(slots, minlength=n_slots)
    by_slot = (np.bincount(slots, weights=rewards, minlength=n_slots) + prior * overall) / (seen + prior)
    expected = np.bincount(items, weights=by_slot[slots], minlength=n_items)
    earned = np.bincount(items, weights=rewards, minlength=n_items)
    return by_slot, np.asarray((earned + SHRINKAGE) / (expected + SHRINKAGE))
