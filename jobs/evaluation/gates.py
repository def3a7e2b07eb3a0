"""What a gate is: a value, its limits, and the verdict on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from jobs.evaluation import metric_tables

Level = Literal["green", "yellow", "red"]


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """One gate's verdict.

    Attributes:
        name: what it looks at.
        placement: whose lists; empty where it looks at all of them.
        value: what was found; None where it could not be measured.
        limit: what was asked; beyond it the gate is red, where it can be.
        level: green passes, yellow passes with a warning, red holds the night.
        warns_at: beyond it the gate is yellow; None where it never is.
        note: what the value is made of.
    """

    name: str
    placement: str
    value: float | None
    limit: float | None
    level: Level
    warns_at: float | None = None
    note: str = ""

    def __str__(self) -> str:
        value = "not measured" if self.value is None else f"{self.value:.6g}"
        of = f" of {self.placement}" if self.placement else ""
        note = f" ({self.note})" if self.note else ""
        passed = self.warns_at if self.level == "yellow" else self.limit
        word = "warned of beyond" if self.level == "yellow" else "the limit is"
        return f"{self.name}{of} is {value}, {word} {_number(passed)}{note}"


def at_least(name: str, placement: str, value: float, limit: float, note: str) -> Gate:
    """A gate that wants at least `limit`; what was not measured (NaN) is red."""
    known = None if math.isnan(value) else value
    level: Level = "green" if known is not None and known >= limit else "red"
    return Gate(name=name, placement=placement, value=known, limit=limit, level=level, note=note)


def of_level(gates: Sequence[Gate], level: Level) -> list[Gate]:
    """Those with that verdict, in their order."""
    return [gate for gate in gates if gate.level == level]


def counts(gates: Sequence[Gate]) -> dict[str, int]:
    """How many have each verdict; those that nobody has are left out."""
    levels: tuple[Level, ...] = ("green", "yellow", "red")
    found = {f"gates_{level}": len(of_level(gates, level)) for level in levels}
    return {name: n for name, n in found.items() if n}


def numbers(gates: Sequence[Gate]) -> dict[str, float]:
    """The measured values by placement and name."""
    return {"_".join(filter(None, (g.placement, g.name))): g.value for g in gates if g.value is not None}


def as_text(gates: Sequence[Gate]) -> str:
    """A table of all of them; what is not green stands in capitals."""
    rows: list[tuple[str, ...]] = []
    for gate in gates:
        value = "-" if gate.value is None else f"{gate.value:.6g}"
        verdict = gate.level if gate.level == "green" else gate.level.upper()
        rows.append((gate.name, gate.placement or "all", value, _number(gate.warns_at), _number(gate.limit), verdict))
    header = ("gate", "placement", "value", "yellow beyond", "red beyond", "")
    return metric_tables.as_text([metric_tables.Section("gates", header, rows)])


def as_facts(gates: Sequence[Gate]) -> list[dict[str, Any]]:
    """For a file or a screen."""
    facts: list[dict[str, Any]] = msgspec.to_builtins(list(gates))
    return facts


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
