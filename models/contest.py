"""Which of several systems to publish: the simplest one, until another is shown to beat it."""

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
        winner: the system that the others gave way to, and that none is shown to beat.
        means: of each system, over all windows.
        beaten: each system that gave way, the simplest first, and the one that took its place.
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
        """The simplest system, or what took its place; None where nobody counts.

        A system gives way to the simplest of those that beat it by a whole interval above zero, and that one to the
        next, until none beats the last. Whatever wins was thus shown to be better than what it replaced: that another
        system beats the simplest is no reason to publish a third, which nobody could tell from either. Means rise
        from one to the next, so that there is an end.
        """
        if not self.means:
            return None
        beaten: list[Difference] = []
        winner = next(name for name in self.systems if name in self.means)
        while (loss := self._loss(winner)) is not None:
            beaten.append(loss)
            winner = loss.better
        return Outcome(winner, self.means, tuple(beaten))

    def _loss(self, name: str) -> Difference | None:
        """What the simplest system that beats this one has over it."""
        ahead = (other for other in self.systems if self.means.get(other, -np.inf) > self.means[name])
        return next((found for other in ahead if (found := self.difference(other, name)).low > 0), None)
