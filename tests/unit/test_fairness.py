from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from models.bootstrap import drawn_means, intervals
from models.fairness import NOT_ENOUGH, Gap, exposure_ratios, gap_of, price_bands


def _gap(values: np.ndarray, masks: dict[str, np.ndarray], **wanted: float) -> Gap:
    chosen = {"limit": 0.02, "min_users": 3, "resamples": 400, "seed": 1} | wanted
    return gap_of(values, masks, **chosen)  # type: ignore[arg-type]


def _halves(n: int) -> dict[str, np.ndarray]:
    first = np.arange(n) < n // 2
    return {"a": first, "b": ~first}


def test_a_gap_by_hand() -> None:
    """Means 0.5 and 0.25 of three and three users; one without a value does not count."""
    gap = _gap(np.array([0.4, 0.5, 0.6, 0.25, 0.25, 0.25, np.nan]), {
        "a": np.array([True] * 3 + [False] * 4), "b": np.array([False] * 3 + [True] * 4)
    })  # fmt: skip
    assert (gap.best, gap.worst, gap.n_users) == ("a", "b", 3)
    assert gap.value == pytest.approx(0.25)
    assert gap.low <= gap.value <= gap.high
    assert [(group.name, round(group.value, 12), group.n_users) for group in gap.groups] == [
        ("a", 0.5, 3),
        ("b", 0.25, 3),
    ]
    assert gap.verdict == "red"


@pytest.mark.parametrize(("difference", "verdict"), [(0.0, "green"), (0.019, "green"), (0.025, "yellow"), (0.2, "red")])
def test_yellow_is_the_point_and_red_the_whole_interval(difference: float, verdict: str) -> None:
    """Values that alternate by half around their mean: the interval is about 0.09 wide on each side."""
    values = np.tile([0.25, 0.75], 250) + np.where(np.arange(500) < 250, difference, 0)
    assert _gap(values, _halves(500)).verdict == verdict


def test_small_groups_are_not_compared() -> None:
    """Two of three groups are too small: there is no gap, and none is invented."""
    masks = {"a": np.arange(9) < 5, "b": (np.arange(9) >= 5) & (np.arange(9) < 7), "c": np.arange(9) >= 7}
    gap = _gap(np.linspace(0, 1, 9), masks)
    assert gap.verdict == NOT_ENOUGH
    assert np.isnan(gap.value)
    assert [group.name for group in gap.groups] == ["a"]
    assert _gap(np.linspace(0, 1, 9), {}).groups == ()


def test_equal_groups_are_seldom_red_however_many() -> None:
    """Ten groups of one distribution, 40 shops: the best and the worst differ, and at most one shop of 40 is red."""
    verdicts = []
    for seed in range(40):
        values = np.random.default_rng(seed).random(1000)
        masks = {str(group): np.arange(1000) % 10 == group for group in range(10)}
        verdicts.append(_gap(values, masks, seed=seed))
    assert all(gap.value > 0.02 for gap in verdicts)
    assert sum(gap.verdict == "red" for gap in verdicts) <= 1


def test_a_planted_gap_is_found() -> None:
    """A tenth between two groups of 500 users: red in each of 20 shops."""
    for seed in range(20):
        values = np.random.default_rng(seed).normal(0.4, 0.2, 1000) + np.where(np.arange(1000) < 500, 0.1, 0)
        gap = _gap(values, _halves(1000), seed=seed)
        assert (gap.verdict, gap.best) == ("red", "a")


def test_exposure_is_held_against_demand() -> None:
    """Group 0 has half of the places and three quarters of the demand; group 2 nobody wants; -1 is in no share."""
    codes = np.array([0, 0, 1, 1, 2, -1])
    ratios, places = exposure_ratios(np.array([[0, 2, 5], [1, 3, -1]]), codes, np.array([2, 1, 1, 0, 0, 9]), 3)
    assert ratios.tolist() == [pytest.approx(0.5 / 0.75), pytest.approx(0.5 / 0.25), pytest.approx(np.nan, nan_ok=True)]
    assert places.tolist() == [2, 2, 0]


def test_price_bands_hold_equally_many_items() -> None:
    """Six prices in three bands; an unknown price and a banned item are in none."""
    prices = np.array([6.0, 1.0, 2.0, 5.0, 3.0, 4.0, np.nan, 1.0])
    allowed = np.array([True] * 7 + [False])
    assert price_bands(prices, allowed, 3).tolist() == [2, 0, 0, 2, 1, 1, -1, -1]


def test_intervals_are_those_of_the_draws() -> None:
    """The same seed draws the same users; ends are the percentiles of the drawn means."""
    values = np.random.default_rng(3).random((50, 2))
    drawn = drawn_means(values, resamples=200, seed=9)
    found = intervals(values, resamples=200, seed=9)
    np.testing.assert_allclose(found.lows, np.quantile(drawn, 0.025, axis=0))
    assert dataclasses.is_dataclass(found)
