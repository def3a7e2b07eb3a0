"""Which of several systems to publish: the simplest one that no other is shown to beat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.bootstrap import pooled_intervals
from models.metrics import Float64
from models.ragged import Int32


@dataclass(frozen=True, slots=True)
class Difference:
    """One system's mean minus another's, over the same users.

    Attributes:
        better: name of the first.
        worse: name of the second.
        value: the mean difference.
        low: lower end of its 95 % interval.
        high: upper end.
        n_users: users of both, each counted once.
    """

    better: str
    worse: str
    value: float
    low: float
    high: float
    n_users: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a contest came to.

    Attributes:
        winner: the simplest system that none is shown to beat.
        means: of each system, over all windows.
        beaten: for each simpler system than the winner, the first that was found to beat it.
    """

    winner: str
    means: dict[str, float]
    beaten: tuple[Difference, ...]


class Contest:
    """Systems held against each other over the users of one window or several."""

    def __init__(
        self, systems: Sequence[str], parts: Sequence[tuple[Int32, Float64]], *, resamples: int, seed: int
    ) -> None:
        """Takes the numbers as they are.

        Args:
            systems: names, the simplest first.
            parts: a window's users, each once, and a value a user and system, NaN where the user does not count.
            resamples: of the bootstrap over users; a user is drawn with all windows.
            seed: of the draws.
        """
        self.systems = tuple(systems)
        self._parts, self._resamples, self._seed = parts, resamples, seed
        stacked = np.concatenate([values for _, values in parts])
        known = ~np.isnan(stacked)
        sums, counts = np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0)
        self.means = {name: float(s / n) for name, s, n in zip(systems, sums, counts, strict=True) if n}

    def difference(self, better: str, worse: str) -> Difference:
        """The paired difference of two systems, with a bootstrap interval over users."""
        one, other = self.systems.index(better), self.systems.index(worse)
        paired = [(users, values[:, [one]] - values[:, [other]]) for users, values in self._parts]
        found = pooled_intervals(paired, resamples=self._resamples, seed=self._seed)
        value, low, high = (float(ends[0]) for ends in (found.means, found.lows, found.highs))
        return Difference(better, worse, value, low, high, int(found.n_users[0]))

    def outcome(self) -> Outcome | None:
        """The simplest system that none beats by a whole interval above zero; None where nobody counts.

        The one with the highest mean is never beaten, so that there is a winner. A system is held against those with
        a higher mean, the highest first: what is far behind falls at the first comparison.
        """
        ranked = sorted(self.means, key=lambda name: (-self.means[name], self.systems.index(name)))
        beaten: list[Difference] = []
        for name in (name for name in self.systems if name in self.means):
            loss = self._loss(name, ranked[: ranked.index(name)])
            if loss is None:
                return Outcome(name, self.means, tuple(beaten))
            beaten.append(loss)
        return None

    def _loss(self, name: str, ahead: Sequence[str]) -> Difference | None:
        for other in ahead:
            found = self.difference(other, name)
            if found.low > 0:
                return found
        return None
