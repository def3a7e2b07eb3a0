"""A gate on the rules: whether the catalogue of the night has what they name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from contracts.settings import Settings
from jobs.evaluation.gates import Gate
from jobs.paths import layout_of
from models import artifact


def rule_gates(settings: Settings, as_of: dt.date) -> Iterator[Gate]:
    """One gate where a rule holds on the date: yellow where one names what no item has, never red.

    Raises:
        ArtifactCorrupt: the shelf of the date is absent or damaged.
    """
    if not any(rule.holds(as_of) for rule in settings.rules):
        return
    folder = layout_of(settings).artifact("shelf", as_of)
    unknown: dict[str, list[str]] = artifact.about(folder)["unknown"]
    n = sum(len(names) for names in unknown.values())
    yield Gate(
        name="rules_unknown",
        placement="",
        value=float(n),
        limit=None,
        level="yellow" if n else "green",
        warns_at=0.0,
        note="; ".join(f"{rule}: {', '.join(names)}" for rule, names in unknown.items()) or "every name is an item's",
    )
