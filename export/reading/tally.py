"""Counts that no thread loses."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final


class Tally:
    """Numbers by name, from 0. Safe to share between threads."""

    def __init__(self) -> None:
        self._counts: dict[str, float] = {}
        self._lock: Final = threading.Lock()

    def add(self, name: str, n: float = 1) -> None:
        """`name` grows by `n`."""
        with self._lock:
            self._counts[name] = self._counts.get(name, 0) + n

    @property
    def counts(self) -> Counter[str]:
        """The counts of now; changing them changes nothing here."""
        with self._lock:
            return Counter(self._counts)
