"""How fast items are written: a rate that falls when the table throttles and rises slowly when it does not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

FALL: Final = 0.7
RISE: Final = 0.02
FALL_EVERY_SECONDS: Final = 0.25
FLOOR: Final = 25.0


class Rate:
    """Write units a second, shared by all threads of a writer. Additive increase, multiplicative decrease."""

    def __init__(self, limit: float, *, clock: Callable[[], float]) -> None:
        """Begins at `limit` write units a second, which it never exceeds.

        Args:
            limit: write units a second, above 0.
            clock: monotonic seconds.
        """
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._free_at = clock()
        self._fell_at = self._free_at - FALL_EVERY_SECONDS
        self.current = limit

    def reserve(self, units: float) -> float:
        """Seconds to wait before so many units may be sent; the units count as sent from then on."""
        with self._lock:
            now = self._clock()
            start = max(now, self._free_at)
            self._free_at = start + units / self.current
            return start - now

    def throttled(self) -> None:
        """The table refused units for load: slower, but once for all threads that meet the same load."""
        with self._lock:
            now = self._clock()
            if now - self._fell_at >= FALL_EVERY_SECONDS:
                self._fell_at = now
                self.current = max(min(FLOOR, self._limit), self.current * FALL)

    def accepted(self) -> None:
        """The table took a whole batch: a little faster."""
        with self._lock:
            self.current = min(self._limit, self.current + self._limit * RISE)
