from __future__ import annotations

import zlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from export.format import records
from export.format.packing import Columns, join_records, pack_lists, shard_keys
from export.format.records import PackedList, Widths

WIDTHS = Widths(item_bits=19, source_bits=4)
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256).map(str.encode).map(lambda b: b[:256])
PLACE = st.tuples(
    st.integers(0, 2**19 - 1),
    st.floats(-(2.0**100), 2.0**100, width=32),
    st.integers(0, 9),
    st.one_of(st.just(-1), st.integers(0, 5), st.integers(0, 2**19 - 1)),
)


def columns_of(lists: list[list[tuple[int, float, int, int]]]) -> Columns:
    """Lists of (item, score, source, anchor), the i-th for placement i."""
    flat = [place for one in lists for place in one]
    return Columns(
        np.arange(len(lists), dtype=np.uint8),
        np.array([len(one) for one in lists], dtype=np.int64),
        np.array([place[0] for place in flat], dtype=np.int32),
        np.array([place[1] for place in flat], dtype=np.float64),
        np.array([place[2] for place in flat], dtype=np.int32),
        np.array([place[3] for place in flat], dtype=np.int32),
    )


def test_a_record_has_exactly_these_bytes() -> None:
    """Head, id, one list of three items of 19 bits with one anchor twice, and the checksum, written out by hand."""
    packed = pack_lists(columns_of([[(5, 255.0, 2, -1), (65_537, 0.0, 3, 4), (7, 0.0, 3, 4)]]), WIDTHS).to_pylist()
    head = bytes([0]) + b"\x03\x00" + b"\x01\x00" + b"\x00\x00\x00\x00" + b"\x00\x00\x7f\x43"
    items, levels = b"\x05\x00\x01\x00\x07\x00" + bytes([0x01, 0x00]), bytes([255, 0, 0])
    expected = head + items + levels + bytes([2, 16, 16]) + bytes([4, 0, 0, 3])
    assert packed == [expected]
    body = b"\x03\x00" + b"\x07\x00" + b"\x01" + b"ann" + expected
    assert records.join_record(b"ann", 7, packed) == body + zlib.crc32(body).to_bytes(4, "little")


def test_codes_take_four_bits_where_the_sources_and_pairs_fit() -> None:
    """Two bits of sources leave room for twelve pairs; the first of two codes lies in the upper half of its byte."""
    widths = Widths(item_bits=3, source_bits=2)
    packed = pack_lists(columns_of([[(5, 0.0, 2, -1), (1, 0.0, 3, 4), (2, 0.0, 1, 4)]]), widths)[0].as_py()
    codes, pairs = bytes([2 << 4 | 5, 4 << 4]), bytes([4, 0, 4, 0, 1, 3])
    assert packed[records.LIST_HEAD.size + 9 :] == codes + pairs
    many = [(i % 8, 0.0, 3, i % 8) for i in range(8)] + [(i % 8, 0.0, 2, i % 8) for i in range(5)]
    assert len(pack_lists(columns_of([many]), widths)[0].as_py()) == records.LIST_HEAD.size + 13 * 4 + 13 * 3


def test_a_key_is_the_crc_32_of_the_id() -> None:
    """Any language can find a user's shard and place."""
    assert records.shard_key(b"ann") == zlib.crc32(b"ann")


def test_users_numbered_one_after_the_other_are_spread_over_shards() -> None:
    """No shard of 8 or 100 has a tenth more of 100,000 users than the mean, beyond chance."""
    for name in ("user-%d", "%d", "%010d", "00000000-0000-4000-8000-%012x"):
        keys = shard_keys(pa.array([(name % i).encode() for i in range(100_000)], pa.large_binary()))
        assert np.bincount(keys % 8).max() < 1.03 * 12_500
        assert np.bincount(keys % 100).max() < 1.15 * 1000


@given(st.lists(IDS, max_size=9), st.data())
def test_many_users_are_each_user_alone(ids: list[bytes], data: st.DataObject) -> None:
    """Keys and records of many users at a time are those of one after the other."""
    lists = [data.draw(st.lists(st.binary(max_size=9), max_size=3)) for _ in ids]
    segments = [data.draw(st.integers(0, 65_535)) for _ in ids]
    users = pa.array(ids, pa.large_binary())
    joined = pa.array([b"".join(own) for own in lists], pa.large_binary())
    made = join_records(users, np.array(segments), np.array([len(own) for own in lists]), joined)
    alone = [records.join_record(*one) for one in zip(ids, segments, lists, strict=True)]
    assert bytes(made) == b"".join(alone)
    assert shard_keys(users).tolist() == [records.shard_key(one) for one in ids]


def test_rows_of_one_length_are_packed_wherever_they_lie() -> None:
    """Lengths 2, 1, 2, 2: each row's bytes are those of the row alone, its placement aside."""
    lists = [[(i, float(i), i, -1), (i + 9, -1.0, 0, i % 2 - 1)][:n] for i, n in enumerate((2, 1, 2, 2))]
    alone = [pack_lists(columns_of([one]), WIDTHS)[0].as_py() for one in lists]
    assert [one[1:] for one in pack_lists(columns_of(lists), WIDTHS).to_pylist()] == [one[1:] for one in alone]


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([1.0 + 2.0**-30, 1.0 + 2.0**-25], [0, 0]),
        ([2.0**100 + 2.0**60, 2.0**100], [0, 0]),
        ([2.0 + 3e-7, 2.0], [255, 0]),
        ([3e38, -3e38], [255, 0]),
        ([2.8e-45, 1.4e-45], [255, 0]),
    ],
)
def test_scores_beyond_the_rounded_ends_take_the_ends_bytes(scores: list[float], expected: list[int]) -> None:
    """A score that 32 bits round away is never below 0 or above 255 steps."""
    packed = pack_lists(columns_of([[(i, score, 0, -1) for i, score in enumerate(scores)]]), WIDTHS)[0].as_py()
    at = records.LIST_HEAD.size + 5
    assert list(packed[at : at + 2]) == expected


@given(
    user_id=IDS,
    lists=st.lists(st.lists(PLACE, max_size=12), max_size=4),
    k=st.integers(1, 14),
    widths=st.builds(Widths, st.sampled_from([19, 22, 31]), st.sampled_from([4, 7])),
)
def test_a_record_comes_back_as_it_went_in(
    user_id: bytes, lists: list[list[tuple[int, float, int, int]]], k: int, widths: Widths
) -> None:
    """Ids, items, sources and anchors exactly, scores within half a step of 1/255 of the list's span."""
    packed = pack_lists(columns_of(lists), widths).to_pylist()
    record = records.split_record(records.join_record(user_id, 65_535, packed), widths)
    assert record is not None
    assert (record.user_id, record.segment, list(record.lists)) == (user_id, 65_535, list(range(len(lists))))
    for placement, expected in enumerate(lists):
        made = records.unpack_list(record, placement, widths, k)
        assert made is not None
        items, scores, sources, anchors = zip(*expected[:k], strict=True) if expected else ((), (), (), ())
        assert (tuple(made.items), tuple(made.sources), tuple(made.anchors)) == (items, sources, anchors)
        every = [place[1] for place in expected]
        tolerance = (max(every) - min(every)) / 255 * 0.51 if every else 0.0
        np.testing.assert_allclose(made.scores, scores, rtol=1e-6, atol=tolerance)
    assert records.unpack_list(record, len(lists), widths, k) is None


def test_scores_keep_their_order_and_both_ends() -> None:
    """The best and the worst score are exact, equal scores stay equal."""
    packed = pack_lists(columns_of([[(1, 9.5, 0, -1), (2, 9.5, 0, -1), (3, -2.25, 0, -1)]]), WIDTHS).to_pylist()
    record = records.split_record(records.join_record(b"a", 0, packed), WIDTHS)
    assert record is not None
    assert records.unpack_list(record, 0, WIDTHS, 9) == PackedList([1, 2, 3], [9.5, 9.5, -2.25], [0, 0, 0], [-1] * 3)


@pytest.mark.parametrize("mask", [1, 128])
def test_a_record_with_any_flipped_bit_is_no_record(mask: int) -> None:
    """Every byte counts, the checksum's own included; so does a missing or an additional byte."""
    packed = pack_lists(columns_of([[(7, 1.0, 1, 3), (8, 0.5, 2, -1)]]), WIDTHS).to_pylist()
    whole = records.join_record("zoë".encode(), 1, packed)
    assert records.split_record(whole, WIDTHS) is not None
    for i in range(len(whole)):
        damaged = bytearray(whole)
        damaged[i] ^= mask
        assert records.split_record(bytes(damaged), WIDTHS) is None
        assert records.split_record(whole[:i], WIDTHS) is None
    assert records.split_record(whole + b"\0", WIDTHS) is None


@pytest.mark.parametrize("tail", [b"x", b"x" * 40])
def test_a_record_whose_lengths_do_not_add_up_is_no_record(tail: bytes) -> None:
    """Even under a checksum that is right: nothing is read past the end, nothing is left over."""
    packed = pack_lists(columns_of([[(7, 1.0, 1, 3)]]), WIDTHS).to_pylist()
    assert records.split_record(records.join_record(b"a", 1, [packed[0] + tail]), WIDTHS) is None
    assert records.split_record(records.join_record(b"a", 1, [packed[0], tail]), WIDTHS) is None
    assert records.split_record(records.join_record(b"a", 1, [packed[0][:-1]]), WIDTHS) is None


def test_fifty_items_fit_the_promised_size() -> None:
    """Items at 19 bits, a score and a reason byte are 219 B; a record with its index entry is at most 1.15 of it."""
    widths = Widths(item_bits=19, source_bits=4)
    packed = pack_lists(columns_of([[(i, float(i), i % 10, -1) for i in range(50)]]), widths).to_pylist()
    needed = (50 * 19 + 7) // 8 + 50 + 50
    assert len(records.join_record(b"user123456", 0, packed)) + 8 <= 1.15 * needed
