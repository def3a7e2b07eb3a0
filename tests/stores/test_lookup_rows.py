from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from export.format.records import PackedList
from export.reasons import TEXTS, plans, render
from export.stores.mapped import MappedReader

SOURCES = (*TEXTS, "unheard of")
places = st.tuples(
    st.sampled_from([0, 1, 2, 3, 5]), st.floats(-1, 1), st.integers(0, len(SOURCES) - 1), st.sampled_from([-1, 0, 3, 5])
)


def test_rows_made_in_columns_are_those_made_place_by_place(build: Callable[..., Any], tmp_path: Path) -> None:
    """For every source, with and without anchor, title, category and segment."""
    build(tmp_path / "s")
    reader = MappedReader(tmp_path / "s")

    @given(made=st.lists(places, max_size=8), segment=st.sampled_from([None, "all", "35-44"]))
    def same(made: list[tuple[int, float, int, int]], segment: str | None) -> None:
        packed = (
            PackedList(*(list(column) for column in zip(*made, strict=True))) if made else PackedList([], [], [], [])
        )
        assert reader.shown(packed, SOURCES, segment) == reader._shown_damaged(packed, SOURCES, segment)

    same()


def test_a_plan_makes_the_text_that_render_makes() -> None:
    """The particular between before and after, or the plain text; what the item decides is left open."""
    for segment in (None, "all", "north"):
        for source, (particular, plain, before, after) in zip(SOURCES, plans(SOURCES, segment), strict=True):
            assert plain == render(source, segment=segment)
            if particular:
                assert before + "X" + after == render(source, anchor_title="X", category="X", segment=segment)
            else:
                assert plain == render(source, anchor_title="X", category="X", segment=segment)
