from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import AP, RR, P, Qrel, ScoredDoc, Success, nDCG

from models import metrics
from models.rankings import truth_of

LOG3 = 1 / np.log2(3)
HITS = np.array([[True, False, True], [False, True, False], [False, False, False], [False, False, False]])
N_TRUTH = np.array([2, 5, 1, 0])


def test_ndcg_is_idealised_by_what_a_list_of_k_can_hold() -> None:
    """Hits at places 1 and 3 of two possible, at place 2 of five possible, none, and no truth at all."""
    expected = [1.5 / (1 + LOG3), LOG3 / (1 + LOG3 + 0.5), 0.0, np.nan]
    np.testing.assert_allclose(metrics.ndcg(HITS, N_TRUTH, 3), expected)


def test_recalls_differ_in_what_they_divide_by() -> None:
    """One hit with five items taken: capped by the cutoff it is 1 of 3, uncapped 1 of 5."""
    np.testing.assert_allclose(metrics.capped_recall(HITS, N_TRUTH, 3), [1.0, 1 / 3, 0.0, np.nan])
    np.testing.assert_allclose(metrics.recall(HITS, N_TRUTH, 3), [1.0, 1 / 5, 0.0, np.nan])


def test_the_other_metrics_by_hand() -> None:
    """Hit rate, precision, average precision and reciprocal rank of the same three lists."""
    np.testing.assert_allclose(metrics.hit_rate(HITS, N_TRUTH, 1), [1.0, 0.0, 0.0, np.nan])
    np.testing.assert_allclose(metrics.precision(HITS, N_TRUTH, 2), [0.5, 0.5, 0.0, np.nan])
    np.testing.assert_allclose(metrics.average_precision(HITS, N_TRUTH, 3), [(1 + 2 / 3) / 2, 0.5 / 5, 0.0, np.nan])
    np.testing.assert_allclose(metrics.reciprocal_rank(HITS, N_TRUTH, 3), [1.0, 0.5, 0.0, np.nan])


def test_lists_shorter_than_the_cutoff_have_misses_at_the_end() -> None:
    """A list of three counts as a list of five with two misses."""
    np.testing.assert_allclose(metrics.precision(HITS, N_TRUTH, 5), [0.4, 0.2, 0.0, np.nan])


def test_unknown_items_count_one_by_one_and_are_never_hit() -> None:
    """Three unknown items beside a found one: one hit of four."""
    truth = truth_of(np.array([0, 0, 0, 0, 1]), np.array([-1, 7, -1, -1, 7]), n_rows=2)
    hits = metrics.hits_of(np.array([[7, 3], [3, -1]], dtype=np.int32), truth)
    assert truth.counts.tolist() == [4, 1]
    assert (truth.rows.tolist(), truth.items.tolist()) == ([0, 1], [7, 7])
    assert hits.tolist() == [[True, False], [False, False]]
    assert metrics.recall(hits, truth.counts, 2).tolist() == [0.25, 0.0]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_values_equal_those_of_ir_measures(seed: int) -> None:
    """Every user's value agrees with ir_measures on random lists of random lengths."""
    random = np.random.default_rng(seed)
    n_users, n_items, k = 60, 40, 10
    lengths = random.integers(0, 15, n_users)
    top = np.full((n_users, 15), -1, dtype=np.int32)
    for user, length in enumerate(lengths):
        top[user, :length] = random.permutation(n_items)[:length]
    taken = [random.permutation(n_items)[: random.integers(1, 25)] for _ in range(n_users)]
    truth = truth_of(np.repeat(np.arange(n_users), [len(t) for t in taken]), np.concatenate(taken), n_rows=n_users)
    hits = metrics.hits_of(top, truth)
    ours = {
        nDCG @ k: metrics.ndcg(hits, truth.counts, k),
        nDCG @ 5: metrics.ndcg(hits, truth.counts, 5),
        AP @ k: metrics.average_precision(hits, truth.counts, k),
        P @ k: metrics.precision(hits, truth.counts, k),
        RR @ k: metrics.reciprocal_rank(hits, truth.counts, k),
        Success @ k: metrics.hit_rate(hits, truth.counts, k),
    }
    relevant = [Qrel(str(user), str(item), 1) for user in range(n_users) for item in taken[user]]
    run = [ScoredDoc(str(u), str(i), -float(place)) for u in range(n_users) for place, i in enumerate(top[u]) if i >= 0]
    theirs = {(m.measure, int(m.query_id)): m.value for m in ir_measures.iter_calc(list(ours), relevant, run)}
    for measure, values in ours.items():
        expected = [theirs.get((measure, user), 0.0) for user in range(n_users)]
        np.testing.assert_allclose(values, expected, atol=1e-12, err_msg=str(measure))


def test_novelty_is_the_mean_surprise_of_the_list() -> None:
    """Shares of 1/2, 1/4 and 1/4 carry 1, 2 and 2 bits; an empty list has no value."""
    top = np.array([[0, 1], [2, -1], [-1, -1]], dtype=np.int32)
    np.testing.assert_allclose(metrics.novelty(top, np.array([8, 4, 4])), [1.5, 2.0, np.nan])


def test_coverage_counts_distinct_items() -> None:
    """Three distinct items of twelve, however often each is shown."""
    assert metrics.coverage(np.array([[0, 1], [1, 5], [-1, -1]], dtype=np.int32), 12) == 0.25


def test_gini_is_zero_when_even_and_near_one_when_concentrated() -> None:
    """Four items shown once each are even; one item of four shown always is 3/4; 1, 3 of four is 5/8."""
    assert metrics.gini(np.array([[0, 1], [2, 3]], dtype=np.int32), 4) == 0.0
    assert metrics.gini(np.array([[2], [2]], dtype=np.int32), 4) == 0.75
    assert metrics.gini(np.array([[0], [1], [1], [1]], dtype=np.int32), 4) == 0.625
