"""The shadow snapshot: answered and compared behind what is served, never served itself."""

from __future__ import annotations

from contracts.errors import LarderError
from export.reading.answers import LOG, TopN
from export.reading.breaker import Guard
from export.reading.channels import place
from export.reading.tally import Tally
from export.stores.base import Reader


class Shadow:
    """Compares served lists with the shadow's, for a stable share of the users."""

    def __init__(self, share: float, guard: Guard, tally: Tally) -> None:
        """Compares for `share` of the users.

        `tally` has `shadow_compared`, `shadow_overlap` (the sum over them of the share of the served items that the
        shadow has too), `shadow_same` (equal lists in equal order) and `shadow_failed`.
        """
        self._share, self._guard, self._tally = share, guard, tally

    def compare(self, shadow: Reader, served: TopN) -> None:
        """Counts how a served answer differs from the shadow's; whatever goes wrong costs the comparison alone."""
        if not served.items or place(served.user_id, "shadow") >= self._share:
            return
        self._guard.behind(lambda: self._count(shadow, served))

    def _count(self, shadow: Reader, served: TopN) -> None:
        n = len(served.items)
        try:
            user = shadow.find(served.user_id)
            rows = user.rows(served.placement, n) if user is not None else None
            if rows is None:
                _, rows = shadow.fallback(served.placement, served.segment, n)
        except (LarderError, OSError, KeyError) as error:  # KeyError: the shadow lacks the placement
            self._tally.add("shadow_failed")
            LOG.error("the shadow %s has no answer: %s", shadow.id, error)
            return
        self._tally.add("shadow_compared")
        self._tally.add("shadow_same", rows.items == served.items)
        self._tally.add("shadow_overlap", len({*rows.items} & {*served.items}) / n)
