"""Counts of one placement, user by user. Memory grows by the items, not by the users."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from export.comparing.result import ChangedUser, Shown
from export.stores.base import Rows

TOP: Final = 5
"""Places that a shopper sees at a glance."""


@dataclass(slots=True)
class PlacementCount:
    """What the users so far had.

    Attributes:
        k: places of a list that are compared.
        n_most: most changed users that are kept.
        n_changed: users whose best five are other items.
        n_reordered: users whose best five are the same items in another order.
        overlaps: how many users had so many items in both lists, of so many places.
        before: how many lists have an item in their top k, by item id.
        after: the same of the later snapshot.
        most: the most changed users, each behind what they are ordered by.
    """

    k: int
    n_most: int
    n_both: int = 0
    n_only_before: int = 0
    n_only_after: int = 0
    n_changed: int = 0
    n_reordered: int = 0
    overlaps: Counter[tuple[int, int]] = field(default_factory=Counter)
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    most: list[tuple[tuple[float, int, str], ChangedUser]] = field(default_factory=list)

    def add(self, user_id: str, before: Rows | None, after: Rows | None) -> None:
        """Counts one user; the lists have at least the best `max(k, TOP)` items, as far as there are so many."""
        if before is not None:
            self.before.update(before.items[: self.k])
        if after is not None:
            self.after.update(after.items[: self.k])
        if before is not None and after is not None:
            self._compare(user_id, before, after)
        else:
            self.n_only_before += before is not None
            self.n_only_after += after is not None

    def _compare(self, user_id: str, before: Rows, after: Rows) -> None:
        self.n_both += 1
        old, new = before.items[:TOP], after.items[:TOP]
        if set(old) != set(new):
            self.n_changed += 1
        elif old != new:
            self.n_reordered += 1
        n_shared = len({*before.items[: self.k]} & {*after.items[: self.k]})
        n_places = min(self.k, max(len(before.items), len(after.items)))
        self.overlaps[n_shared, n_places] += 1
        if n_shared < n_places:
            self._keep(user_id, n_shared / n_places, n_places, before, after)

    def _keep(self, user_id: str, overlap: float, n_places: int, before: Rows, after: Rows) -> None:
        key = (overlap, -n_places, user_id)
        if len(self.most) == self.n_most and (not self.most or key > self.most[-1][0]):
            return
        lists = (_shown(before, self.k), _shown(after, self.k))
        made = ChangedUser(user_id=user_id, overlap=overlap, before=lists[0], after=lists[1])
        insort(self.most, (key, made), key=lambda one: one[0])
        del self.most[self.n_most :]


def quantile(overlaps: Counter[tuple[int, int]], percent: int) -> float | None:
    """The smallest overlap that at least so many percent of the users do not exceed; None without users."""
    left = -(-overlaps.total() * percent // 100)
    for overlap, n in sorted((shared / places, n) for (shared, places), n in overlaps.items()):
        left -= n
        if left <= 0:
            return overlap
    return None


def _shown(rows: Rows, k: int) -> tuple[Shown, ...]:
    return tuple(map(Shown, rows.items[:k], rows.titles[:k]))
