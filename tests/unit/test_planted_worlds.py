"""Which lists a tiny shop publishes where the truth is planted: the real ranker and contest, by hand-made rows."""

from __future__ import annotations

from typing import Final

import lightgbm
import numpy as np

from contracts.settings import Ranker
from models import ranker
from models.contest import Contest, Outcome
from models.ranker import Examples, Lesson
from models.tuning import ndcg

N_WINDOWS, N_USERS, N_CANDIDATES, K = 4, 150, 40, 10
NAMES: Final = ("popularity", "taste", "noise_1", "noise_2", "noise_3", "noise_4")
SETTINGS: Final = Ranker(min_data_in_leaf=50)


def _window(seed: int, popularity: float, taste: float) -> Examples:
    """Each user buys two of the candidates, by odds that follow popularity and the own taste as strongly as given."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(N_USERS, N_CANDIDATES, len(NAMES))).astype(np.float32)
    odds = np.exp(popularity * features[:, :, 0] + taste * features[:, :, 1])
    labels = np.zeros((N_USERS, N_CANDIDATES), dtype=np.int8)
    for user, row in enumerate(odds):
        labels[user, random.choice(N_CANDIDATES, 2, replace=False, p=row / row.sum())] = 1
    return Examples(features.reshape(-1, len(NAMES)), labels.ravel(), np.full(N_USERS, N_CANDIDATES))


def _joined(parts: list[Examples]) -> Examples:
    columns = [np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "labels", "groups")]
    return Examples(*columns)


def _contest(popularity: float, taste: float) -> Contest:
    """All systems over all windows but the oldest, each scored by what learnt from older ones."""
    windows = [_window(100 + n, popularity, taste) for n in range(N_WINDOWS)]
    parts = []
    for position, judged in enumerate(windows[:-1]):
        text = ranker.fit(Lesson([_joined(windows[position + 1 :])], SETTINGS), NAMES, seed=1, threads=1)
        ours = ranker.predict(ranker.scorer(lightgbm.Booster(model_str=text)), judged.features)
        scores = (judged.features[:, 0], judged.features[:, 1], ours)
        parts.append((np.arange(N_USERS, dtype=np.int32), np.stack([ndcg(judged, s, K) for s in scores], axis=1)))
    return Contest(("popular", "als", "two_stage"), parts, resamples=300, seed=1)


def _outcome(contest: Contest) -> Outcome:
    outcome = contest.outcome()
    assert outcome is not None
    return outcome


def test_where_only_popularity_has_signal_its_lists_are_published() -> None:
    """The ranker learns it from a few hundred purchases, to less than a tenth of its NDCG, and gives way to it."""
    outcome = _outcome(_contest(popularity=1.2, taste=0.0))
    assert (outcome.winner, outcome.beaten) == ("popular", ())
    assert 0.9 * outcome.means["popular"] < outcome.means["two_stage"] <= outcome.means["popular"]


def test_where_two_things_count_the_two_stage_lists_are_published() -> None:
    """Popularity and taste count alike: what weighs both is shown to beat each of them."""
    contest = _contest(popularity=1.0, taste=1.0)
    assert _outcome(contest).winner == "two_stage"
    assert all(contest.difference("two_stage", source).low > 0 for source in ("popular", "als"))


def test_where_only_taste_counts_the_source_that_knows_it_is_published() -> None:
    """It wins though it is not the simplest, and popularity is shown to be beaten."""
    outcome = _outcome(_contest(popularity=0.0, taste=1.2))
    assert outcome.winner == "als"
    assert [loss.worse for loss in outcome.beaten] == ["popular"]
