from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SnapshotCorrupt
from export.format import items
from export.format.items import ItemColumns, ItemDictionary
from export.format.records import CodedList, PackedList, uncoded
from export.lookup import Lists
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


@pytest.mark.parametrize("ahead", [0, 65_536])
def test_rows_made_of_codes_are_those_of_their_sources_and_anchors(
    build: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    """For every source alone and with an anchor, from columns that fill themselves and from those that do not."""
    monkeypatch.setattr(items, "AHEAD_ITEMS", ahead)
    monkeypatch.setattr("export.stores.coded.CACHED_ITEMS", 3)
    manifest = build(tmp_path / "s", reasons=tuple(TEXTS))
    reader, n_codes = MappedReader(tmp_path / "s"), 1 << manifest.source_bits
    pair = st.tuples(st.sampled_from([0, 3, 5]), st.integers(0, len(TEXTS) - 1))

    @given(pairs=st.lists(pair, max_size=4), data=st.data(), segment=st.sampled_from(["all", "35-44"]))
    def same(pairs: list[tuple[int, int]], data: st.DataObject, segment: str) -> None:
        code = st.one_of(st.integers(0, len(TEXTS) - 1), st.integers(n_codes, n_codes + len(pairs) - 1))
        places = st.tuples(st.sampled_from([0, 1, 2, 3, 5]), st.floats(-1, 1), code if pairs else st.integers(0, 9))
        indices, scores, codes = zip(*data.draw(st.lists(places, min_size=1, max_size=8)), strict=True)
        anchors, sources = [anchor for anchor, _ in pairs], bytes(source for _, source in pairs)
        made = CodedList(indices, list(scores), bytes(codes), anchors, sources)
        expected = reader.shown(uncoded(made, reader.widths), manifest.reasons, segment)
        assert reader.coded.shown(made, segment) == expected

    same()


def test_items_beyond_sixteen_bits_are_shown(build: Callable[..., Any], tmp_path: Path) -> None:
    """Item and anchor at index 70,000, whose high part lies in a row of its own."""
    table = {"item_idx": [0, 70_000], "item_id": ["a", "z"], "title": ["A", "Z"], "category": ["c", None]}
    shop = pa.table({**table, "price": [1.0, 1.0], "image_url": ["", ""]})
    popular = {"placement": ["home"], "segment": ["all"], "item_idx": [[0]], "scores": [[1.0]]}
    row = {"user_id": "ann", "placement": "home", "segment": "all", "item_idx": [70_000, 0, 70_000]}
    rows = [{**row, "scores": [2.0, 1.0, 0.0], "reasons": [3, 3, 0], "anchors": [0, 70_000, -1]}]
    build(tmp_path / "s", items=shop, fallbacks=pa.table(popular), rows=rows)
    made = Lists(tmp_path / "s").get("ann", 9, "home")
    assert (made.items, made.titles) == (["z", "a", "z"], ["Z", "A", "Z"])
    assert made.reasons == ["similar to A", "similar to Z", render("own")]


def test_columns_of_items_fill_themselves_and_keep_damage_out(build: Callable[..., Any], tmp_path: Path) -> None:
    """All of a dictionary without gaps is loaded soon; an unused index is no item, and stays unloaded."""
    build(tmp_path / "s")
    gaps = ItemColumns(ItemDictionary(tmp_path / "s" / "items.bin"))
    gaps.load([3])
    assert (gaps.ids[3], gaps.titles[3], gaps.categories[3], gaps.n_loaded, gaps.is_full) == (
        "tea",
        "=Tea",
        "Pantry",
        5,
        False,
    )
    for index in (4, 6, -1):
        with pytest.raises(SnapshotCorrupt):
            gaps.load([index])
    whole = {"item_idx": list(range(20)), "item_id": [f"i{i}" for i in range(20)], "title": ["T"] * 20}
    shop = pa.table({**whole, "category": ["c"] * 20, "price": [1.0] * 20, "image_url": [""] * 20})
    build(tmp_path / "t", items=shop)
    columns = ItemColumns(ItemDictionary(tmp_path / "t" / "items.bin"))
    loaded = []
    for _ in range(3):
        columns.load([1])
        loaded.append((columns.n_loaded, columns.is_full))
    assert loaded == [(8, False), (16, False), (20, True)]
