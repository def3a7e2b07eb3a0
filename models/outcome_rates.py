"""Rates and means of shown slots by group, with 95 % intervals that know that a user's slots are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from models.ragged import Int64

Float64 = npt.NDArray[np.float64]
UPPER: Final = 0.975


@dataclass(frozen=True, slots=True)
class Rates:
    """One entry a group; NaN where it has nothing.

    Attributes:
        values: mean.
        lows: lower ends of the 95 % intervals.
        highs: upper ends.
        n_slots: slots.
        n_users: users.
    """

    values: Float64
    lows: Float64
    highs: Float64
    n_slots: Int64
    n_users: Int64


def shares(groups: Int64, users: Int64, hits: Float64, n_groups: int) -> Rates:
    """The share of the slots with a hit, with Wilson's interval at the effective sample size.

    The sample size is divided by the design effect of users as clusters, which counts as 1 at least; where every slot
    or none has a hit, it is the number of users (Franco, Little, Louis and Slud, "Comparative study of confidence
    intervals for proportions in complex sample surveys", 2019).

    Args:
        groups: group of each slot, shape (n,).
        users: code of each slot's user.
        hits: 0 or 1.
        n_groups: groups are below it.
    """
    values, variances, n_slots, n_users = _clustered(groups, users, hits, n_groups)
    simple = values * (1 - values) / np.maximum(n_slots - 1, 1)
    effect = np.maximum(np.divide(variances, simple, out=np.ones(n_groups), where=simple > 0), 1.0)
    size = np.where(simple > 0, n_slots / effect, n_users).astype(np.float64)
    z2 = float(ndtri(UPPER)) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = (values + z2 / (2 * size)) / (1 + z2 / size)
        half = np.sqrt(z2 * (values * (1 - values) / size + z2 / (4 * size**2))) / (1 + z2 / size)
    return Rates(values, np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1), n_slots, n_users)


def means(groups: Int64, users: Int64, numbers: Float64, n_groups: int) -> Rates:
    """The mean of a number, with Student's interval at the variance between users; none below two users."""
    values, variances, n_slots, n_users = _clustered(groups, users, numbers, n_groups)
    half = np.full(n_groups, np.nan)
    known = n_users > 1
    half[known] = stdtrit(n_users[known] - 1, UPPER) * np.sqrt(variances[known])
    return Rates(values, values - half, values + half, n_slots, n_users)


def preference(users: Int64, is_canary: npt.NDArray[np.bool_], hits: Float64) -> Rates:
    """The share of the users with a hit who prefer the canary's items, ties as half; one entry, 0.5 is no preference.

    A user prefers the team with more hits (Radlinski, Kurup and Joachims, "How does clickthrough data reflect retrieval
    quality?", 2008).

    Args:
        users: code of each slot's user, shape (n,).
        is_canary: whether the canary's team brought the slot's item.
        hits: 0 or 1.
    """
    n = int(users.max(initial=-1)) + 1
    canary = np.bincount(users, weights=hits * is_canary, minlength=n)
    stable = np.bincount(users, weights=hits * ~is_canary, minlength=n)
    told = np.flatnonzero(canary + stable > 0)
    wins = 0.5 + 0.5 * np.sign(canary - stable)[told]
    found = means(np.zeros(len(told), np.int64), told, wins, 1)
    slots = np.array([np.isin(users, told).sum()], dtype=np.int64)
    return Rates(found.values, np.clip(found.lows, 0, 1), np.clip(found.highs, 0, 1), slots, found.n_users)


def _clustered(groups: Int64, users: Int64, numbers: Float64, n_groups: int) -> tuple[Float64, Float64, Int64, Int64]:
    """Mean, its variance with users as clusters, slots and users of each group."""
    n_slots = np.bincount(groups, minlength=n_groups).astype(np.int64)
    totals = np.bincount(groups, weights=numbers, minlength=n_groups)
    values = np.divide(totals, n_slots, out=np.full(n_groups, np.nan), where=n_slots > 0)
    pairs, place = np.unique(groups * (users.max(initial=0) + 1) + users, return_inverse=True)
    errors = np.bincount(place, weights=numbers - values[groups], minlength=len(pairs))
    of_group = pairs // (users.max(initial=0) + 1)
    n_users = np.bincount(of_group, minlength=n_groups).astype(np.int64)
    squares = np.bincount(of_group, weights=errors**2, minlength=n_groups)
    scale = np.divide(n_users, n_users - 1, out=np.zeros(n_groups), where=n_users > 1)
    variances = scale * squares / np.maximum(n_slots, 1).astype(np.float64) ** 2
    return values, variances, n_slots, n_users
