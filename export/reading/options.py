"""How lists are read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from export.reading.breaker import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How lists are read.

    Attributes:
        pointer_seconds: the pointer is looked at again when the last look is so old; retention's grace must be longer.
        overlay_seconds: the same of the eligibility overlay.
        stale_after_hours: an answer is stale from this age on.
        limits: of calls to the store.
        last_good: file of the lists kept here for the time the store is away, or a snapshot directory that stands in
            for it; None to do without.
        last_good_answers: personal answers kept, the latest.
        shadow_share: share of the users whose answers are compared with the shadow's.
    """

    pointer_seconds: float = 0.0
    overlay_seconds: float = 5.0
    stale_after_hours: float = 36.0
    limits: Limits = field(default_factory=Limits)
    last_good: Path | None = None
    last_good_answers: int = 1000
    shadow_share: float = 0.05

    @property
    def is_at_once(self) -> bool:
        """Whether every question looks at the pointer, and waits for it however long it takes."""
        return self.pointer_seconds <= 0 and self.limits.try_seconds is None
