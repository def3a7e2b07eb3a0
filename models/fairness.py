"""How far quality differs between groups of users, and who is exposed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from models.bootstrap import LEVEL, drawn_means, percentiles
from models.metrics import Float64
from models.ragged import AnyArray, Bool, Int32

Verdict = Literal["green", "yellow", "red", "not enough data"]
NOT_ENOUGH: Final = "not enough data"


@dataclass(frozen=True, slots=True)
class Group:
    """The mean of one group, with its 95 % interval and users."""

    name: str
    value: float
    low: float
    high: float
    n_users: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Between the best and the worst of the groups that are large enough.

    Attributes:
        groups: those large enough, in the order given.
        best: name of the best one; empty with fewer than two.
        worst: name of the worst one.
        value: their difference, NaN with fewer than two.
        low: lower end of its interval.
        high: upper end.
        n_users: users of the smaller of the two.
        verdict: yellow where the value is above the limit, red where the whole interval is.
    """

    groups: tuple[Group, ...]
    best: str
    worst: str
    value: float
    low: float
    high: float
    n_users: int
    verdict: Verdict


def gap_of(values: Float64, masks: dict[str, Bool], *, limit: float, min_users: int, resamples: int, seed: int) -> Gap:
    """The gap of a metric between groups of users.

    The best and the worst are chosen after looking, out of all pairs: the interval is widened for the number of pairs
    (Bonferroni), so that among many equal groups none stands out by chance.

    Args:
        values: a value a user, NaN where the user does not count, shape (n_users,).
        masks: users by group.
        limit: greatest gap that is fair.
        min_users: users with a value that a group must have to be compared.
        resamples: bootstrap resamples of users.
        seed: of the draws.
    """
    known = {name: np.where(mask, values, np.nan) for name, mask in masks.items()}
    columns = {name: column for name, column in known.items() if (~np.isnan(column)).sum() >= min_users}
    matrix = np.stack(list(columns.values()), axis=1) if columns else np.zeros((len(values), 0))
    drawn = drawn_means(matrix, resamples=resamples, seed=seed)
    groups = _groups(list(columns), matrix, drawn)
    if len(groups) < 2:  # noqa: PLR2004 - a gap is between two
        return Gap(groups, "", "", np.nan, np.nan, np.nan, min((g.n_users for g in groups), default=0), NOT_ENOUGH)
    best, worst = (int(at) for at in (np.argmax([g.value for g in groups]), np.argmin([g.value for g in groups])))
    pairs = len(groups) * (len(groups) - 1) / 2
    low, high = percentiles((drawn[:, best] - drawn[:, worst])[:, None], 1 - (1 - LEVEL) / pairs)
    value = groups[best].value - groups[worst].value
    return Gap(
        groups,
        groups[best].name,
        groups[worst].name,
        value,
        float(low[0]),
        float(high[0]),
        min(groups[best].n_users, groups[worst].n_users),
        _verdict(value, float(low[0]), limit),
    )


def _groups(names: list[str], matrix: Float64, drawn: Float64) -> tuple[Group, ...]:
    lows, highs = percentiles(drawn)
    counts = (~np.isnan(matrix)).sum(axis=0)
    means = np.nansum(matrix, axis=0) / np.maximum(counts, 1)
    return tuple(map(Group, names, means.tolist(), lows.tolist(), highs.tolist(), counts.tolist()))


def exposure_ratios(top: Int32, codes: AnyArray, demand: AnyArray, n_codes: int) -> tuple[Float64, AnyArray]:
    """Each group's share of the places over its share of the demand, and its places; NaN without demand.

    1 is in proportion to demand: Singh and Joachims, 2018, "Fairness of exposure in rankings", every place alike.

    Args:
        top: items of the lists, empty places -1, shape (n_users, k).
        codes: group by item index, -1 for none; such items count in neither share.
        demand: by item index, such as recent buyers.
        n_codes: groups.
    """
    shown = codes[top[(top >= 0) & (top < len(codes))]]
    places = np.bincount(shown[shown >= 0], minlength=n_codes)
    wanted = np.bincount(codes[codes >= 0], weights=np.asarray(demand, dtype=np.float64)[codes >= 0], minlength=n_codes)
    ratios = np.full(n_codes, np.nan)
    if places.sum() and wanted.sum():
        np.divide(places / places.sum(), wanted / wanted.sum(), out=ratios, where=wanted > 0)
    return ratios, places


def price_bands(prices: AnyArray, is_allowed: Bool, n_bands: int) -> Int32:
    """The price band of each item from 0, cheapest first, equally many items each; -1 where unknown or not allowed."""
    known = is_allowed & np.isfinite(prices)
    bands = np.full(len(prices), -1, dtype=np.int32)
    if known.any():
        edges = np.quantile(prices[known], np.arange(1, n_bands) / n_bands)
        bands[known] = np.searchsorted(edges, prices[known], side="left")
    return bands


def _verdict(value: float, low: float, limit: float) -> Verdict:
    if value <= limit:
        return "green"
    return "red" if low > limit else "yellow"
