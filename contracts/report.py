"""What a job tells of itself."""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

import msgspec


class JobReport(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one job run.

    Attributes:
        job: the job's verb.
        as_of: the partition it made.
        rows: rows by what became of them, such as accepted or written.
        numbers: measured values worth a plot, by name with unit.
        details: text and small tables for a person.
        seconds: wall time; kept apart from the facts, which repeat exactly.
    """

    job: str
    as_of: dt.date
    rows: dict[str, int] = {}
    numbers: dict[str, float] = {}
    details: dict[str, Any] = {}
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """The report as one JSON object; numbers that are not finite become null."""
        tree: dict[str, Any] = msgspec.to_builtins(self)
        tree["numbers"] = {k: v if math.isfinite(v) else None for k, v in self.numbers.items()}
        return tree
