from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import find_kernel, user_block

KEYS = st.lists(st.integers(-40, 40), max_size=30)


@settings(max_examples=200, deadline=None)
@given(KEYS, KEYS, st.sampled_from([sorted, list]))
def test_a_key_is_where_it_is(known: list[int], wanted: list[int], order: Any) -> None:
    """In whatever order and however often keys are asked for; -1 where there is no such key."""
    sorted_keys = np.unique(np.array(known, dtype=np.int64))
    asked = np.array(order(wanted), dtype=np.int64)
    found = np.empty(len(asked), dtype=np.int64)
    find_kernel.positions(sorted_keys, asked, found)
    place = {key: at for at, key in enumerate(sorted_keys.tolist())}
    assert found.tolist() == [place.get(key, -1) for key in asked.tolist()]


@pytest.mark.parametrize("step", [1, 3, -1])
def test_many_keys_are_found_as_few_are(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiled search and numpy's give the same positions."""
    known = np.arange(0, 60_000, 2, dtype=np.int64)
    wanted: Any = np.arange(0, 60_000, dtype=np.int64)[::step]
    compiled = user_block.find(known, wanted)
    monkeypatch.setattr(user_block, "_FEW", len(wanted) + 1)
    assert (user_block.find(known, wanted) == compiled).all()
    assert compiled[:4].tolist() == [[0, -1, 1, -1], [0, -1, 3, -1], [-1, 29_999, -1, 29_998]][[1, 3, -1].index(step)]
