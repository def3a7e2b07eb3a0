from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np

from contracts.rules_section import Block, Pin
from contracts.settings import Settings
from jobs.evaluation.rule_gates import rule_gates
from jobs.paths import layout_of
from models import shelf
from models.shelf import Shelf

DAY = dt.date(2024, 5, 3)


def test_a_name_that_no_item_has_is_a_yellow_gate(tmp_path: Path) -> None:
    """It is counted and told, and never red; without a rule that holds there is no gate, and no shelf is asked for."""
    rule = Block(name="recalled", items=("kettle", "pan"), last_day=DAY)
    settings = Settings(root=str(tmp_path), rules=(rule,))
    assert list(rule_gates(settings, DAY + dt.timedelta(days=1))) == []
    made = Shelf(np.zeros(1, dtype=np.float32), {}, ((rule, np.array([0], dtype=np.int32)),))
    folder = layout_of(settings).artifact("shelf", DAY)
    shelf.save(folder, made, about={"unknown": {"recalled": ["pan"]}})
    (gate,) = rule_gates(settings, DAY)
    assert (gate.level, gate.value, gate.note) == ("yellow", 1.0, "recalled: pan")
    shelf.save(folder, made, about={"unknown": {}})
    (gate,) = rule_gates(Settings(root=str(tmp_path), rules=(rule, Pin(name="p", item="x"))), DAY)
    assert (gate.level, gate.value) == ("green", 0.0)
