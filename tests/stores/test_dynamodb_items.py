from __future__ import annotations

import base64
import datetime as dt
import json
from typing import Any

import numpy as np
import pytest
from boto3.dynamodb.types import TypeDeserializer
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contracts.errors import InputInvalid, SnapshotCorrupt
from export.format.manifest import Manifest, PlacementEntry
from export.format.packing import Columns, pack_lists
from export.format.records import Record, Widths, join_record, split_record, unpack_list
from export.reasons import TEXTS
from export.stores.dynamodb.items import LETTERS, ItemEncoder, decode
from export.stores.dynamodb.service.sizes import item_bytes, number_bytes, read_units, value_bytes, write_units
from export.stores.dynamodb.service.strict import check_item

WIDTHS = Widths(17, 4)
MANIFEST = Manifest(
    format_version=1, as_of=dt.date(2026, 1, 1), shards=1, item_bits=17, source_bits=4, n_eligible_users=1, n_users=1,
    n_items=1, n_item_indices=1, reasons=tuple(LETTERS), segments=("35-44", ""),
    placements={"home": PlacementEntry(lists=1, length=50, shortest=1)}, files={},
).sealed()  # fmt: skip
IDS = [f"item{number:06d}" for number in range(1000)]
ENCODER = ItemEncoder(MANIFEST, IDS, expires_at=1_769_904_000)


def record(
    items: list[int],
    scores: list[float],
    sources: list[int],
    anchors: list[int],
    *,
    user: bytes = b"user123456",
    segment: int = 0,
) -> Record:
    """A user's record with one list, for placement 0."""
    columns = Columns(
        np.zeros(1, np.uint8), np.array([len(items)]), np.array(items, np.int32), np.array(scores),
        np.array(sources, np.int32), np.array(anchors, np.int32),
    )  # fmt: skip
    made = split_record(join_record(user, segment, pack_lists(columns, WIDTHS).to_pylist()), WIDTHS)
    assert made is not None
    return made


def as_client(body: bytes) -> dict[str, Any]:
    """The item as a boto3 client returns it: binary as bytes."""
    typed = json.loads(body)
    return {name: {"B": base64.b64decode(value["B"])} if "B" in value else value for name, value in typed.items()}


def test_an_item_reads_as_plain_values_with_the_sdk_alone() -> None:
    """Every attribute of a list of three, exactly, through boto3's own deserializer."""
    made = ENCODER.encode(record([7, 3, 9], [255.0, 51.0, 0.0], [3, 1, 0], [5, -1, 2]), "home", 0)
    plain = {name: TypeDeserializer().deserialize(value) for name, value in as_client(made.body).items()}
    assert plain.pop("crc") == made.crc
    assert {name: value.value if name in {"scores", "anchor_of"} else value for name, value in plain.items()} == {
        "pk": f"{MANIFEST.snapshot_id}#user123456",
        "sk": "home",
        "items": ["item000007", "item000003", "item000009"],
        "scores": bytes([255, 51, 0]),
        "low": 0,
        "high": 255,
        "reasons": "bao",
        "anchors": ["item000002", "item000005"],
        "anchor_of": bytes([2, 0, 1]),
        "segment": "35-44",
        "as_of": "2026-01-01",
        "expires_at": 1_769_904_000,
        "snapshot": MANIFEST.snapshot_id,
    }


@pytest.mark.parametrize(("anchors", "n_bytes"), [(0, 813), (5, 937), (10, 992), (12, 1014), (14, 1036)])
def test_fifty_ids_of_ten_characters_are_one_write_unit(anchors: int, n_bytes: int) -> None:
    """Bytes by DynamoDB's rules up to 12 distinct anchors; more take a second unit."""
    scores = np.linspace(3.3333333, 1.1111111, 50).astype(np.float32).tolist()
    of = [i % anchors if anchors else -1 for i in range(50)]
    made = ENCODER.encode(record(list(range(50)), scores, [3] * 50, of), "home", 0)
    assert made.n_bytes == n_bytes
    assert made.n_bytes == item_bytes(json.loads(made.body))
    assert write_units(made.n_bytes) == (1 if anchors <= 12 else 2)


def test_a_list_of_no_items_has_an_empty_one() -> None:
    """Its item has the key, the segment and the stamp, and an empty `items`."""
    made = ENCODER.encode(record([], [], [], []), "home", 0)
    stored = decode(as_client(made.body))
    assert (stored.items, stored.scores, stored.segment) == ([], [], "35-44")
    assert "scores" not in json.loads(made.body)


@given(
    places=st.lists(
        st.tuples(st.integers(0, 999), st.floats(-1e6, 1e6, width=32), st.integers(0, 9), st.integers(-1, 999)),
        max_size=400,
    ),
    user=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    segment=st.integers(0, 1),
)
def test_what_is_decoded_is_what_the_record_says(
    places: list[tuple[int, float, int, int]], user: str, segment: int
) -> None:
    """Ids, scores, sources, anchors and segment are those of the local record, and the size is that of the rules."""
    columns = [list(column) for column in zip(*places, strict=True)] or [[], [], [], []]
    one = record(*columns, user=user.encode(), segment=segment)  # type: ignore[arg-type]
    made = ENCODER.encode(one, "home", 0)
    typed = json.loads(made.body)
    check_item(typed)
    assert made.n_bytes == item_bytes(typed)
    packed, stored = unpack_list(one, 0, WIDTHS, 999), decode(as_client(made.body))
    assert packed is not None
    assert stored.items == [IDS[i] for i in packed.items]
    assert stored.scores == pytest.approx(packed.scores, rel=0, abs=0)
    assert stored.sources == [MANIFEST.reasons[i] for i in packed.sources]
    assert stored.anchors == [None if i < 0 else IDS[i] for i in packed.anchors]
    assert (stored.segment, stored.snapshot, stored.crc) == (
        MANIFEST.segments[segment], MANIFEST.snapshot_id, made.crc,
    )  # fmt: skip


def test_a_change_of_any_attribute_is_found() -> None:
    """Each attribute altered, removed or swapped with another user's is refused by name of the key."""
    made = as_client(ENCODER.encode(record([7, 3], [2.0, 1.0], [3, 1], [5, -1]), "home", 0).body)
    other: dict[str, Any] = {
        "pk": {"S": f"{MANIFEST.snapshot_id}#user123457"}, "sk": {"S": "email"},
        "items": {"L": [{"S": "x"}, {"S": "y"}]},
        "scores": {"B": b"\xff\x01"}, "low": {"N": "1.5"}, "high": {"N": "2.5"}, "reasons": {"S": "bb"},
        "anchors": {"L": [{"S": "x"}]}, "anchor_of": {"B": b"\0\1"}, "segment": {"S": "18-24"},
        "as_of": {"S": "2026-01-02"}, "expires_at": {"N": "1"}, "snapshot": {"S": "2026-01-02-0"}, "crc": {"N": "1"},
    }  # fmt: skip
    assert other.keys() == made.keys()
    for name, value in other.items():
        with pytest.raises(SnapshotCorrupt, match="not what was written"):
            decode({**made, name: value})
        with pytest.raises(SnapshotCorrupt):
            decode({key: one for key, one in made.items() if key != name})
    assert decode(made).items == ["item000007", "item000003"]


def test_numbers_may_come_back_in_another_form() -> None:
    """A server may write 250 as 2.5E+2: the item is the same."""
    made = as_client(ENCODER.encode(record([7, 3], [250.0, 0.5], [3, 1], [-1, -1]), "home", 0).body)
    assert decode({**made, "high": {"N": "2.5E+2"}, "low": {"N": "5e-1"}}).scores == [250.0, 0.5]


def test_every_source_with_a_text_has_a_letter_of_its_own() -> None:
    """A source that the reasons know can be written, another is refused."""
    assert LETTERS.keys() == TEXTS.keys()
    assert len(set(LETTERS.values())) == len(LETTERS)
    with pytest.raises(InputInvalid, match="magic"):
        ItemEncoder(replace(MANIFEST, reasons=("magic",)), IDS, expires_at=1)


def test_a_list_that_no_item_holds_is_refused() -> None:
    """40,000 places of ten characters take more than 400 KB."""
    with pytest.raises(InputInvalid, match="DynamoDB allows 409,600"):
        ENCODER.encode(record([1] * 40_000, [0.0] * 40_000, [0] * 40_000, [-1] * 40_000), "home", 0)


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [("0", 1), ("1", 2), ("12", 2), ("120", 3), ("123", 3), ("-1", 3), ("0.5", 2), ("0.25", 2), ("1234567890", 6),
     ("1700000000", 2), ("1.234567", 5), ("1.23456", 5), ("1e100", 2), ("-0.001", 3)],
)  # fmt: skip
def test_sizes_of_numbers(text: str, n_bytes: int) -> None:
    """One byte, one more for each pair of significant digits around the point, one for the sign."""
    assert number_bytes(text) == n_bytes


def test_sizes_of_values() -> None:
    """Strings in UTF-8, lists 3 bytes and one an element, maps with their names, binary unpacked."""
    assert value_bytes({"S": "né"}) == 3
    assert value_bytes({"B": base64.b64encode(b"12345").decode()}) == 5
    assert value_bytes({"L": [{"S": "ab"}, {"N": "7"}]}) == 3 + (1 + 2) + (1 + 2)
    assert value_bytes({"M": {"ab": {"S": "c"}}}) == 3 + 1 + 2 + 1
    assert value_bytes({"SS": ["ab", "c"]}) == 3
    assert (value_bytes({"BOOL": True}), value_bytes({"NULL": True})) == (1, 1)
    assert item_bytes({"pk": {"S": "a"}, "né": {"L": []}}) == 3 + 3 + 3


def test_units() -> None:
    """A write unit is 1 KB of one item; a read unit 4 KB of one request, half of it where eventual."""
    assert [write_units(n) for n in (0, 1024, 1025, 409_600)] == [1, 1, 2, 400]
    assert [read_units(n) for n in (0, 4096, 4097)] == [0.5, 0.5, 1.0]
    assert read_units(4097, is_consistent=True) == 2.0
