from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from jobs.commands.screens import show_night
from jobs.evaluation.gates import Gate, as_text, of_level

YELLOW = Gate(
    name="overlap_median", placement="home", value=0.4, limit=0.3, warns_at=0.5, level="yellow", note="against [old]"
)
GREEN = Gate(name="full_lists", placement="home", value=1.0, limit=0.99, level="green")


def shown(gates: list[Gate]) -> str:
    """The screen of a night with these gates."""
    facts: dict[str, Any] = {
        "as_of": "2026-01-02", "steps": [], "seconds": 1.0, "gates_table": as_text(gates),
        "warnings": [str(gate) for gate in of_level(gates, "yellow")], "snapshot": "2026-01-02-5", "paths": {},
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=160, highlight=False)
    show_night(console, facts)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_yellow_gate_is_told_beside_what_is_served() -> None:
    """Value, the limit that warned and what it is made of, as it is written; the table says YELLOW and both limits."""
    text = shown([GREEN, YELLOW])
    assert "Yellow: overlap_median of home is 0.4, warned of beyond 0.5 (against [old])" in text
    lines = [line.split() for line in text.splitlines()]
    assert ["overlap_median", "home", "0.4", "0.5", "0.3", "YELLOW"] in lines
    assert "Served now: snapshot 2026-01-02-5" in text


def test_a_green_night_warns_of_nothing() -> None:
    """No line begins with Yellow; the table has the gate, which never warns."""
    text = shown([GREEN])
    assert "Yellow" not in text
    assert ["full_lists", "home", "1", "-", "0.99", "green"] in [line.split() for line in text.splitlines()]
