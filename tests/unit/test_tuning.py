from __future__ import annotations

import numpy as np
import pytest

from contracts.settings import OwnRanker, Ranker
from models import tuning
from models.ranker import Examples
from models.tuning import Fold, Trial

STUMPS = Ranker(
    windows=2, losses=("lambdarank",), n_estimators=15, num_leaves=2, min_data_in_leaf=5, feature_fraction=1.0,
    learning_rate=0.3,
)  # fmt: skip
USERS = np.arange(80, dtype=np.int32)


def window(seed: int) -> Examples:
    """Eighty users with ten candidates; bought where the two features have the same sign, which no stump can tell."""
    features = np.random.default_rng(seed).normal(size=(800, 2)).astype(np.float32)
    labels = (features[:, 0] * features[:, 1] > 0.4).astype(np.int8)
    return Examples(features, labels, np.full(80, 10))


def search(
    monkeypatch: pytest.MonkeyPatch,
    grid: tuple[tuple[str, tuple[int, ...]], ...],
    placements: int = 1,
    start: Ranker = STUMPS,
) -> tuple[Ranker, list[Trial]]:
    """The choice among a small grid, and the trials as they were told; every placement has the same lists."""
    monkeypatch.setattr(tuning, "GRID", grid)
    monkeypatch.setattr(tuning, "LOSSES", (("lambdarank",),))
    fold = Fold(((window(1), window(2)),) * placements, (window(3),) * placements, (USERS,) * placements)
    told: list[Trial] = []
    chosen, ndcg, trials = tuning.search(
        [fold], ["home", "discover"][:placements], start, seed=1, threads=1, resamples=200, told=told.append
    )
    assert trials == told
    assert ndcg == pytest.approx(max([trial.ndcg for trial in told if trial.is_taken], default=ndcg))
    return chosen, told


def test_a_setting_that_the_truth_asks_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two features that matter only together need more than two leaves; the gain and its interval are above 0."""
    chosen, told = search(monkeypatch, (("num_leaves", (2, 8)),))
    assert chosen.num_leaves == 8
    assert [(trial.name, trial.value, trial.is_taken) for trial in told] == [("num_leaves", 8, True)]
    assert told[0].low > 0.1


def test_a_setting_without_effect_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """More windows than there are change nothing: gain exactly 0, not taken."""
    chosen, told = search(monkeypatch, (("windows", (4, 6)),))
    assert chosen == STUMPS
    assert [(trial.gain, trial.is_taken) for trial in told] == [(0, False), (0, False)]


def test_what_a_placement_has_of_its_own_is_tried_for_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves of `home` are its own: one trial for the others and one for it, and each gets what the truth asks for."""
    start = STUMPS.with_own("home", "num_leaves", 2)
    chosen, told = search(monkeypatch, (("num_leaves", (2, 8)),), 2, start)
    assert [(trial.name, trial.value, trial.is_taken) for trial in told] == [
        ("num_leaves", 8, True),
        ("num_leaves.home", 8, True),
    ]
    assert chosen.num_leaves == 8
    assert chosen.placements == {"home": OwnRanker(num_leaves=8)}


def test_losses_are_of_each_placement(monkeypatch: pytest.MonkeyPatch) -> None:
    """Binary is tried for one placement after the other, and the other keeps what it has."""
    monkeypatch.setattr(tuning, "LOSSES", (("lambdarank",), ("binary",)))
    scopes = tuning._scopes(STUMPS, "losses", ["home", "discover"])
    groups = [list(tuning._alternatives(STUMPS, "losses", scope)) for scope in scopes]
    assert [
        [(name, value, made.of("home").losses, made.of("discover").losses) for name, value, made in g] for g in groups
    ] == [
        [("losses.home", ["binary"], ("binary",), ("lambdarank",))],
        [("losses.discover", ["binary"], ("lambdarank",), ("binary",))],
    ]


def test_two_lists_of_a_user_are_one_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second placement with the very same lists makes no interval narrower."""
    grid = (("num_leaves", (2, 3)),)
    assert search(monkeypatch, grid, 2)[1] == search(monkeypatch, grid)[1]


def test_ndcg_counts_places_from_the_top() -> None:
    """Bought at places 1 and 3 of three: (1 + 1/2) over (1 + 1/log2(3)); a group without a purchase has no value."""
    examples = Examples(np.zeros((5, 1), dtype=np.float32), np.array([1, 0, 1, 0, 0], dtype=np.int8), np.array([3, 2]))
    values = tuning.ndcg(examples, np.array([0.9, 0.5, 0.1, 0.2, 0.1]), 10)
    assert values[0] == pytest.approx(1.5 / (1 + 1 / np.log2(3)))
    assert np.isnan(values[1])
    assert tuning.ndcg(examples, np.array([0.1, 0.5, 0.9, 0.2, 0.1]), 1)[0] == 1.0
