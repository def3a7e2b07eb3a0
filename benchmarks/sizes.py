"""How much each stage works on, and what it runs on."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

SEED: Final = 20261124


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Sizes of one run.

    Attributes:
        users: users of the synthetic matrix.
        items: items of the synthetic matrix.
        events: events that fall on its pairs.
        iterations: ALS iterations of both sides.
        ranked_users: users in the block that is ranked.
        candidates: candidates of each of them.
        landed: events that are ingested and validated.
        repeats: times our side is measured.
        peer_repeats: times the peer is measured where it takes minutes.
    """

    users: int
    items: int
    events: int
    iterations: int
    ranked_users: int
    candidates: int
    landed: int
    repeats: int
    peer_repeats: int


FULL: Final = Sizes(
    users=20_000, items=20_000, events=2_000_000, iterations=5, ranked_users=512, candidates=300, landed=500_000,
    repeats=3, peer_repeats=2,
)  # fmt: skip
QUICK: Final = Sizes(
    users=500, items=400, events=10_000, iterations=2, ranked_users=32, candidates=80, landed=2_000, repeats=1,
    peer_repeats=1,
)  # fmt: skip


def versions(*packages: str) -> dict[str, str]:
    """Versions of Python, the packages, and the number of cores."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {"python": platform.python_version(), "cores": str(cores), **{name: version(name) for name in packages}}
