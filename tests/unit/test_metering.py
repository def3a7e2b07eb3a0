from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from jobs.kernels.metering import Costs, metered
from models.ragged import Float32, Int32, Int64
from models.sources.base import Proposals, nothing
from models.user_block import UserBlock


class Busy:
    """A source that works for a while."""

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """Nothing, after 20 ms of work."""
        del block, n
        until = time.process_time() + 0.02
        while time.process_time() < until:
            pass
        return nothing()

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """Nothing at once, by an error."""
        del block, rows, items
        raise RuntimeError


class Tally:
    """What an accumulator holds."""

    def __init__(self) -> None:
        self.value: dict[str, float] = {}

    def add(self, term: dict[str, float]) -> None:
        """Adds as Spark does."""
        self.value = Costs().addInPlace(self.value, term)


def test_each_source_pays_for_its_own_work(block: UserBlock) -> None:
    """The seconds of two calls add up under the source's name; one that fails pays too; answers pass unchanged."""
    tally: Any = Tally()
    sources = metered({"busy": Busy(), "idle": Busy()}, tally)
    for _ in range(2):
        assert len(sources["busy"].propose(block, 1).items) == 0
    with pytest.raises(RuntimeError):
        sources["idle"].score(block, np.zeros(0, np.int64), np.zeros(0, np.int32))
    assert set(tally.value) == {"busy", "idle"}
    assert 0.04 <= tally.value["busy"] < 0.4
    assert tally.value["idle"] < 0.02


def test_costs_of_tasks_add_up() -> None:
    """A source that one task did not run counts as nothing there."""
    assert Costs().addInPlace({"als": 1.0, "own": 0.5}, {"als": 2.0, "trend": 0.25}) == {
        "als": 3.0, "own": 0.5, "trend": 0.25,
    }  # fmt: skip
    assert Costs().zero({"als": 1.0}) == {}
