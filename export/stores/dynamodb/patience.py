"""When to try again and when to give up: full jitter under a cap, within one deadline for a whole piece of work."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace


class Throttled(Exception):
    """The table refuses for load; nothing of the call was done."""


class Unanswered(Exception):
    """No usable answer: some or all of the call may have been done."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often and how long to try.

    Attributes:
        attempts: tries of one call, at least 1.
        seconds: for everything together, counted from `started`.
        first_wait: seconds; the longest wait before the second try, doubled with each try.
        longest_wait: seconds; the cap.
        clock: monotonic seconds.
        sleep: waits so many seconds.
        random: draws each wait between 0 and the longest of that try.
        give_up_at: of the clock; None until `started`.
    """

    attempts: int
    seconds: float
    first_wait: float
    longest_wait: float
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    random: random.Random
    give_up_at: float | None = None

    def started(self) -> Patience:
        """The same with its deadline counted from now."""
        return replace(self, give_up_at=self.clock() + self.seconds)

    def wait(self, attempt: int) -> float:
        """Seconds before try `attempt + 1`; `attempt` is at least 1."""
        return self.random.uniform(0, min(self.longest_wait, self.first_wait * 2 ** min(attempt - 1, 30)))

    def pause(self, seconds: float) -> bool:
        """Whether so many seconds were waited; False, at once, where the deadline lies before their end."""
        if self.give_up_at is not None and self.clock() + seconds >= self.give_up_at:
            return False
        if seconds > 0:
            self.sleep(seconds)
        return True
