"""What lists would be with other weights of their objectives, and which weights nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from models import metrics
from models.metrics import Float64
from models.objectives import Aims, Likeness, rerank
from models.ragged import Bool, Int32
from models.rankings import Ranking, Truth
from models.rerank import Lists

MEASURES: Final = ("ndcg", "diversity", "margin")
CHOSEN: Final = "chosen_objectives"
ALONE: Final = "engagement_alone"
COST: Final = f"{CHOSEN}_minus_{ALONE}"
ORDERED: Final = "ordered_"  # before a measure of lists that the objectives ordered, without caps and exploration


@dataclass(frozen=True, slots=True)
class Measured:
    """One set of weights on a block of users.

    Attributes:
        numbers: shape (n_users, 3), in the order of MEASURES; NaN for users without truth.
        top: the first k items, shape (n_users, k), empty places -1.
    """

    numbers: Float64
    top: Int32


def grid(objectives: Sequence[str], steps: int) -> list[dict[str, float]]:
    """Every set of weights that are multiples of 1 / steps and add up to 1: (steps + n - 1 over n - 1) of them."""
    n = len(objectives)
    made = []
    for bars in combinations(range(steps + n - 1), n - 1):
        ends = np.diff([-1, *bars, steps + n - 1]) - 1
        made.append({name: int(part) / steps for name, part in zip(objectives, ends, strict=True)})
    return made[::-1]


def measure(lists: Lists, aims: Aims, truth: Truth, margin: np.ndarray | None, k: int) -> Measured:
    """Accuracy, diversity and margin of the first k of the lists, ordered by the aims.

    Diversity is 1 less the mean similarity of two items of the list, the margin the mean share of the assortment that
    has a lower one.

    Args:
        lists: what may show, best first by the ranker.
        aims: weights and facts.
        truth: what each user bought.
        margin: `objectives.margin_of` the items; None where none is known.
        k: places that count.
    """
    made = rerank(lists, aims, k)
    top = Ranking(made.rows, made.items, len(truth.counts)).top(k)
    is_there, counts = top >= 0, truth.counts > 0
    ndcg = metrics.ndcg(metrics.hits_of(top, truth), truth.counts, k)
    worth = np.full(len(top), np.nan)
    if margin is not None:
        sums = np.where(is_there, margin[np.where(is_there, top, 0)], 0.0).sum(axis=1)
        np.divide(sums, is_there.sum(axis=1), out=worth, where=is_there.any(axis=1))
    numbers = np.stack([ndcg, diversity(top, aims.likeness), worth], axis=1)
    return Measured(np.where(counts[:, None], numbers, np.nan), top)


def diversity(top: Int32, likeness: Likeness) -> Float64:
    """1 less the mean similarity of two items of each list, shape (n_lists,); NaN for a list of fewer than two."""
    left, right = np.triu_indices(top.shape[1], 1)
    items = np.where(top >= 0, top, 0)
    known = np.minimum(items, max(len(likeness.vectors) - 1, 0))
    vectors = likeness.vectors[known] * likeness.scales[items][:, :, None]
    alike = np.einsum("uif,ujf->uij", vectors, vectors)[:, left, right].astype(np.float64)
    for column in likeness.codes.T:
        code = column[items]
        alike += likeness.code_share * ((code[:, left] == code[:, right]) & (code[:, left] >= 0))
    pairs = (top[:, left] >= 0) & (top[:, right] >= 0)
    total, n_pairs = np.where(pairs, np.clip(alike, 0, 1), 0.0).sum(axis=1), pairs.sum(axis=1)
    found = np.full(len(top), np.nan)
    np.divide(total, n_pairs, out=found, where=n_pairs > 0)
    return 1.0 - found


def unbeaten(values: Float64) -> Bool:
    """True for the points that no other is as good as in every measure and better in one: the Pareto front.

    Args:
        values: shape (n_points, n_measures), higher is better.
    """
    as_good = (values[:, None, :] >= values[None, :, :]).all(axis=2)
    better = (values[:, None, :] > values[None, :, :]).any(axis=2)
    return np.asarray(~(as_good & better).any(axis=0))
