from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.digest_section import Digest
from contracts.errors import InputInvalid
from export.digest import keys
from export.digest.audience import Files
from export.digest.choosing import Chooser
from export.digest.lines import DigestManifest
from export.digest.writing import Order, write_digest
from export.stores.mapped import MappedReader

Build = Callable[..., Any]
SEND_ON = dt.date(2026, 1, 20)
KEY = b"0123456789abcdef"
# Items by index: 0 bread, 1 milk, 2 jam, 3 tea, 5 -pear.
ROWS = [
    {"user_id": "ann", "placement": "home", "segment": "35-44", "item_idx": [2, 1, 0, 2],
     "scores": [4.0, 3.0, 2.0, 1.0], "reasons": [0, 0, 0, 0], "anchors": [-1] * 4},
    {"user_id": "bob", "placement": "home", "segment": "north", "item_idx": [3], "scores": [1.5], "reasons": [0],
     "anchors": [-1]},
    {"user_id": "cy", "placement": "discover", "segment": "35-44", "item_idx": [3], "scores": [1.5], "reasons": [0],
     "anchors": [-1]},
]  # fmt: skip


@pytest.fixture
def snapshot(tmp_path: Path, build: Build) -> MappedReader:
    """Ann has jam, milk, bread and jam again; bob has tea; cy none for home. Popular: milk, bread. 35-44: tea, milk."""
    build(tmp_path / "s", rows=ROWS)
    return MappedReader(tmp_path / "s")


def chosen(snapshot: MappedReader, user: str, *, unavailable: frozenset[str] = frozenset(), **rules: Any) -> Any:
    """Kind and item ids of the user's choice."""
    chooser = Chooser(snapshot, "home", Digest(**rules), send_on=SEND_ON, unavailable=unavailable)
    made = chooser.choose(user)
    return made.kind, [place.item_id for place in made.places]


def test_a_list_holds_no_item_twice(snapshot: MappedReader) -> None:
    """The better place of two is kept."""
    assert chosen(snapshot, "ann") == ("personal", ["jam", "milk", "bread"])
    made = Chooser(snapshot, "home", Digest(), send_on=SEND_ON).choose("ann")
    assert [round(place.score) for place in made.places] == [4, 3, 2]


def test_what_cannot_be_had_makes_room_for_the_next(snapshot: MappedReader) -> None:
    """The list is cut after the items that are gone were taken out, own list and fallback list alike."""
    assert chosen(snapshot, "ann", k=2, unavailable=frozenset({"jam"})) == ("personal", ["milk", "bread"])
    assert chosen(snapshot, "zed", k=1, unavailable=frozenset({"milk"})) == ("popular", ["bread"])


def test_a_user_without_a_list_is_given_the_segments_or_the_popular_one(snapshot: MappedReader) -> None:
    """Cy is known by segment, zed not at all."""
    assert chosen(snapshot, "cy") == ("segment", ["tea", "milk"])
    assert chosen(snapshot, "zed") == ("popular", ["milk", "bread"])


@pytest.mark.parametrize(
    ("user", "min_items", "short_lists", "kind", "items"),
    [
        ("bob", 1, "drop", "personal", ["tea"]),
        ("bob", 2, "drop", None, ["tea"]),
        ("bob", 2, "replace", "popular", ["milk", "bread"]),
        ("bob", 3, "replace", None, ["tea"]),
        ("bob", 2, "fill", "filled", ["tea", "milk"]),
        ("bob", 3, "fill", "filled", ["tea", "milk", "bread"]),
        ("bob", 4, "fill", None, ["tea", "milk", "bread"]),
        ("ann", 4, "fill", "filled", ["jam", "milk", "bread", "tea"]),
        ("cy", 3, "fill", "filled", ["tea", "milk", "bread"]),
        ("cy", 3, "drop", None, []),
        ("zed", 2, "drop", "popular", ["milk", "bread"]),
    ],
)
def test_a_short_list_is_filled_replaced_or_dropped(
    snapshot: MappedReader, user: str, min_items: int, short_lists: str, kind: str | None, items: list[str]
) -> None:
    """As the settings declare; the label says which it was, and no label means that nothing is mailed."""
    made = chosen(snapshot, user, min_items=min_items, short_lists=short_lists)
    assert made[0] == kind
    assert made[1] == items or kind is None


def test_who_has_too_short_a_list_is_counted(tmp_path: Path, snapshot: MappedReader) -> None:
    """Dropped as `too_few_items`, in neither file, and not held out either."""
    rules = {"min_items": 2, "short_lists": "drop", "holdout_share": 1.0}
    made, lists = digest(snapshot, tmp_path / "d", rules=rules)
    assert (made.dropped, made.n_holdout, made.n_considered, lists) == ({"too_few_items": 1}, 2, 3, {})
    assert '"bob"' not in (tmp_path / "d" / "holdout.jsonl").read_text()


def sends(path: Path, *lines: str) -> Files:
    """A file of sends."""
    path.write_text("user_id,item_id,sent_on,clicked\n" + "".join(f"{line}\n" for line in lines))
    return Files(sends=path)


def digest(snapshot: MappedReader, out: Path, **given: Any) -> tuple[DigestManifest, dict[str, list[str]]]:
    """The manifest, and the items by recipient."""
    rules = {"compression": "none", **given.pop("rules", {})}
    made = write_digest(snapshot, out, Order("home", Digest(**rules), SEND_ON, **given))
    found = [json.loads(line) for line in (out / "lists.jsonl").read_text().splitlines()]
    return made, {line["user_id"]: [slot["item_id"] for slot in line["items"]] for line in found}


def test_what_was_mailed_and_ignored_sinks(tmp_path: Path, snapshot: MappedReader) -> None:
    """Behind the others, the more often the deeper; clicked, forgotten and later sends do not count."""
    files = sends(
        tmp_path / "sends.csv",
        "ann,jam,2026-01-19,no", "ann,jam,2026-01-12,no", "ann,milk,2026-01-19,no",  # ignored
        "ann,bread,2025-12-22,no",  # 29 days ago
        "bob,milk,2026-01-20,no", "bob,milk,2026-02-01,no",  # on the day of the mail, and after it
        "cy,tea,2026-01-10,yes", "cy,tea,2026-01-19,no",  # clicked once is not ignored
    )  # fmt: skip
    made, lists = digest(snapshot, tmp_path / "d", files=files)
    assert lists == {"ann": ["bread", "milk", "jam"], "bob": ["tea"], "cy": ["tea", "milk"]}
    assert made.send_memory is not None
    assert (made.send_memory.days, made.send_memory.later_sends) == (28, 2)


def test_the_repeat_rate_is_told_before_and_after(tmp_path: Path, snapshot: MappedReader) -> None:
    """Places that repeat an ignored item, of all places: 2 of 4 had nothing sunk, 1 of 4 as it is mailed."""
    files = sends(tmp_path / "sends.csv", "ann,jam,2026-01-19,no", "cy,milk,2026-01-19,no", "zed,tea,2026-01-19,no")
    made, lists = digest(snapshot, tmp_path / "d", files=files, rules={"k": 2})
    assert lists == {"ann": ["milk", "bread"], "bob": ["tea"], "cy": ["tea", "milk"]}
    assert made.send_memory is not None
    assert (made.send_memory.repeat_rate_before, made.send_memory.repeat_rate_after) == (0.4, 0.2)
    assert digest(snapshot, tmp_path / "e")[0].send_memory is None


def test_no_memory_forgets_at_once(tmp_path: Path, snapshot: MappedReader) -> None:
    """With memory_days = 0 nothing sinks."""
    files = sends(tmp_path / "sends.csv", "ann,jam,2026-01-19,no")
    assert digest(snapshot, tmp_path / "d", files=files, rules={"memory_days": 0})[1]["ann"] == ["jam", "milk", "bread"]


def test_unavailable_items_are_counted(tmp_path: Path, snapshot: MappedReader) -> None:
    """The overlay's id and the places that went stand in the manifest; the items are in no file."""
    made, lists = digest(snapshot, tmp_path / "d", unavailable=frozenset({"jam", "tea"}), overlay="0f0f")
    assert lists == {"ann": ["milk", "bread"], "bob": ["milk"], "cy": ["milk"]}
    assert (made.unavailable_slots, made.overlay) == (3, "0f0f")
    assert made.recipients == {"personal": 1, "filled": 1, "segment": 1, "popular": 0}
    assert "tea" not in (tmp_path / "d" / "items.csv").read_text()


def test_a_tracking_id_is_the_slots_alone(tmp_path: Path, snapshot: MappedReader) -> None:
    """The same for the same slot and key; another with another rank, user, campaign or key; the key is nowhere."""

    def ids(name: str, campaign: str = "spring", key: bytes = KEY) -> list[str]:
        digest(snapshot, tmp_path / name, campaign=campaign, key=key)
        found = [json.loads(line) for line in (tmp_path / name / "lists.jsonl").read_text().splitlines()]
        return [slot["tracking_id"] for line in found for slot in line["items"]]

    first = ids("a")
    assert first[0] == keys.tracking_ids(KEY, ("spring", snapshot.id, "home", "ann"), ["jam"])[0]
    assert keys.tracking_ids(KEY, ("spring", "2026-01-01-0f", "home", "ann"), ["jam"]) == ["ta7a5955e6d122f266c099150"]
    assert ids("b") == first
    assert len(set(first)) == len(first) == 6
    assert not set(first) & set(ids("c", campaign="summer"))
    assert not set(first) & set(ids("d", key=b"another key, 22 bytes."))
    text = (tmp_path / "a" / "manifest.json").read_text()
    assert KEY.decode() not in text
    assert json.loads(text)["key_name"] == keys.key_name(KEY)


def test_parts_of_a_tracking_id_do_not_run_together() -> None:
    """("ab", "c") is another slot than ("a", "bc")."""
    assert keys.tracking_ids(KEY, ("ab", "c"), ["x"]) != keys.tracking_ids(KEY, ("a", "bc"), ["x"])


def test_a_weak_key_is_refused_and_not_told() -> None:
    """Fewer than 16 bytes, or more than 64; the text of the key is in no message."""
    for text in ("short-secret", "x" * 65):
        with pytest.raises(InputInvalid) as caught:
            keys.key_of(text, where="DIGEST_KEY")
        assert text not in str(caught.value)
    assert keys.key_of("0123456789abcdef", where="DIGEST_KEY") == KEY


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    unavailable=st.frozensets(st.sampled_from(["jam", "milk", "bread", "tea"])),
    sent=st.lists(st.tuples(st.sampled_from(["jam", "milk", "bread", "tea"]), st.integers(1, 40)), max_size=6),
    k=st.integers(1, 4),
    min_items=st.integers(1, 4),
    short_lists=st.sampled_from(["fill", "replace", "drop"]),
    user=st.sampled_from(["ann", "bob", "cy", "zed"]),
)
def test_no_list_breaks_a_rule(
    snapshot: MappedReader,
    unavailable: frozenset[str],
    sent: list[tuple[str, int]],
    k: int,
    min_items: int,
    short_lists: Any,
    user: str,
) -> None:
    """Nothing unavailable, nothing twice, never more than k nor mailed with fewer than min_items; memory only helps."""
    rules = Digest(k=k, min_items=min(min_items, k), short_lists=short_lists)
    chooser = Chooser(snapshot, "home", rules, send_on=SEND_ON, unavailable=unavailable)
    rows = [(user, item, (SEND_ON - dt.timedelta(days=days)).isoformat(), "no") for item, days in sent]
    made = chooser.choose_from(snapshot.find(user), rows)
    items = [place.item_id for place in made.places]
    assert not set(items) & unavailable
    assert len(items) == len(set(items)) <= k
    assert made.kind is None or len(items) >= rules.min_items
    assert made.repeats <= made.repeats_before


def test_a_snapshot_without_the_placement_is_named(snapshot: MappedReader) -> None:
    """The error lists the placements there are."""
    with pytest.raises(InputInvalid, match="no placement 'email'") as caught:
        Chooser(snapshot, "email", Digest(), send_on=SEND_ON)
    assert "discover" in caught.value.todo
