from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from contracts.errors import VocabularyMismatch
from contracts.settings import Als
from models import als
from models.als import Factors

SMALL = Als(factors=4, regularization=0.1, alpha=2.0, iterations=8, warm_iterations=2)


@pytest.fixture
def tastes() -> sparse.csr_matrix:
    """Users 0 to 5 like items 0 to 3, users 6 to 11 items 4 to 7; each lacks one item of their half."""
    dense = np.zeros((12, 8), dtype=np.float32)
    for user in range(12):
        half = 4 * (user // 6)
        dense[user, half : half + 4] = 1
        dense[user, half + user % 4] = 0
    return sparse.csr_matrix(dense)


def fit(matrix: sparse.csr_matrix, *, threads: int = 1, start: Factors | None = None) -> Factors:
    """Factors with the seed of these tests."""
    return als.fit(matrix, SMALL, seed=3, threads=threads, start=start)


def peer_of(settings: Als, *, iterations: int) -> AlternatingLeastSquares:
    """The peer's model with our settings and the seed of these tests."""
    with threadpool_limits(1, "blas"):  # it warns of more
        return AlternatingLeastSquares(
            factors=settings.factors, regularization=settings.regularization, alpha=settings.alpha,
            iterations=iterations, random_state=3, num_threads=1,
        )  # fmt: skip


def test_missing_items_of_a_taste_score_above_the_other_taste(tastes: sparse.csr_matrix) -> None:
    """The item each user lacks in their half beats every item of the other half."""
    made = fit(tastes)
    scores = made.users @ made.items.T
    for user in range(12):
        half = 4 * (user // 6)
        other = scores[user, 4 - half : 8 - half]
        assert scores[user, half + user % 4] > other.max()


def test_the_number_of_threads_does_not_show(tastes: sparse.csr_matrix) -> None:
    """One and two threads give the same bytes."""
    one, two = fit(tastes), fit(tastes, threads=2)
    assert one.users.tobytes() == two.users.tobytes()
    assert one.items.tobytes() == two.items.tobytes()
    assert (one.users.dtype, one.users.shape, one.items.shape) == (np.float32, (12, 4), (8, 4))


def test_a_warm_start_makes_room_for_new_rows(tastes: sparse.csr_matrix) -> None:
    """Yesterday knew ten users and seven items; today all have factors, and yesterday's stay as they were."""
    yesterday = fit(tastes[:10, :7].tocsr())
    before = yesterday.users.copy()
    today = fit(tastes, start=yesterday)
    assert (today.users.shape, today.items.shape) == ((12, 4), (8, 4))
    assert (np.abs(today.users).sum(axis=1) > 0).all()
    assert (np.abs(today.items).sum(axis=1) > 0).all()
    assert yesterday.users.tobytes() == before.tobytes()
    assert today.users.tobytes() != fit(tastes).users.tobytes()


def test_a_warm_start_that_is_too_big_is_refused(tastes: sparse.csr_matrix) -> None:
    """More rows than the matrix, or another number of factors, is another vocabulary or another model."""
    start = fit(tastes)
    with pytest.raises(VocabularyMismatch, match=r"shape \(12, 4\); 10 rows of 4"):
        fit(tastes[:10].tocsr(), start=start)
    with pytest.raises(VocabularyMismatch, match="12 rows of 5 factors"):
        als.fit(tastes, Als(factors=5), seed=3, threads=1, start=start)


def test_factors_that_are_no_numbers_are_refused(tastes: sparse.csr_matrix) -> None:
    """A start with NaN spreads: the fit says so instead of returning it."""
    start = fit(tastes)
    start.users[:] = np.nan
    start.items[:] = np.nan
    with pytest.raises(VocabularyMismatch, match="not finite"):
        fit(tastes, start=start)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_confidences_that_are_no_numbers_are_refused(tastes: sparse.csr_matrix, value: float) -> None:
    """NaN, infinity, and what alpha makes infinite."""
    tastes.data[5] = value
    with pytest.raises(VocabularyMismatch, match="not finite"):
        fit(tastes)


@pytest.mark.parametrize("factors", [4, 20])
def test_sweeps_from_a_start_are_the_peers(tastes: sparse.csr_matrix, factors: int) -> None:
    """Two iterations agree with implicit's to 1e-4, so alpha and regularization mean the same."""
    random = np.random.default_rng(1)
    users, items = (random.standard_normal((n, factors), dtype=np.float32) for n in tastes.shape)
    settings = Als(factors=factors, regularization=0.7, alpha=3.0, warm_iterations=2)
    ours = als.fit(tastes, settings, seed=3, threads=2, start=Factors(users, items))
    peer = peer_of(settings, iterations=2)
    peer.user_factors, peer.item_factors = users, items
    peer.fit(tastes, show_progress=False)
    assert ours.users == pytest.approx(peer.user_factors, rel=1e-4, abs=1e-5)
    assert ours.items == pytest.approx(peer.item_factors, rel=1e-4, abs=1e-5)


def test_no_iterations_leave_the_peers_random_start(tastes: sparse.csr_matrix) -> None:
    """The start of a seed is implicit's, bit by bit."""
    settings = Als(factors=5, iterations=0)
    ours, peer = als.fit(tastes, settings, seed=3, threads=1, start=None), peer_of(settings, iterations=0)
    peer.fit(tastes, show_progress=False)
    assert (ours.users == peer.user_factors).all()
    assert (ours.items == peer.item_factors).all()
    assert ours.users.flags.c_contiguous


def test_who_likes_nothing_has_zero_factors(tastes: sparse.csr_matrix) -> None:
    """An empty row, and an item that nobody likes."""
    tastes.resize(13, 9)
    made = fit(tastes)
    assert not made.users[12].any()
    assert not made.items[8].any()
    assert (np.abs(made.users[:12]).sum(axis=1) > 0).all()


def test_models_of_one_artifact_are_told_apart(tmp_path: Path, tastes: sparse.csr_matrix) -> None:
    """What is loaded by name is what was saved by it."""
    made = fit(tastes)
    als.save(tmp_path / "als", {"als": made, "als_long": Factors(made.users * 2, made.items)}, about={})
    assert (als.load(tmp_path / "als", "als_long").users == als.load(tmp_path / "als", "als").users * 2).all()


def test_a_user_left_out_moves_nobody(tastes: sparse.csr_matrix) -> None:
    """With the row of a user who likes everything emptied, factors are those of a matrix where it never bought."""
    dense = tastes.toarray()
    dense[5] = 0
    never = fit(sparse.csr_matrix(dense))
    dense[5] = 50
    bot = sparse.csr_matrix(dense)
    users = np.array([5, 99], dtype=np.int32)
    left_out = fit(als.without_rows(bot, users))
    assert left_out.users.tobytes() == never.users.tobytes()
    assert left_out.items.tobytes() == never.items.tobytes()
    assert fit(bot).items.tobytes() != never.items.tobytes()
    assert als.without_rows(bot, users[:0]) is bot


def test_a_user_left_out_is_folded_in(tastes: sparse.csr_matrix) -> None:
    """The user's factors solve the user's own system for the items as they are; nothing else moves."""
    users = np.array([2, 99], dtype=np.int32)
    fitted = fit(als.without_rows(tastes, users))
    made = als.fold_in(fitted, tastes, users, SMALL, threads=1)
    assert not fitted.users[2].any()
    liked = tastes[2].toarray()[0]
    confidence = np.where(liked > 0, SMALL.alpha * liked, 1)
    items = fitted.items.astype(np.float64)
    system = items.T @ (items * confidence[:, None]) + SMALL.regularization * np.eye(SMALL.factors)
    expected = np.linalg.solve(system, items.T @ (confidence * (liked > 0)))
    np.testing.assert_allclose(made.users[2], expected, rtol=1e-3)
    assert made.items is fitted.items
    assert np.array_equal(np.delete(made.users, 2, axis=0), np.delete(fitted.users, 2, axis=0))
    assert als.fold_in(fitted, tastes, users[1:], SMALL, threads=1) is fitted
