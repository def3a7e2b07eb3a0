"""The ranker's settings, chosen one after the other on past windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import lightgbm as lgb
import msgspec
import numpy as np

from contracts.settings import Loss, OwnRanker, Ranker
from models import ranker
from models.bootstrap import paired_difference
from models.metrics import Float64
from models.ragged import AnyArray, Int32
from models.ranker import Examples, Lesson

CUTOFF: Final = 10
GRID: Final[tuple[tuple[str, tuple[Any, ...]], ...]] = (
    ("windows", (2, 4, 6, 8)),
    ("num_leaves", (15, 31, 63)),
    ("min_data_in_leaf", (50, 200, 400)),
    ("feature_fraction", (0.3, 0.5, 0.8)),
    ("lambda_l2", (1.0, 5.0, 20.0)),
    ("n_estimators", (90, 130, 200)),
)
"""Each setting and what is tried, in the order they are tried; the present value is always among them."""

LOSSES: Final[tuple[tuple[Loss, ...], ...]] = (("lambdarank",), ("binary",), ("lambdarank", "binary"))


@dataclass(frozen=True, slots=True)
class Fold:
    """One past window to predict, with the older ones to learn from.

    Attributes:
        older: by placement, the examples of each older window, newest first.
        judged: by placement, the examples of the window to predict.
        users: by placement, the user of each group of `judged`.
        click_gain: worth of a clicked row, in purchases.
    """

    older: tuple[tuple[Examples, ...], ...]
    judged: tuple[Examples, ...]
    users: tuple[Int32, ...]
    click_gain: float = 1.0


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """One value tried in the place of the present one.

    Attributes:
        name: setting; of one that a placement has of its own, with a dot and the placement behind it.
        value: what was tried.
        ndcg: mean NDCG at CUTOFF over users, each the mean of placements and folds, on the examples' sampled
            candidates.
        gain: mean difference to the present choice, user by user.
        low: lower end of its 95 % interval.
        high: upper end.
        is_taken: whether it is the present choice from here on: the whole interval lies above 0.
    """

    name: str
    value: Any
    ndcg: float
    gain: float
    low: float
    high: float
    is_taken: bool


def search(
    folds: Sequence[Fold],
    placements: Sequence[str],
    start: Ranker,
    *,
    seed: int,
    threads: int,
    resamples: int,
    told: Callable[[Trial], None],
) -> tuple[Ranker, float, list[Trial]]:
    """The settings that coordinate descent ends with, their mean NDCG at CUTOFF, and every trial.

    One setting after the other is varied; of the values whose paired interval lies above 0 the best is taken.

    Args:
        folds: past windows; none may be of the days that a report is made on.
        placements: names, in the order of the folds' parts.
        start: the present settings.
        seed: of the models and the resamples.
        threads: of LightGBM.
        resamples: of users.
        told: called with each trial.
    """

    def judge(choice: Ranker) -> Float64:
        values = [_judged(fold, placements, choice, seed=seed, threads=threads) for fold in folds]
        return _by_user(np.concatenate(values), np.concatenate([part for fold in folds for part in fold.users]))

    present, numbers, trials = start, judge(start), []
    for name in ("losses", *(name for name, _ in GRID)):
        for scope in _scopes(start, name, placements):
            tried = [_tried(one, numbers, judge, resamples, seed) for one in _alternatives(present, name, scope)]
            best = max((one for one in tried if one.trial.low > 0), key=lambda one: one.trial.gain, default=None)
            for one in tried:
                trials.append(msgspec.structs.replace(one.trial, is_taken=one is best))
                told(trials[-1])
            if best is not None:
                present, numbers = best.choice, best.numbers
    return present, float(np.nanmean(numbers)), trials


@dataclass(frozen=True, slots=True)
class _Tried:
    trial: Trial
    choice: Ranker
    numbers: Float64


def _tried(
    one: tuple[str, Any, Ranker], present: Float64, judge: Callable[[Ranker], Float64], resamples: int, seed: int
) -> _Tried:
    name, value, choice = one
    numbers = judge(choice)
    gain = paired_difference(numbers, present, resamples=resamples, seed=seed)
    trial = Trial(
        name=name,
        value=value,
        ndcg=float(np.nanmean(numbers)),
        gain=float(gain.means[0]),
        low=float(gain.lows[0]),
        high=float(gain.highs[0]),
        is_taken=False,
    )
    return _Tried(trial, choice, numbers)


def ndcg(examples: Examples, scores: AnyArray, k: int) -> Float64:
    """NDCG at `k` of each group's rows by score, ties by order; the ideal puts its bought rows first."""
    rows = np.repeat(np.arange(len(examples.groups)), examples.groups)
    discounts = 1 / np.log2(np.arange(2, k + 2))

    def gain(order: AnyArray) -> Float64:
        first = np.searchsorted(rows[order], rows[order], side="left")
        place = np.arange(len(order)) - first
        top = place < k
        gains = examples.labels[order][top] * discounts[place[top]]
        return np.bincount(rows[order][top], weights=gains, minlength=len(examples.groups)).astype(np.float64)

    ideal = gain(np.lexsort((-examples.labels, rows)))
    return np.asarray(gain(np.lexsort((-scores, rows))) / np.where(ideal > 0, ideal, np.nan))


def _judged(fold: Fold, placements: Sequence[str], choice: Ranker, *, seed: int, threads: int) -> Float64:
    values = []
    for placement, older, judged in zip(placements, fold.older, fold.judged, strict=True):
        learnt = _joined(older[: choice.windows])
        names = tuple(f"f{n}" for n in range(learnt.features.shape[1]))
        lesson = Lesson([learnt], choice.of(placement))
        text = ranker.fit(lesson, names, click_gain=fold.click_gain, seed=seed, threads=threads)
        scores = ranker.predict(ranker.scorer(lgb.Booster(model_str=text)), judged.features)
        values.append(ndcg(judged, scores, CUTOFF))
    return np.concatenate(values)


def _by_user(values: Float64, users: Int32) -> Float64:
    """The mean of each user's values, NaN without one: two lists of a user are no two witnesses."""
    _, rows = np.unique(users, return_inverse=True)
    known = ~np.isnan(values)
    counts = np.bincount(rows, weights=known)
    return np.asarray(np.bincount(rows, weights=np.where(known, values, 0)) / np.where(counts > 0, counts, np.nan))


def _joined(parts: Sequence[Examples]) -> Examples:
    """The examples of several windows; those without a log count alike and have no clicks beside those with one."""
    made = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ("features", "labels", "groups")}
    if all(part.weights is None for part in parts):
        return Examples(**made)
    n = [len(part.labels) for part in parts]
    clicked = [np.zeros(k, dtype=bool) if p.is_clicked is None else p.is_clicked for p, k in zip(parts, n, strict=True)]
    weights = [np.ones(k, dtype=np.float32) if p.weights is None else p.weights for p, k in zip(parts, n, strict=True)]
    return Examples(**made, is_clicked=np.concatenate(clicked), weights=np.concatenate(weights))


def _scopes(start: Ranker, name: str, placements: Sequence[str]) -> list[str | None]:
    """Whom a setting is varied for: all without one of their own (None), and each that has; losses are each one's."""
    own = [at for at in placements if name == "losses" or start.placements.get(at, OwnRanker()).has(name)]
    return [*([None] if len(own) < len(placements) else []), *own]


def _alternatives(present: Ranker, name: str, scope: str | None) -> Iterator[tuple[str, Any, Ranker]]:
    """Choices that differ from the present one in one setting, of all placements or of one."""
    now = getattr(present if scope is None else present.of(scope), name)
    for value in LOSSES if name == "losses" else dict(GRID)[name]:
        if value == now:
            continue
        if scope is None:
            yield name, value, msgspec.structs.replace(present, **{name: value})
        else:
            yield f"{name}.{scope}", list(value) if name == "losses" else value, present.with_own(scope, name, value)
