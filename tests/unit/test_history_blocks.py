from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.histories import whole_users


def batches(users: list[int], sizes: list[int]) -> list[pa.RecordBatch]:
    """One row a user's entry, cut into batches of these sizes and a last one of the rest."""
    cuts = [0]
    for size in sizes:
        cuts.append(min(cuts[-1] + size, len(users)))
    whole = pa.RecordBatch.from_pydict({"user_idx": pa.array(users, pa.int32()), "row": list(range(len(users)))})
    return [whole.slice(first, last - first) for first, last in zip(cuts, [*cuts[1:], len(users)], strict=True)]


def test_a_block_ends_where_a_user_does() -> None:
    """Three rows a block: user 1's four rows are not cut, nor are those of 3; the last user may have more to come."""
    made = whole_users(batches([1, 1, 1, 1, 2, 3, 3, 5], [2, 2, 2]), 3)
    assert [block.column("user_idx").to_pylist() for block in made] == [[1, 1, 1, 1, 2], [3, 3], [5]]


@given(st.lists(st.integers(0, 6), max_size=30), st.lists(st.integers(0, 7), max_size=6), st.integers(1, 9))
def test_no_user_and_no_row_is_lost(users: list[int], sizes: list[int], n_rows: int) -> None:
    """However the rows come, each is in one block, in order, and each user too."""
    made = list(whole_users(batches(sorted(users), sizes), n_rows))
    assert [row for block in made for row in block.column("row").to_pylist()] == list(range(len(users)))
    of_block = [set(block.column("user_idx").to_pylist()) for block in made]
    assert sum(len(found) for found in of_block) == len(set(users))
