"""Percentile bootstrap over users."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.metrics import Float64
from models.ragged import Int32, Int64

CHUNK_BYTES: Final = 32 << 20
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class Intervals:
    """Means and their percentile intervals, one entry a column of the values.

    Attributes:
        means: mean over the users that have a value; NaN without any.
        lows: lower ends of the 95 % intervals.
        highs: upper ends.
        n_users: users that have a value.
    """

    means: Float64
    lows: Float64
    highs: Float64
    n_users: Int64


def intervals(values: Float64, *, resamples: int, seed: int) -> Intervals:
    """Means over users with 95 % intervals, every column on the same resamples.

    A column is thus comparable with any other, and a difference of two columns is a paired difference. The same values,
    resamples and seed give the same numbers; memory stays near CHUNK_BYTES beside the values.

    Args:
        values: shape (n_users, n_columns); NaN where a user has no value.
        resamples: how often the users are drawn with replacement.
        seed: of the draws.
    """
    has = ~np.isnan(values)
    return _resampled(np.where(has, values, 0.0), has.astype(np.float64), resamples=resamples, seed=seed)


def pooled_intervals(parts: Sequence[tuple[Int32, Float64]], *, resamples: int, seed: int) -> Intervals:
    """Means over the values of several windows, with intervals over their users.

    A user is drawn with all their values, since what one user does in two windows is not independent.

    Args:
        parts: a window's users, each once, and their values, shape (n_users, n_columns), the same columns everywhere.
        resamples: how often the users are drawn with replacement.
        seed: of the draws.
    """
    users = np.unique(np.concatenate([user_idx for user_idx, _ in parts]))
    shape = (len(users), parts[0][1].shape[1])
    filled, weights = np.zeros(shape), np.zeros(shape)
    for user_idx, values in parts:
        rows, has = np.searchsorted(users, user_idx), ~np.isnan(values)
        filled[rows] += np.where(has, values, 0.0)
        weights[rows] += has
    return _resampled(filled, weights, resamples=resamples, seed=seed)


def _resampled(filled: Float64, weights: Float64, *, resamples: int, seed: int) -> Intervals:
    """Intervals of summed values over summed weights; both have shape (n_users, n_columns)."""
    n_users, n_columns = filled.shape
    counts = (weights > 0).sum(axis=0).astype(np.int64)
    if not n_users:
        nothing = np.full(n_columns, np.nan)
        return Intervals(nothing, nothing.copy(), nothing.copy(), counts)
    means = _divide(filled.sum(axis=0), weights.sum(axis=0))
    low, high = percentiles(_drawn(filled, weights, resamples=resamples, seed=seed))
    return Intervals(means, low, high, counts)


def drawn_means(values: Float64, *, resamples: int, seed: int) -> Float64:
    """The mean of every column in every resample, shape (resamples, n_columns); NaN where nobody drawn has a value."""
    has = ~np.isnan(values)
    return _drawn(np.where(has, values, 0.0), has.astype(np.float64), resamples=resamples, seed=seed)


def _drawn(filled: Float64, weights: Float64, *, resamples: int, seed: int) -> Float64:
    n_users, n_columns = filled.shape
    drawn = np.empty((resamples, n_columns))
    random = np.random.default_rng(seed)
    chunk = max(1, CHUNK_BYTES // (8 * max(n_users, 1)))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        times = np.stack([_draw(random, n_users) for _ in range(size)])
        drawn[start : start + size] = _divide(times @ filled, times @ weights)
    return drawn


def paired_difference(ours: Float64, theirs: Float64, *, resamples: int, seed: int) -> Intervals:
    """Mean of ours minus theirs, user by user, with its interval; shape of both (n_users,), users with both count."""
    return intervals((ours - theirs)[:, None], resamples=resamples, seed=seed)


def _draw(random: np.random.Generator, n_users: int) -> Float64:
    """How often each user is drawn in one resample."""
    return np.bincount(random.integers(0, n_users, n_users), minlength=n_users).astype(np.float64)


def percentiles(drawn: Float64, level: float = LEVEL) -> tuple[Float64, Float64]:
    """Ends of the intervals that hold a `level` of the draws; one that drew no user with a value is left out."""
    tail = (1 - level) / 2
    ends = np.full((2, drawn.shape[1]), np.nan)
    known = ~np.isnan(drawn).all(axis=0) if len(drawn) else np.zeros(drawn.shape[1], dtype=bool)
    if known.any():
        ends[:, known] = np.nanquantile(drawn[:, known], [tail, 1 - tail], axis=0)
    return ends[0], ends[1]


def _divide(above: Float64, below: Float64) -> Float64:
    out = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=out, where=below > 0)
    return out
