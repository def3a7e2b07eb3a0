from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from contracts.references_section import REFERENCE_NAMES, References
from models.als import Factors
from models.histories import Pairs, empty_pairs
from models.ragged import Int64
from models.rankings import assortment_of, keys_of
from models.references import base, cosine, ease, registry, tifuknn
from models.references.als import AlsAlone
from models.references.base import Past, Reference
from models.references.filling import then_popular
from models.references.frequency import PersonalThenPopular, own_by_frequency
from models.references.popular import Popular
from models.references.single import by_source_rank

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


def _past(bought: Pairs, *users: int) -> Past:
    return Past(np.array(users, dtype=np.int32), bought)


def _lists(reference: Reference, past: Past, left_out: Int64, k: int) -> list[list[int]]:
    ranking = reference.rank(past, ASSORTMENT, left_out, "home")
    made: list[list[int]] = then_popular(ranking, ASSORTMENT, left_out, k=k).tolist()
    return made


# User 0 bought 4 twice, and 1, 2 and the forbidden 6 once, 2 most recently; user 1 bought nothing; user 2 bought 3.
BOUGHT = _bought((0, 1, 1, 10), (0, 2, 1, 30), (0, 4, 2, 20), (0, 6, 9, 30), (2, 3, 1, 5))
PAST = _past(BOUGHT, 0, 1, 2)


def test_own_items_come_first_by_frequency_then_popularity() -> None:
    """Own items, the forbidden one left out, then popular items that are not there yet."""
    made = _lists(PersonalThenPopular(), PAST, NOTHING, 5)
    assert made == [[4, 1, 2, 3, 0], [3, 0, 5, 1, 2], [3, 0, 5, 1, 2]]


def test_own_items_of_equal_frequency_come_by_popularity_then_recency_then_index() -> None:
    """Items 5 and 1 are more popular than 4 and 2, which tie: by the later day for user 0, by index for user 1."""
    bought = _bought((0, 1, 1, 1), (0, 2, 1, 3), (0, 4, 1, 9), (0, 5, 1, 3), (1, 2, 1, 3), (1, 4, 1, 3))
    own = own_by_frequency(bought, ASSORTMENT, n_rows=2)
    assert own.items.tolist() == [5, 1, 4, 2, 2, 4]


def test_without_repeats_nothing_bought_is_listed() -> None:
    """What is left out is neither listed nor does it take a place."""
    left_out = keys_of(BOUGHT.rows, BOUGHT.item_idx)
    expected = [[3, 0, 5, -1], [3, 0, 5, 1], [0, 5, 1, 2]]
    assert _lists(PersonalThenPopular(), PAST, left_out, 4) == expected
    assert _lists(Popular(), PAST, left_out, 4) == expected


def test_a_list_longer_than_the_catalogue_has_empty_places() -> None:
    """Six items may be recommended; a list of eight ends with two empty places."""
    assert _lists(Popular(), _past(empty_pairs(), 0), NOTHING, 8) == [[3, 0, 5, 1, 2, 4, -1, -1]]


def test_a_source_alone_keeps_its_own_order() -> None:
    """By rank where it proposed the item."""
    rows, items = np.array([0, 0, 0, 1]), np.array([1, 3, 5, 2], dtype=np.int32)
    by_rank = by_source_rank(rows, items, np.array([2, 1, 0, 0], dtype=np.int16), n_rows=2)
    assert by_rank.top(2).tolist() == [[3, 1], [-1, -1]]


def test_candidates_are_ordered_by_own_frequency_and_by_popularity() -> None:
    """Within candidates both references rank every candidate, and only those."""
    rows, items = np.zeros(5, dtype=np.int64), np.array([0, 1, 2, 3, 4], dtype=np.int32)
    assert PersonalThenPopular().order(PAST, ASSORTMENT, rows, items, "home").items.tolist() == [4, 1, 2, 3, 0]
    assert Popular().order(PAST, ASSORTMENT, rows, items, "home").items.tolist() == [3, 0, 1, 2, 4]
    nobody = _past(empty_pairs(), 0)
    assert PersonalThenPopular().order(nobody, ASSORTMENT, rows, items, "home").items.tolist() == [3, 0, 1, 2, 4]


def test_als_alone_ranks_the_whole_catalogue() -> None:
    """By dot product over all allowed items with a factor, own ones too unless left out; users unknown see popular."""
    items = np.array([[1, 0], [2, 0], [0, 0], [0, 3], [3, 0], [0, 1], [9, 9]], dtype=np.float32)
    reference = AlsAlone(Factors(np.array([[1, 0.1], [0, 1]], np.float32), items), ASSORTMENT.is_allowed)
    past = _past(_bought((0, 4, 1, 1)), 0, 5)
    assert _lists(reference, past, NOTHING, 3) == [[4, 1, 0], [3, 0, 5]]
    assert _lists(reference, past, keys_of(np.array([0]), np.array([4])), 3) == [[1, 0, 3], [3, 0, 5]]
    rows, candidates = np.array([0, 0, 0]), np.array([0, 1, 3], dtype=np.int32)
    assert reference.order(past, ASSORTMENT, rows, candidates, "home").items.tolist() == [1, 0, 3]


def test_cosine_is_over_users() -> None:
    """Two of three users bought 0 and 1, one of them 2 as well: cos(0, 1) = 1, cos(0, 2) = cos(1, 2) = 1 / sqrt(2)."""
    bought = sparse.csr_matrix(
        np.array([[1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0]], np.float32)
    )
    similarity = cosine.fit(bought, 5, threads=1)
    np.testing.assert_allclose(similarity.toarray()[0, :3], [0, 1, 2**-0.5], rtol=1e-6)
    reference = cosine.Cosine(similarity)
    past = _past(_bought((0, 0, 1, 1), (0, 1, 1, 1), (1, 2, 1, 1)), 3, 4)
    np.testing.assert_allclose(reference.scores(past).toarray()[0, :3], [1, 1, 2**0.5], rtol=1e-6)
    assert _lists(reference, past, NOTHING, 4) == [[2, 0, 1, 3], [0, 1, 3, 5]]
    left_out = keys_of(past.bought.rows, past.bought.item_idx)
    assert _lists(reference, past, left_out, 2) == [[2, 3], [0, 1]]
    rows, candidates = np.array([0, 0, 1]), np.array([0, 5, 1], dtype=np.int32)
    assert reference.order(past, ASSORTMENT, rows, candidates, "home").items.tolist() == [0, 1]


def test_items_that_tie_at_the_depth_are_cut_by_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two places and three items of one score behind a better one that is left out, and one that may not show."""
    monkeypatch.setattr(base, "DEPTH", 2)
    similarity = sparse.csr_matrix(([5.0, 1, 1, 1, 9], ([0] * 5, [5, 4, 1, 2, 6])), shape=(7, 7), dtype=np.float32)
    past = _past(_bought((0, 0, 1, 1), (1, 4, 1, 1)), 3, 4)
    left_out = keys_of(np.array([0]), np.array([5]))
    ranking = cosine.Cosine(similarity).rank(past, ASSORTMENT, left_out, "home")
    assert (ranking.rows.tolist(), ranking.items.tolist()) == ([0, 0], [1, 2])


def test_a_user_who_bought_everything_counts_by_a_sample_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With two items a user at most, three of four are not together with the others any more."""
    monkeypatch.setattr(cosine, "MAX_ITEMS", 2)
    similarity = cosine.fit(sparse.csr_matrix(np.ones((1, 4), np.float32)), 5, threads=1)
    assert similarity.nnz == 2


def test_ease_is_the_ridge_regression_of_each_item_on_the_others() -> None:
    """A column's weights solve (X'X + rI) on the other items, item by item; own weight zero."""
    bought = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0]], dtype=np.float32)
    together = ease.gram([sparse.csr_matrix(bought[:2]), sparse.csr_matrix(bought[2:])], 3)
    assert together.tolist() == [[3, 2, 1], [2, 3, 2], [1, 2, 2]]
    weights = ease.fit(together.copy(), 0.5)
    for item in range(3):
        others = [i for i in range(3) if i != item]
        ridge = np.linalg.solve(
            bought[:, others].T @ bought[:, others] + 0.5 * np.eye(2), bought[:, others].T @ bought[:, item]
        )
        np.testing.assert_allclose(weights[others, item], ridge, rtol=1e-5)
        assert weights[item, item] == 0


def test_ease_covers_the_most_bought_items_only() -> None:
    """Items 3, 0 and 5 of the allowed ones; a user without any of them sees popular items."""
    chosen = ease.most_bought(ASSORTMENT.popularity, ASSORTMENT.is_allowed, 3)
    assert chosen.tolist() == [0, 3, 5]
    weights = np.array([[0, 0.2, 0.4], [0.1, 0, -0.1], [0, 0, 0]], dtype=np.float32)
    reference = ease.Ease(chosen, weights, 7)
    past = _past(_bought((0, 0, 1, 1), (0, 3, 1, 1), (1, 4, 1, 1)), 0, 1)
    assert _lists(reference, past, NOTHING, 4) == [[5, 3, 0, 1], [3, 0, 5, 1]]


def test_frequencies_decay_inside_groups_and_between_them() -> None:
    """Five baskets in two groups of three and two: the three newest, then the two oldest."""
    wanted = References(tifuknn_groups=2, tifuknn_basket_decay=0.5, tifuknn_group_decay=0.1)
    days, items = np.array([1, 2, 3, 4, 5, 5]), np.array([0, 1, 2, 3, 4, 0])
    made = tifuknn.vectors(np.zeros(6, np.int64), days, items, (2, 6), wanted).toarray()
    newest = np.array([1, 0.5, 0.25]) / 3 / 2
    oldest = np.array([1, 0.5]) / 2 / 2 * 0.1
    expected = [oldest[1] + newest[0], oldest[0], newest[2], newest[1], newest[0], 0]
    np.testing.assert_allclose(made, [expected, [0] * 6], rtol=1e-6)


def test_neighbours_bring_what_they_buy() -> None:
    """User 0 is nearest to 1, who bought 2 as well; half of the score is the neighbour's, who is never oneself."""
    rows = np.array([[1, 1, 0, 0, 0, 0, 0], [1, 1, 1, 0, 0, 0, 0], [0, 0, 0, 2, 2, 0, 0]], np.float32)
    wanted = References(tifuknn_alpha=0.5, tifuknn_neighbours=1)
    reference = tifuknn.Tifuknn(sparse.csr_matrix(rows), np.arange(3, dtype=np.int32), wanted)
    scores = reference.scores(_past(empty_pairs(), 0, 1, 9)).toarray()
    np.testing.assert_allclose(scores[0], [1, 1, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(scores[1], [1, 1, 0.5, 0, 0, 0, 0])
    np.testing.assert_allclose(scores[2], [0.5, 0.5, 0, 0, 0, 0, 0])  # unknown: nearest to the smallest vector


def test_the_pool_of_neighbours_is_bounded_and_repeats() -> None:
    """All users where they are few, else about as many as asked, the same ones each time."""
    users = np.arange(10_000, dtype=np.int32)
    assert tifuknn.pool_of(users[::-1], 10_000, seed=1).tolist() == users.tolist()
    chosen = tifuknn.pool_of(users, 1000, seed=1)
    assert 900 < len(chosen) < 1100
    assert chosen.tolist() == tifuknn.pool_of(users[::-1], 1000, seed=1).tolist()


def test_fitted_references_come_back_from_their_artifacts(tmp_path: Path) -> None:
    """Saved and loaded, each gives the scores that it gave before."""
    past = _past(_bought((0, 0, 1, 1), (0, 3, 1, 1)), 0)
    similarity = cosine.fit(
        sparse.csr_matrix(np.array([[1, 1, 0, 1, 0, 0, 0], [1, 0, 0, 1, 0, 0, 0]], np.float32)), 5, threads=1
    )
    chosen = ease.most_bought(ASSORTMENT.popularity, ASSORTMENT.is_allowed, 3)
    weights = ease.fit(np.eye(3) + 1, 1.0)
    rows = sparse.csr_matrix(np.array([[1, 0, 0, 2, 0, 0, 0], [1, 0, 3, 0, 0, 0, 0]], np.float32))
    pool = np.arange(2, dtype=np.int32)
    cosine.save(tmp_path / "c", similarity, about={})
    ease.save(tmp_path / "e", chosen, weights, about={"n_items": 7})
    tifuknn.save(tmp_path / "t", rows, pool, about={})
    pairs = [
        (cosine.load(tmp_path / "c"), cosine.Cosine(similarity)),
        (ease.load(tmp_path / "e"), ease.Ease(chosen, weights, 7)),
        (tifuknn.load(tmp_path / "t", References()), tifuknn.Tifuknn(rows, pool, References())),
    ]
    for loaded, made in pairs:
        np.testing.assert_array_equal(loaded.scores(past).toarray(), made.scores(past).toarray())
        assert made.scores(past).nnz


def test_every_name_of_the_settings_has_a_reference() -> None:
    """What may be asked for can be built."""
    assert set(registry.NAMES) == set(REFERENCE_NAMES)
