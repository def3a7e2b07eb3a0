from __future__ import annotations

import datetime as dt
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import InputInvalid, SnapshotCorrupt, SnapshotMissing
from export.lookup import Lists, TopN
from export.stores.local import LocalStore

Night = Callable[..., str]
AT = "2026-01-02T03:04:05Z"
LATER = "2026-01-02T04:04:05Z"
WEIRD = "../ünï/\0🌽" + "é" * 121


def test_a_user_gets_the_own_list_with_titles_and_reasons(store: LocalStore, night: Night) -> None:
    """Every field of one answer, exactly."""
    snapshot = night(store, 1)
    assert Lists(store).get("ann", 10, "home", now=dt.datetime(2026, 1, 4, 6, tzinfo=dt.UTC)) == TopN(
        user_id="ann",
        placement="home",
        items=["jam", "milk", "bread"],
        titles=["Jam, red", "Milk", "Bread"],
        scores=[255.0, 51.0, 0.0],
        reasons=["because you bought Bread", "shoppers with your taste buy this", "you bought this before"],
        sources=["covisit", "als", "own"],
        snapshot=snapshot,
        as_of=dt.date(2026, 1, 1),
        age_hours=54.0,
        is_stale=True,
        source="personal",
        segment="35-44",
    )


def test_k_cuts_the_list_and_each_placement_has_its_own(store: LocalStore, night: Night) -> None:
    """The best k, or all there are."""
    night(store, 1)
    lists = Lists(store.root)
    assert lists.get("ann", 2, "home").items == ["jam", "milk"]
    assert lists.get("ann", 2, "discover").items == ["tea"]
    assert lists.get("ann", 2, "discover").reasons == ["similar to Jam, red"]
    assert lists.get("ann", 2, "home").age_hours is None


def test_any_id_is_found_and_none_becomes_a_path(store: LocalStore, night: Night) -> None:
    """256 bytes of dots, slashes, a zero byte and letters of many alphabets."""
    night(store, 1)
    made = Lists(store).get(WEIRD, 5, "home")
    assert (made.source, made.items, made.titles) == ("personal", ["-pear", "bread"], [None, "Bread"])
    assert made.reasons == ["similar to what you buy", "similar to Jam, red"]
    assert sorted(p.name for p in store.root.iterdir()) == [
        ".lock", ".moves", ".publishing", "history.jsonl", "pointer.json", "snapshots",
    ]  # fmt: skip


@pytest.mark.parametrize("user", ["", "nobody", "x" * 300, "\ud800", "../../etc/passwd"])
def test_an_unknown_user_gets_the_popular_or_the_segments_list(store: LocalStore, night: Night, user: str) -> None:
    """Whatever the id is, the answer says whose list it is."""
    night(store, 1)
    lists = Lists(store)
    popular = lists.get(user, 5, "home")
    assert (popular.source, popular.items, popular.scores) == ("popular", ["milk", "bread"], [0.5, 0.25])
    assert (popular.sources, popular.reasons) == (["popular"] * 2, ["popular this month"] * 2)
    segment = lists.get(user, 1, "home", segment="35-44")
    assert (segment.source, segment.items, segment.segment) == ("segment", ["tea"], "35-44")
    assert (segment.sources, segment.reasons) == (["segment"], ["popular in 35-44"])
    assert lists.get(user, 1, "discover", segment="35-44").source == "popular"
    assert lists.counts == {"popular": 2, "segment": 1}


def test_a_known_user_without_a_list_falls_back_to_the_known_segment(store: LocalStore, night: Night) -> None:
    """The record's segment counts, not the caller's; an empty list is no list."""
    row = {"user_id": "eve", "placement": "home", "segment": "35-44", "item_idx": [], "scores": [], "reasons": []}
    night(store, 1, rows=[{**row, "anchors": []}])
    made = Lists(store).get("eve", 5, "home", segment="north")
    assert (made.source, made.items, made.is_degraded) == ("segment", ["tea", "milk"], False)
    assert Lists(store).get("eve", 5, "discover").source == "popular"


def test_many_users_are_answered_from_one_snapshot(store: LocalStore, night: Night) -> None:
    """In the order asked for, with the segments given."""
    snapshot = night(store, 1)
    made = Lists(store).get_many(["zed", "ann", "bob", "zed"], 1, "home", segments={"zed": "35-44"})
    assert [(one.user_id, one.source) for one in made] == [
        ("zed", "segment"), ("ann", "personal"), ("bob", "personal"), ("zed", "segment"),
    ]  # fmt: skip
    assert {one.snapshot for one in made} == {snapshot}
    assert made[2].reasons == ["popular in north"]


def test_no_answer_before_the_first_snapshot(store: LocalStore, publish: Night) -> None:
    """Neither an empty store nor one without a pointer answers; the flip makes it answer."""
    lists = Lists(store)
    with pytest.raises(SnapshotMissing, match="No snapshot was published yet"):
        lists.get("ann", 5, "home")
    snapshot = publish(store, 1)
    with pytest.raises(SnapshotMissing):
        lists.get("ann", 5, "home")
    store.flip(snapshot, expected=None, by="test", reason="first", at=AT)
    assert lists.get("ann", 5, "home").snapshot == snapshot


def test_a_wrong_k_or_placement_is_named(store: LocalStore, night: Night) -> None:
    """The error lists the placements there are."""
    night(store, 1)
    with pytest.raises(InputInvalid, match="k is 0"):
        Lists(store).get("ann", 0, "home")
    with pytest.raises(InputInvalid, match="'mail'") as caught:
        Lists(store).get_many(["ann"], 1, "mail")
    assert "['discover', 'home']" in caught.value.todo


def test_a_flip_is_seen_by_the_next_call(store: LocalStore, night: Night) -> None:
    """Readers follow the pointer without being told, forward and back."""
    lists = Lists(store)
    first = night(store, 1)
    assert lists.get("ann", 1, "home").snapshot == first
    second = night(store, 2)
    assert lists.get("ann", 1, "home").snapshot == second
    store.rollback(by="test", reason="bad", at=AT)
    assert lists.get("ann", 1, "home").snapshot == first


def test_a_reader_keeps_what_it_has_when_the_new_one_cannot_be_opened(
    store: LocalStore, night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    """An alarm, and the old snapshot goes on answering; a fresh reader is told."""
    lists = Lists(store)
    first = night(store, 1)
    assert lists.get("ann", 1, "home").snapshot == first
    second = night(store, 2)
    shutil.rmtree(store.root / "snapshots" / second)
    assert lists.get("ann", 1, "home").snapshot == first
    assert lists.counts["failed_opens"] == 1
    assert "cannot be opened" in caplog.text
    with pytest.raises(SnapshotMissing):
        Lists(store).get("ann", 1, "home")


def test_a_reader_that_misses_a_snapshot_reads_the_pointer_again(
    store: LocalStore, night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Retention took the snapshot between the reader's two steps: the second try finds the new one."""
    first = night(store, 1)
    stale = store.pointer()
    second = night(store, 2)
    assert store.retain(keep=0, grace_seconds=60, by="test", at=LATER) == [first]
    answers = iter([stale, store.pointer()])
    monkeypatch.setattr(store, "pointer", lambda: next(answers))
    assert Lists(store).get("ann", 1, "home").snapshot == second


def test_a_snapshot_can_be_read_before_it_is_published(tmp_path: Path, build: Callable[..., object]) -> None:
    """The gates look into the build directory itself."""
    build(tmp_path / "s")
    assert Lists(tmp_path / "s").get("ann", 1, "home").items == ["jam"]


def _flip_byte(path: Path, position: int) -> None:
    data = bytearray(path.read_bytes())
    data[position] ^= 0x10
    path.write_bytes(data)


def test_a_damaged_record_costs_one_user_a_labelled_fallback(
    store: LocalStore, night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    """Each byte of the last record of a shard: its user alone is degraded, counted and logged."""
    snapshot = night(store, 1, shards=1)
    path = store.root / "snapshots" / snapshot / "shard-00000.bin"
    whole = path.read_bytes()
    users = ("ann", "bob", WEIRD)
    last = max(users, key=lambda user: whole.rfind(user.encode()))
    begin = whole.rfind(last.encode()) - 5
    for position in range(begin, len(whole)):
        _flip_byte(path, position)
        with caplog.at_level(logging.ERROR, logger="larder.lookup"):
            lists = Lists(store)
            made = {user: lists.get(user, 5, "home", segment="35-44") for user in users}
        assert [user for user in users if made[user].source != "personal"] == [last]
        assert (made[last].source, made[last].is_degraded, made[last].items) == ("segment", True, ["tea", "milk"])
        assert lists.counts == {"personal": 2, "segment": 1, "corrupt_records": 1}
        assert "is damaged" in caplog.text
        path.write_bytes(whole)
        caplog.clear()


def test_a_damaged_shard_costs_its_own_users_only(store: LocalStore, night: Night) -> None:
    """Truncated: its users get fallback lists, the other shard's users their own."""
    snapshot = night(store, 1)
    path = store.root / "snapshots" / snapshot / "shard-00000.bin"
    healthy = {user: Lists(store).get(user, 1, "home") for user in ("ann", "bob", WEIRD)}
    inside = {user for user in healthy if user.encode() in path.read_bytes()}
    assert 0 < len(inside) < 3
    path.write_bytes(path.read_bytes()[:-1])
    lists = Lists(store)
    for user, before in healthy.items():
        made = lists.get(user, 1, "home")
        assert made.is_degraded == (user in inside)
        assert (made == before) == (user not in inside)


def test_a_damaged_item_is_left_out(store: LocalStore, night: Night) -> None:
    """The rest of the list stands; the damage is counted."""
    snapshot = night(store, 1)
    path = store.root / "snapshots" / snapshot / "items.bin"
    _flip_byte(path, path.read_bytes().index(b"Milk"))
    lists = Lists(store)
    assert lists.get("ann", 5, "home").items == ["jam", "bread"]
    assert lists.counts["corrupt_items"] == 1


@pytest.mark.parametrize("name", ["manifest.json", "fallbacks.msgpack", "items.bin"])
def test_a_damaged_manifest_or_fallback_file_is_not_served(store: LocalStore, night: Night, name: str) -> None:
    """A fresh reader refuses it."""
    snapshot = night(store, 1)
    path = store.root / "snapshots" / snapshot / name
    _flip_byte(path, 0 if name == "items.bin" else path.stat().st_size - 4)  # in a score, where it is the fallbacks
    with pytest.raises(SnapshotCorrupt):
        Lists(store).get("ann", 5, "home")
