"""What differs between the lists in the store and the same lists made a second time, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from models.parity.comparing import Difference

MAX_TOLD: Final = 1000
"""Differences in the report."""
N_EXAMPLES: Final = 3
"""Of them in an error."""


@dataclass(slots=True)
class Tally:
    """What was found so far.

    Attributes:
        differing: users with a difference.
        by_what: how many differences of each kind.
    """

    n_users: int = 0
    n_lists: int = 0
    n_places: int = 0
    n_tied: int = 0
    differing: set[str] = field(default_factory=set)
    by_what: Counter[str] = field(default_factory=Counter)
    told: list[Difference] = field(default_factory=list)

    @property
    def rows(self) -> dict[str, int]:
        """The counts of a report."""
        return {
            "users_checked": self.n_users, "lists_checked": self.n_lists, "places_checked": self.n_places,
            "users_differing": len(self.differing), "differences": self.by_what.total(), "places_tied": self.n_tied,
        }  # fmt: skip

    def add(self, differences: Iterable[Difference]) -> None:
        """Counts differences, and keeps the first of them."""
        for difference in differences:
            self.differing.add(difference.user_id)
            self.by_what[difference.what] += 1
            if len(self.told) < MAX_TOLD:
                self.told.append(difference)


def examples(told: list[Difference]) -> str:
    """One difference of each of the first users, as text."""
    first: dict[str, Difference] = {}
    for one in told:
        first.setdefault(one.user_id, one)
    return "; ".join(
        f"{one.user_id}, {one.placement or 'all placements'}, place {one.position}: {one.what} {one.expected} was "
        f"expected, {one.found} found"
        for one in list(first.values())[:N_EXAMPLES]
    )
