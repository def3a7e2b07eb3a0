from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SnapshotCorrupt
from export.lookup import Lists, Options
from export.reading.overlay import Column, Overlay, encode_overlay
from export.reading.overlays import Folder, publish_overlay
from export.stores.local import LocalStore

Night = Callable[..., str]
AT = "2026-01-02T12:00:00+00:00"
ids = st.sets(st.text(max_size=6), max_size=12)


def overlay(store: LocalStore, **flagged: set[str]) -> Overlay:
    """Publishes an overlay; `flag__region` flags a region."""
    columns = {Column(*name.split("__")): items for name, items in flagged.items()}  # type: ignore[arg-type]
    return publish_overlay(Folder(store.root), encode_overlay(columns, at=AT))


def catalogue(indices: list[int], names: list[str]) -> pa.Table:
    """Items of which only the id is known."""
    nothing = pa.nulls(len(names), pa.string())
    columns = {"title": nothing, "category": nothing, "price": pa.nulls(len(names), pa.float64()), "image_url": nothing}
    return pa.table({"item_idx": pa.array(indices, pa.int32()), "item_id": names, **columns})


@given(hidden=ids, recalled=ids, north=ids, south=ids)
def test_what_was_flagged_is_excluded_and_nothing_else(
    hidden: set[str], recalled: set[str], north: set[str], south: set[str]
) -> None:
    """Flags that hold everywhere hold in each region, those of a region there alone."""
    data = encode_overlay(
        {
            Column("hidden"): hidden,
            Column("recalled"): recalled,
            Column("out_of_stock", "north"): north,
            Column("hidden", "south"): south,
        },
        at=AT,
    )
    made = Overlay(data)
    everywhere = hidden | recalled
    assert made.excluded() == made.excluded("west") == made.excluded("") == everywhere
    assert made.excluded("north") == everywhere | north
    assert made.excluded("south") == everywhere | south
    assert made.columns == {
        Column("hidden"): len(hidden),
        Column("hidden", "south"): len(south),
        Column("out_of_stock", "north"): len(north),
        Column("recalled"): len(recalled),
    }
    assert made.at == AT


def test_equal_flags_give_equal_bytes_and_a_bit_an_item() -> None:
    """Whatever the order; 8,000 more items under a second flag cost about 1,000 bytes and no second id."""
    names = [f"item-{i:05d}" for i in range(8000)]
    one = encode_overlay({Column("hidden"): names}, at=AT)
    assert one == encode_overlay({Column("hidden"): names[::-1]}, at=AT)
    two = encode_overlay({Column("hidden"): names, Column("recalled"): names[::3]}, at=AT)
    assert 0 < len(two) - len(one) < 1100
    assert Overlay(one).id != Overlay(two).id


def test_any_flipped_byte_of_an_overlay_is_found() -> None:
    """And so is a truncated one, or one of another version."""
    data = encode_overlay({Column("hidden"): ["a", "b"], Column("recalled", "north"): ["c"]}, at=AT)
    for position in range(len(data)):
        if position not in {6, 7}:  # not used
            with pytest.raises(SnapshotCorrupt):
                Overlay(data[:position] + bytes([data[position] ^ 0x20]) + data[position + 1 :])
    for end in range(len(data)):
        with pytest.raises(SnapshotCorrupt):
            Overlay(data[:end])


def test_k_items_still_come_back(store: LocalStore, night: Night) -> None:
    """The next best moves up, in order; an answer names the overlay that it heeds."""
    night(store, 1)
    made = overlay(store, out_of_stock={"jam"})
    lists = Lists(store)
    answer = lists.get("ann", 2, "home")
    assert (answer.items, answer.titles, answer.scores) == (["milk", "bread"], ["Milk", "Bread"], [51.0, 0.0])
    assert answer.reasons == ["shoppers with your taste buy this", "you bought this before"]
    assert (answer.source, answer.overlay) == ("personal", made.id)
    assert lists.get("ann", 3, "home").items == ["milk", "bread"]


def test_a_long_list_is_read_to_its_end(store: LocalStore, night: Night) -> None:
    """The 60 best of 100 are hidden: the other 40 are found, though 1 was asked for."""
    n = 100
    names = [f"i{i:03d}" for i in range(n)]
    items = catalogue(list(range(n)), names)
    rows = [
        {"user_id": "ann", "placement": "home", "segment": "x", "item_idx": list(range(n)), "reasons": [1] * n,
         "scores": [float(n - i) for i in range(n)], "anchors": [-1] * n}
    ]  # fmt: skip
    night(store, 1, items=items, rows=rows)
    overlay(store, hidden=set(names[:60]))
    lists = Lists(store)
    assert lists.get("ann", 1, "home").items == ["i060"]
    assert lists.get("ann", 50, "home").items == names[60:]


def test_an_own_list_of_which_nothing_may_show_gives_way(store: LocalStore, night: Night) -> None:
    """To the segment's, then to the popular one; the answer says which."""
    night(store, 1)
    lists = Lists(store, Options(overlay_seconds=0))
    overlay(store, hidden={"jam"}, out_of_stock={"milk", "bread"})
    assert (lists.get("ann", 2, "home").source, lists.get("ann", 2, "home").items) == ("segment", ["tea"])
    overlay(store, hidden={"jam", "tea", "milk"}, out_of_stock={"bread"})
    made = lists.get("ann", 2, "home")
    assert (made.source, made.items, made.is_degraded) == ("popular", [], False)


def test_a_region_has_flags_of_its_own(store: LocalStore, night: Night) -> None:
    """Sold out in the north only; recalled everywhere."""
    night(store, 1)
    overlay(store, out_of_stock__north={"jam"}, recalled={"bread"})
    lists = Lists(store)
    assert lists.get("ann", 3, "home", region="north").items == ["milk"]
    assert lists.get("ann", 3, "home", region="south").items == ["jam", "milk"]
    assert lists.get("ann", 3, "home").items == ["jam", "milk"]


def test_what_was_bought_since_is_left_out(store: LocalStore, night: Night) -> None:
    """With and without an overlay, from own and fallback lists, for many users too."""
    night(store, 1)
    lists = Lists(store, Options(overlay_seconds=0))
    assert lists.get("ann", 2, "home", without={"jam"}).items == ["milk", "bread"]
    assert lists.get("nobody", 2, "home", without=["milk"]).items == ["bread"]
    overlay(store, hidden={"bread"})
    assert lists.get("ann", 2, "home", without={"jam"}).items == ["milk"]
    assert [one.items for one in lists.get_many(["ann", "bob"], 3, "home", without={"tea"})] == [
        ["jam", "milk"], ["milk"],
    ]  # fmt: skip


def test_an_overlay_holds_for_every_vocabulary(store: LocalStore, night: Night) -> None:
    """Another night numbers its items otherwise, lacks some and has new ones: the flagged ids are what counts."""
    night(store, 1)
    overlay(store, hidden={"jam", "gone"})
    items = catalogue([2, 3, 4, 0], ["bread", "jam", "milk", "new"])
    rows = [
        {"user_id": "ann", "placement": "home", "segment": "x", "item_idx": [3, 2, 0], "scores": [3.0, 2.0, 1.0],
         "reasons": [1, 1, 1], "anchors": [-1, -1, -1]}
    ]  # fmt: skip
    popular = pa.table({"placement": ["home"], "segment": ["all"], "item_idx": [[3, 4]], "scores": [[1.0, 0.5]]})
    night(store, 2, items=items, rows=rows, fallbacks=popular)
    lists = Lists(store)
    assert lists.get("ann", 2, "home").items == ["bread", "new"]
    assert lists.get("nobody", 2, "home").items == ["milk"]


def test_an_overlay_is_seen_when_the_last_look_is_old(store: LocalStore, night: Night) -> None:
    """Not before `overlay_seconds`; taken away, everything shows again."""
    night(store, 1)
    now = [0.0]
    lists = Lists(store, Options(overlay_seconds=60), clock=lambda: now[0])
    assert lists.get("ann", 1, "home").items == ["jam"]
    made = overlay(store, hidden={"jam"})
    now[0] = 59.9
    assert (lists.get("ann", 1, "home").items, lists.get("ann", 1, "home").overlay) == (["jam"], None)
    now[0] = 60.0
    assert (lists.get("ann", 1, "home").items, lists.get("ann", 1, "home").overlay) == (["milk"], made.id)
    (store.root / "overlay.bin").unlink()
    now[0] = 120.0
    assert (lists.get("ann", 1, "home").items, lists.get("ann", 1, "home").overlay) == (["jam"], None)


def test_a_damaged_overlay_leaves_the_last_good_one(
    store: LocalStore, night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    """Counted and logged; a fresh reader goes without."""
    night(store, 1)
    made = overlay(store, hidden={"jam"})
    now = [0.0]
    lists = Lists(store, Options(overlay_seconds=1), clock=lambda: now[0])
    assert lists.get("ann", 1, "home").items == ["milk"]
    path = store.root / "overlay.bin"
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    now[0] = 1.0
    with caplog.at_level(logging.ERROR, logger="larder.lookup"):
        assert (lists.get("ann", 1, "home").items, lists.get("ann", 1, "home").overlay) == (["milk"], made.id)
    assert lists.counts["failed_overlays"] == 1
    assert "differs from its checksum" in caplog.text
    assert Lists(store).get("ann", 1, "home").items == ["jam"]
    path.write_bytes(data)
    now[0] = 2.0
    assert lists.get("ann", 1, "home").overlay == made.id


def test_an_overlay_that_cannot_be_read_is_not_published(tmp_path: Path) -> None:
    """What lay there before still does."""
    place = Folder(tmp_path)
    publish_overlay(place, encode_overlay({Column("hidden"): ["a"]}, at=AT))
    before = place.beside("overlay.bin")
    with pytest.raises(SnapshotCorrupt, match="not an overlay"):
        publish_overlay(place, b"{}")
    assert place.beside("overlay.bin") == before
