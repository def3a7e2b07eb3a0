from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import SnapshotCorrupt
from export.format.records import key_hash
from export.stores.dynamodb.changes import Generation, UserFilter, encode_filter, places

HASHES = st.lists(st.integers(0, 2**64 - 1), max_size=200)


def made(hashes: list[int]) -> UserFilter:
    """The filter of these users, read back."""
    return UserFilter(encode_filter(np.array(hashes, dtype=np.uint64)), "here")


@given(hashes=HASHES)
def test_a_filter_never_denies_a_user_it_was_made_of(hashes: list[int]) -> None:
    """Whatever the hashes, none at all included."""
    users = made(hashes)
    assert all(users.may_have(key) for key in hashes)


def test_one_in_a_hundred_others_is_taken_for_one() -> None:
    """Of 20,000 users who are not in a filter of 20,000 fewer than 1.2 % cost a second read, at ten bits a user."""
    inside = [key_hash(f"user-{number}".encode()) for number in range(20_000)]
    users = made(inside)
    wrong = sum(users.may_have(key_hash(f"other-{number}".encode())) for number in range(20_000))
    assert 100 < wrong < 240
    assert len(encode_filter(np.array(inside, dtype=np.uint64))) == 16 + 25_000


def test_an_empty_filter_takes_nobody() -> None:
    """A night in which no list changed."""
    users = made([])
    assert not any(users.may_have(key_hash(f"user-{number}".encode())) for number in range(1000))


def test_users_are_looked_for_in_the_latest_generation_that_may_have_them() -> None:
    """Latest first; the last one has everybody."""
    generations = [Generation("c", made([1])), Generation("b", made([1, 2])), Generation("a", None)]
    assert [places(generations, key) for key in (1, 2, 3)] == [["c", "b", "a"], ["b", "a"], ["a"]]


@pytest.mark.parametrize("data", [b"", b"LRDF", b"XXXX" + bytes(12), encode_filter(np.zeros(9, np.uint64))[:-1]])
def test_a_damaged_filter_is_refused(data: bytes) -> None:
    """Empty, cut short, or of another kind."""
    with pytest.raises(SnapshotCorrupt):
        UserFilter(data, "here")
