"""What the stages after scoring know of the items beside their features, shared by every worker."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from contracts.rules_section import Rule, ordered
from models import artifact
from models.ragged import Float32, Int32, Int64
from models.rules import RuleInForce


@dataclass(frozen=True, slots=True)
class Shelf:
    """One entry an item of the vocabulary.

    Attributes:
        margins: float32, margin as a share of the price, NaN where unknown.
        reach: int64 by placement: lists that have the item among the first places of the ranker's order.
        rules: the rules that hold on the date, each with the items that it is about.
    """

    margins: Float32
    reach: dict[str, Int64]
    rules: tuple[tuple[Rule, Int32], ...] = ()

    def rules_of(self, placement: str) -> tuple[RuleInForce, ...]:
        """The rules that hold in a placement, in the order in which they act; those about no item do nothing."""
        items = {rule.name: items for rule, items in self.rules}
        held = ordered(rule for rule, _ in self.rules if rule.is_for(placement))
        made = []
        for rule in held:
            is_target = np.zeros(len(self.margins), dtype=bool)
            is_target[items[rule.name]] = True
            if is_target.any():
                made.append(RuleInForce(rule, is_target))
        return tuple(made)


def save(folder: Path, shelf: Shelf, *, about: Mapping[str, object]) -> str:
    """Writes the artifact; returns its SHA-256."""
    names = sorted(shelf.reach)
    reach = np.stack([shelf.reach[name] for name in names]) if names else np.zeros((0, len(shelf.margins)), np.int64)
    targets = [items for _, items in shelf.rules]
    return artifact.save(
        folder,
        arrays={
            "margins": shelf.margins.astype(np.float32),
            "reach": reach.astype(np.int64),
            "rule_offsets": np.cumsum([0, *map(len, targets)]),
            "rule_items": np.concatenate([np.zeros(0, dtype=np.int32), *targets]),
        },
        texts={
            "placements.json": json.dumps(names),
            "rules.json": msgspec.json.encode([rule for rule, _ in shelf.rules]).decode(),
        },
        about=dict(about),
    )


def load(folder: Path) -> Shelf:
    """The shelf, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    names: list[str] = json.loads(artifact.text(folder, "placements.json"))
    reach = artifact.array(folder, "reach")
    rules = msgspec.json.decode(artifact.text(folder, "rules.json"), type=list[Rule])
    targets = np.split(artifact.array(folder, "rule_items"), artifact.array(folder, "rule_offsets")[1:-1])
    return Shelf(
        margins=artifact.array(folder, "margins"),
        reach={name: reach[row] for row, name in enumerate(names)},
        rules=tuple(zip(rules, targets[: len(rules)], strict=True)),
    )
