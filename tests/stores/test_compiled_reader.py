from __future__ import annotations

import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.format import records
from export.format.compiled import Compiled, compiled
from export.format.items import Item, ItemDictionary, encode_items
from export.format.packing import Columns, pack_lists
from export.format.records import Widths, coded_list, join_record, split_record
from export.reasons import TEXTS
from export.stores.base import Rows
from export.stores.coded import CodedLists

SOURCES = tuple(TEXTS)
KNOWN = (0, 1, 2, 3, 5, 70_000)
SHOP = {
    0: Item("tea", "Tea", "drinks"),
    1: Item("pot", "Té, für zwei", None),
    2: Item("cup", None, "kitchen"),
    3: Item("mat", "", "kitchen"),
    5: Item("jam", "Jam", "food"),
    70_000: Item("rye", "Rye 面包", "food"),
}
PLACE = st.tuples(
    st.sampled_from(KNOWN), st.floats(-9, 9, width=32), st.integers(0, len(SOURCES) - 1), st.sampled_from([-1, *KNOWN])
)
LISTS = st.lists(st.lists(PLACE, max_size=9), max_size=3)


def built() -> Compiled:
    """The compiled reader; a machine without a C compiler has none to test."""
    if compiled is None:
        pytest.skip("there is no C compiler on this machine")
    return compiled


def record_of(lists: list[list[tuple[int, float, int, int]]], widths: Widths) -> bytes:
    """Ann's record with lists of (item, score, source, anchor), the i-th for placement i."""
    flat = [place for one in lists for place in one]
    items, scores, sources, anchors = (np.array([place[i] for place in flat]) for i in range(4))
    columns = Columns(
        np.arange(len(lists), dtype=np.uint8), np.array([len(one) for one in lists], dtype=np.int64),
        items.astype(np.int32), scores.astype(np.float64), sources.astype(np.int32), anchors.astype(np.int32),
    )  # fmt: skip
    return join_record(b"ann", 7, pack_lists(columns, widths).to_pylist())


def shop() -> CodedLists:
    """Lists of a shop whose items are all loaded."""
    n = max(SHOP) + 1
    made = CodedLists(ItemDictionary("items.bin", encode_items(SHOP.items(), n)), SOURCES, Widths(17, 4))
    made._columns.load(KNOWN)
    return made


def both(lists: CodedLists, data: bytes, placement: int, k: int, segment: str) -> tuple[Rows | None, Rows | None]:
    """The rows by the compiled reader and by the plain one."""
    record = split_record(data, lists._widths)
    assert record is not None
    coded = coded_list(record, placement, lists._widths, k)
    plain = lists.shown(coded, segment) if coded is not None and coded.items else None
    return lists.shown_at(data, record.lists[placement], k, segment), plain


def test_set_up_compiled_the_reader_where_there_is_a_compiler() -> None:
    """Otherwise lookups take twice the time and nobody is told: `make setup` compiles it."""
    assert compiled is not None or shutil.which("cc") is None


@given(lists=LISTS, bits=st.sampled_from([(17, 4), (20, 5), (21, 4), (25, 4)]), cut=st.integers(-3, 9))
def test_a_record_is_taken_apart_as_the_plain_reader_does(
    lists: list[list[tuple[int, float, int, int]]], bits: tuple[int, int], cut: int
) -> None:
    """Whole, with bytes more and with bytes less; items of 17, 20, 21 and 25 bits."""
    data = record_of(lists, Widths(*bits))
    data = data[:-cut] if cut > 0 else data + bytes(-cut)
    assert built().split(data, *bits) == records.split(data, *bits)


@given(made=st.lists(PLACE, min_size=1, max_size=12), k=st.integers(1, 14), segment=st.sampled_from(["all", "35-44"]))
def test_a_list_is_shown_as_the_plain_reader_does(
    made: list[tuple[int, float, int, int]], k: int, segment: str
) -> None:
    """Every source, with and without anchor, title and category; whole lists and their best places."""
    built()
    compiled_rows, plain_rows = both(LOADED, record_of([made], LOADED._widths), 0, k, segment)
    assert compiled_rows is not None
    assert compiled_rows == plain_rows


def test_codes_of_sixteen_bits_are_read() -> None:
    """A list with 300 pairs of anchor and source: more codes than a byte holds."""
    built()
    n = 300
    items = {i: Item(f"i{i}", f"T{i}", "c") for i in range(n)}
    lists = CodedLists(ItemDictionary("items.bin", encode_items(items.items(), n)), SOURCES, Widths(9, 4))
    lists._columns.load(range(n))
    source = SOURCES.index("content")
    data = record_of([[(i, float(-i), source, n - 1 - i) for i in range(n)]], Widths(9, 4))
    compiled_rows, plain_rows = both(lists, data, 0, n, "all")
    assert compiled_rows is not None
    assert compiled_rows == plain_rows
    assert compiled_rows.reasons[0] == "similar to T299"


@pytest.mark.parametrize(
    ("place", "n_sources"),
    [
        ((4, 1.0, 0, -1), 13),
        ((0, 1.0, 4, 4), 13),
        ((70_001, 1.0, 0, -1), 13),
        ((0, 1.0, 9, -1), 5),
        ((0, 1.0, 9, 1), 5),
    ],
)
def test_what_lies_beyond_a_table_is_left_to_the_plain_reader(
    place: tuple[int, float, int, int], n_sources: int
) -> None:
    """An item or an anchor that is not loaded, an item beyond the dictionary, a source beyond the names."""
    columns, texts = LOADED._columns, LOADED._of("all")
    data = record_of([[(0, 2.0, 0, -1), place]], Widths(17, 4))
    at = records.RECORD_HEAD.size + len(b"ann")
    tables = (columns.is_loaded, columns.ids, columns.titles, columns.categories)
    by_source = (column[:n_sources] for column in (list(SOURCES), texts.plain, texts.around, texts.of_category))
    assert built().shown(data, at, 9, 17, 4, *tables, *by_source) is None


@pytest.mark.parametrize("at", [-1, 8, 30, 10**9])
def test_a_place_that_holds_no_whole_list_is_refused(at: int) -> None:
    """Whatever the bytes there say, nothing outside the record is read."""
    columns, texts = LOADED._columns, LOADED._of("all")
    data = record_of([[]], Widths(17, 4))
    tables = (columns.is_loaded, columns.ids, columns.titles, columns.categories)
    assert (
        built().shown(data, at, 9, 17, 4, *tables, list(SOURCES), texts.plain, texts.around, texts.of_category) is None
    )


LOADED = shop()
