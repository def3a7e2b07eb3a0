from __future__ import annotations

import numpy as np

from models import references
from models.histories import Pairs, empty_pairs
from models.rankings import assortment_of, keys_of

# Items 0..6; item 6 may not be recommended. Most popular first: 3, 6, 0, 5, 1, then 2 and 4 without buyers.
ASSORTMENT = assortment_of(np.array([5, 2, 0, 9, 0, 4, 7]), np.array([True] * 6 + [False]))
NOTHING = np.zeros(0, dtype=np.int64)


def _bought(*pairs: tuple[int, int, int, int]) -> Pairs:
    """Pairs of (row, item, baskets, last day), everything else zero."""
    rows, items, baskets, last_days = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    zero = np.zeros(len(rows), dtype=np.float32)
    values = dict.fromkeys(Pairs.__slots__, zero)
    values |= {"rows": rows, "item_idx": items.astype(np.int32), "baskets": baskets.astype(np.int32)}
    return Pairs(**(values | {"last_days": last_days.astype(np.int32)}))


# User 0 bought 4 twice, and 1, 2 and the forbidden 6 once, 2 most recently; user 1 bought nothing; user 2 bought 3.
BOUGHT = _bought((0, 1, 1, 10), (0, 2, 1, 30), (0, 4, 2, 20), (0, 6, 9, 30), (2, 3, 1, 5))


def test_own_items_come_first_by_frequency_then_popularity() -> None:
    """Own items, the forbidden one left out, then popular items that are not there yet."""
    top = references.personal_then_popular(BOUGHT, ASSORTMENT, NOTHING, n_rows=3, k=5)
    assert top.tolist() == [[4, 1, 2, 3, 0], [3, 0, 5, 1, 2], [3, 0, 5, 1, 2]]


def test_own_items_of_equal_frequency_come_by_popularity_then_recency_then_index() -> None:
    """Items 5 and 1 are more popular than 4 and 2, which tie: by the later day for user 0, by index for user 1."""
    bought = _bought((0, 1, 1, 1), (0, 2, 1, 3), (0, 4, 1, 9), (0, 5, 1, 3), (1, 2, 1, 3), (1, 4, 1, 3))
    own = references.own_by_frequency(bought, ASSORTMENT, n_rows=2)
    assert own.items.tolist() == [5, 1, 4, 2, 2, 4]


def test_without_repeats_nothing_bought_is_listed() -> None:
    """What is left out is neither listed nor does it take a place."""
    left_out = keys_of(BOUGHT.rows, BOUGHT.item_idx)
    top = references.personal_then_popular(BOUGHT, ASSORTMENT, left_out, n_rows=3, k=4)
    assert top.tolist() == [[3, 0, 5, -1], [3, 0, 5, 1], [0, 5, 1, 2]]
    assert references.popular(ASSORTMENT, left_out, n_rows=3, k=4).tolist() == top.tolist()


def test_a_list_longer_than_the_catalogue_has_empty_places() -> None:
    """Six items may be recommended; a list of eight ends with two empty places."""
    assert references.popular(ASSORTMENT, NOTHING, n_rows=1, k=8).tolist() == [[3, 0, 5, 1, 2, 4, -1, -1]]


def test_a_source_alone_keeps_its_own_order() -> None:
    """By score where it has one, and by rank where it proposed the item."""
    rows, items = np.array([0, 0, 0, 1]), np.array([1, 3, 5, 2], dtype=np.int32)
    by_score = references.by_source_score(rows, items, np.array([0.5, np.nan, 0.9, -1.0], dtype=np.float32), n_rows=2)
    assert by_score.top(3).tolist() == [[5, 1, -1], [2, -1, -1]]
    by_rank = references.by_source_rank(rows, items, np.array([2, 1, 0, 0], dtype=np.int16), n_rows=2)
    assert by_rank.top(2).tolist() == [[3, 1], [-1, -1]]


def test_candidates_are_ordered_by_own_frequency_and_by_popularity() -> None:
    """Within candidates both references rank every candidate, and only those."""
    rows, items = np.zeros(5, dtype=np.int64), np.array([0, 1, 2, 3, 4], dtype=np.int32)
    personal, popular = references.candidates_by_own(rows, items, BOUGHT, ASSORTMENT, n_rows=3)
    assert personal.items.tolist() == [4, 1, 2, 3, 0]
    assert popular.items.tolist() == [3, 0, 1, 2, 4]
    without_history, _ = references.candidates_by_own(rows, items, empty_pairs(), ASSORTMENT, n_rows=1)
    assert without_history.items.tolist() == [3, 0, 1, 2, 4]
