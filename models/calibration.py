"""From the ranker's score to the probability that the item is bought in the window.

A score orders one list; a probability means the same for every user and every night, so that it can be weighed against
money. The map is monotone: it changes no list.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import isotonic_regression, minimize

from contracts.errors import ArtifactCorrupt
from models.ragged import AnyArray, Bool

Float64 = npt.NDArray[np.float64]
Method = Literal["isotonic", "platt"]
ISOTONIC: Final = "isotonic"
PLATT: Final = "platt"
_PLATT_SIZES: Final = (2, 0)  # slope and intercept
_STEEPEST: Final = 36.0  # beyond it a float64's logistic is 0 or 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """A monotone map from scores to probabilities.

    Attributes:
        method: `isotonic` or `platt`.
        x: isotonic: scores, strictly ascending; platt: slope and intercept.
        y: isotonic: the probability at each score, linear between, constant beyond; platt: empty.
    """

    method: Method
    x: Float64
    y: Float64

    def apply(self, scores: AnyArray) -> Float64:
        """Probabilities, float64, one a score; a higher score never has a lower one."""
        values = np.asarray(scores, dtype=np.float64)
        if self.method == PLATT:
            return logistic(self.x[0] * values + self.x[1])
        return np.interp(values, self.x, self.y)

    def to_json(self) -> str:
        """As text that `from_json` reads back exactly."""
        return json.dumps({"method": self.method, "x": self.x.tolist(), "y": self.y.tolist()})


@dataclass(frozen=True, slots=True)
class Reliability:
    """What was promised and what happened, bin by bin of the score, lowest first.

    Attributes:
        n: pairs in each bin, none of them zero.
        mean_score: mean score.
        predicted: mean probability.
        observed: share that was bought.
    """

    n: npt.NDArray[np.int64]
    mean_score: Float64
    predicted: Float64
    observed: Float64

    @property
    def error(self) -> float:
        """Expected calibration error: mean distance of predicted and observed, weighted by pairs; NaN without any.

        Source: Naeini, Cooper and Hauskrecht, 2015, "Obtaining well calibrated probabilities using Bayesian binning".
        """
        distance = np.abs(self.predicted - self.observed)
        return float(np.average(distance, weights=self.n)) if len(self.n) else float("nan")


def fit(scores: AnyArray, labels: Bool, method: Method) -> Calibration:
    """The map fitted to scores and what was bought.

    Isotonic regression: Zadrozny and Elkan, 2002; a logistic curve with smoothed targets: Platt, 1999. Without a bought
    and an unbought pair there is nothing to fit, and every score has the share bought.

    Args:
        scores: any order, no NaN.
        labels: True where bought.
        method: which of the two.
    """
    values, bought = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if bought.all() or not bought.any():
        return Calibration(ISOTONIC, np.zeros(1), np.array([float(bought.mean()) if len(bought) else 0.0]))
    return _platt(values, bought) if method == PLATT else _isotonic(values, bought)


def logistic(values: AnyArray) -> Float64:
    """1 / (1 + e^-x): what a lambdarank score is taken for where nothing was fitted."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -_STEEPEST, _STEEPEST))), dtype=np.float64)


def edges_of(scores: AnyArray, labels: Bool, n_bins: int) -> Float64:
    """Inner edges of bins that hold equally many bought pairs each, so that every bin is told about as exactly."""
    bought = np.asarray(scores, dtype=np.float64)[np.asarray(labels, dtype=bool)]
    if not len(bought):
        return np.zeros(0)
    return np.unique(np.quantile(bought, np.arange(1, n_bins) / n_bins))


def reliability(scores: AnyArray, probabilities: AnyArray, labels: Bool, edges: Float64) -> Reliability:
    """Predicted and observed by bin of the score; empty bins are left out.

    Args:
        scores: what the bins are cut by.
        probabilities: parallel to the scores.
        labels: True where bought.
        edges: inner edges, ascending, of other pairs than these.
    """
    at = np.searchsorted(edges, np.asarray(scores, dtype=np.float64), side="right")
    n = np.bincount(at, minlength=len(edges) + 1)
    kept = n > 0

    def mean(values: AnyArray) -> Float64:
        sums = np.bincount(at, weights=np.asarray(values, dtype=np.float64), minlength=len(n))
        return np.asarray(sums[kept] / n[kept])

    return Reliability(n[kept].astype(np.int64), mean(scores), mean(probabilities), mean(labels))


def from_json(text: str) -> Calibration:
    """What `to_json` wrote.

    Raises:
        ArtifactCorrupt: it is no calibration.
    """
    try:
        tree: dict[str, Any] = json.loads(text)
        made = Calibration(tree["method"], *(np.array(tree[name], dtype=np.float64) for name in ("x", "y")))
    except (ValueError, KeyError, TypeError) as error:
        raise _unreadable(str(error)) from error
    sizes = (len(made.x), len(made.y))
    fits = {PLATT: sizes == _PLATT_SIZES, ISOTONIC: sizes[0] == sizes[1] > 0}
    if not fits.get(made.method) or not np.isfinite([*made.x, *made.y]).all():
        raise _unreadable(f"{sizes[0]} scores and {sizes[1]} probabilities of the method {made.method}")
    return made


def _unreadable(why: str) -> ArtifactCorrupt:
    return ArtifactCorrupt(
        f"A calibration cannot be read: {why}.",
        where="the ranker artifact",
        todo="Run the training step of that date again; it replaces the artifact.",
    )


def _isotonic(scores: Float64, bought: Bool) -> Calibration:
    """Both ends of every level of the regression, so that scores inside a level keep it."""
    unique, at = np.unique(scores, return_inverse=True)
    n = np.bincount(at).astype(np.float64)
    share = np.bincount(at, weights=bought) / n
    fitted = np.clip(np.asarray(isotonic_regression(share, weights=n).x), 0.0, 1.0)
    is_end = np.r_[True, fitted[1:] != fitted[:-1]]
    is_end |= np.r_[is_end[1:], True]
    return Calibration(ISOTONIC, unique[is_end], fitted[is_end])


def _platt(scores: Float64, bought: Bool) -> Calibration:
    n_bought, n = int(bought.sum()), len(bought)
    targets = np.where(bought, (n_bought + 1) / (n_bought + 2), 1 / (n - n_bought + 2))
    centre, spread = float(scores.mean()), max(float(scores.std()), 1e-12)
    scaled = (scores - centre) / spread

    def loss(parameters: Float64) -> tuple[float, Float64]:
        logits = parameters[0] * scaled + parameters[1]
        value = float(np.mean(np.logaddexp(0, logits) - targets * logits))
        slope = logistic(logits) - targets
        return value, np.array([float(np.mean(slope * scaled)), float(np.mean(slope))])

    start = np.array([1.0, float(np.log(n_bought / (n - n_bought)))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0, None), (None, None)]).x
    slope = found[0] / spread
    return Calibration(PLATT, np.array([slope, found[1] - slope * centre]), np.zeros(0))
