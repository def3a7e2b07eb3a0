"""Ranking metrics of a block of users: one value a user, NaN for users without any truth.

Definitions are those of trec_eval with binary gains, as in `ir_measures`; `capped_recall` divides by what a list of k
can reach at most. `hits` are boolean, shape (n_users, n_places), True where the item at that place was taken; `n_truth`
counts every item taken, shape (n_users,), those that no system can know included.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from models.ragged import AnyArray, Bool, Float32, Int32, Int64, first_of_run
from models.rankings import Assortment, Ranking, Truth, is_in, keys_of

Float64 = npt.NDArray[np.float64]


def hits_of(top: Int32, truth: Truth) -> Bool:
    """True where the item of `top`, shape (n_rows, k), empty places -1, was taken."""
    rows = np.broadcast_to(np.arange(len(top))[:, None], top.shape)
    filled = top >= 0
    hits = np.zeros(top.shape, dtype=bool)
    hits[filled] = is_in(keys_of(rows[filled], top[filled]), truth.keys)
    return hits


def ndcg(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """Discounted gain of the first k over that of an ideal list of min(k, n_truth) hits."""
    discounts: Float64 = 1.0 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])[np.minimum(n_truth, k)]
    return _ratio(_first(hits, k) @ discounts, ideal)


def capped_recall(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """Hits in the first k over min(k, n_truth)."""
    return _ratio(_first(hits, k).sum(axis=1), np.minimum(n_truth, k))


def recall(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """Hits in the first k over n_truth."""
    return _ratio(_first(hits, k).sum(axis=1), n_truth)


def hit_rate(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """One for users with a hit in the first k, else zero."""
    return _known(np.asarray(_first(hits, k).any(axis=1), dtype=np.float64), n_truth)


def precision(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """Hits in the first k over k, short lists too."""
    return _known(_first(hits, k).sum(axis=1) / k, n_truth)


def average_precision(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """Precision at each hit of the first k, summed, over n_truth; its mean is MAP."""
    first = _first(hits, k)
    at_hit = np.cumsum(first, axis=1) / np.arange(1, k + 1) * first
    return _ratio(at_hit.sum(axis=1), n_truth)


def reciprocal_rank(hits: Bool, n_truth: Int64, k: int) -> Float64:
    """One over the place of the first hit among the first k, zero without one."""
    first = _first(hits, k)
    return _known(np.where(first.any(axis=1), 1.0 / (first.argmax(axis=1) + 1), 0.0), n_truth)


def auc(rows: Int64, scores: AnyArray, labels: Bool, *, n_rows: int) -> Float64:
    """Share of (positive, negative) pairs of a user in the right order, ties half; NaN without both kinds.

    Args:
        rows: user's row of each scored item, in any order.
        scores: higher is better, no NaN; give -inf to items that were not ranked.
        labels: True for positives.
        n_rows: users of the block.
    """
    order = np.lexsort((scores, rows))
    rows, scores, labels = rows[order], scores[order], labels[order]
    if not len(rows):
        return np.full(n_rows, np.nan)
    starts = np.flatnonzero(np.r_[True, (rows[1:] != rows[:-1]) | (scores[1:] != scores[:-1])])
    sizes = np.diff(np.r_[starts, len(rows)])
    row_start = first_of_run(rows)
    ranks = np.repeat(starts + (sizes + 1) / 2, sizes) - row_start
    positives = np.bincount(rows, weights=labels, minlength=n_rows)
    negatives = np.bincount(rows, minlength=n_rows) - positives
    rank_sums = np.bincount(rows, weights=ranks * labels, minlength=n_rows)
    return _ratio(rank_sums - positives * (positives + 1) / 2, positives * negatives)


def auc_then_tied(ranking: Ranking, truth: Truth, n_items: Int64) -> Float64:
    """AUC of a ranking among `n_items` items a user, shape (n_rows,), where the items not ranked tie as last.

    Every item of the ranking and of the truth is among the `n_items`.
    """
    hits, above, n_listed = _listed(ranking, truth)
    negatives = n_items - truth.counts
    unlisted = truth.counts - np.bincount(ranking.rows[hits], minlength=ranking.n_rows)
    below = np.bincount(ranking.rows[hits], weights=(negatives[ranking.rows] - above)[hits], minlength=ranking.n_rows)
    return _ratio(below + unlisted * (negatives - n_listed) / 2, truth.counts * negatives)


def auc_then_popular(ranking: Ranking, truth: Truth, assortment: Assortment, left_out: Int64) -> Float64:
    """AUC of a ranking among the whole assortment, where the items not ranked follow by popularity, ties half.

    Costs the ranked items, not the assortment. Truth outside the assortment is below every item.

    Args:
        ranking: items outside the assortment and left out ones are ignored.
        truth: none of it is left out.
        assortment: items that may be recommended.
        left_out: sorted keys of items that do not count for a user, such as those already bought.
    """
    listed = ranking.where(assortment.allows(ranking.items) & ~is_in(ranking.keys, left_out))
    hits, above, _ = _listed(listed, truth)
    gone = left_out[assortment.allows(left_out & 0xFFFFFFFF)]
    reachable = truth.keys[assortment.allows(truth.items)]
    pending = reachable[~is_in(reachable, np.sort(listed.keys))]
    n_rows = ranking.n_rows
    negatives = len(assortment.order) - np.bincount(gone >> 32, minlength=n_rows) - _count(reachable, n_rows)
    special = np.concatenate([listed.keys, gone, pending])
    below, equal = _popular_negatives(pending, special, assortment)
    of_listed = np.bincount(listed.rows[hits], weights=(negatives[listed.rows] - above)[hits], minlength=n_rows)
    of_pending = np.bincount(pending >> 32, weights=below + equal / 2, minlength=n_rows)
    return _ratio(of_listed + of_pending, truth.counts * negatives)


def _popular_negatives(pending: Int64, special: Int64, assortment: Assortment) -> tuple[Int64, Int64]:
    """Assortment items less popular than, and as popular as, each key of `pending`, those in `special` not counted."""
    span = np.int64(len(assortment.below))
    levels = assortment.levels[pending & 0xFFFFFFFF]
    known = np.sort((special >> 32) * span + assortment.levels[special & 0xFFFFFFFF])
    row_start = np.searchsorted(known, (pending >> 32) * span)
    low = np.searchsorted(known, (pending >> 32) * span + levels, side="left")
    high = np.searchsorted(known, (pending >> 32) * span + levels, side="right")
    below = assortment.below[levels] - (low - row_start)
    equal = assortment.below[levels + 1] - assortment.below[levels] - (high - low)
    return below, equal


def _listed(ranking: Ranking, truth: Truth) -> tuple[Bool, Int64, Int64]:
    """Hits of a ranking, the misses above each of its items, and the misses of each user."""
    hits = is_in(ranking.keys, truth.keys)
    misses = np.concatenate([[0], np.cumsum(~hits)]).astype(np.int64)
    first = first_of_run(ranking.rows)
    above = misses[:-1] - misses[first]
    return hits, above, np.bincount(ranking.rows[~hits], minlength=ranking.n_rows).astype(np.int64)


def novelty(top: Int32, popularity: AnyArray) -> Float64:
    """Mean of -log2 of the items' share of all buyers, per user; items without a buyer count as one buyer."""
    buyers = np.maximum(popularity.astype(np.float64), 1.0)
    bits = -np.log2(buyers / buyers.sum()) if len(buyers) else buyers
    filled = top >= 0
    values = np.where(filled, bits[np.where(filled, top, 0)] if len(bits) else 0.0, 0.0)
    return _ratio(values.sum(axis=1), filled.sum(axis=1))


def coverage(top: Int32, n_recommendable: int) -> float:
    """Distinct items in the lists over the items that may be recommended."""
    return len(np.unique(top[top >= 0])) / n_recommendable if n_recommendable else float("nan")


def gini(top: Int32, n_recommendable: int) -> float:
    """Gini index of how often each recommendable item is in a list: 0 is even, near 1 is a few items only."""
    counts = np.sort(np.unique(top[top >= 0], return_counts=True)[1])
    if not len(counts) or n_recommendable < len(counts):
        return float("nan")
    places = np.arange(n_recommendable - len(counts) + 1, n_recommendable + 1)
    return float((2 * places - n_recommendable - 1) @ counts / (n_recommendable * counts.sum()))


class ScoreHistogram:
    """Pooled AUC over users whose scores are never held at once.

    Scores fall into 65,536 bins by the leading 16 bits of their float32 (7 of them of mantissa, so scores that differ
    by less than 0.8 % may tie); adding and merging are exact, ties count half.
    """

    BINS = 1 << 16

    def __init__(self) -> None:
        """No scores yet."""
        self.positives = np.zeros(self.BINS, dtype=np.int64)
        self.negatives = np.zeros(self.BINS, dtype=np.int64)

    def add(self, scores: Float32, labels: Bool) -> None:
        """Counts scores (float32, no NaN) and their labels."""
        bits = np.ascontiguousarray(scores + np.float32(0), dtype=np.float32).view(np.uint32)
        ascending = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31)) >> 16
        self.positives += np.bincount(ascending[labels], minlength=self.BINS)
        self.negatives += np.bincount(ascending[~labels], minlength=self.BINS)

    def merge(self, other: ScoreHistogram) -> None:
        """Adds the counts of another histogram."""
        self.positives += other.positives
        self.negatives += other.negatives

    def auc(self) -> float:
        """Share of (positive, negative) pairs in the right order, ties half; NaN without both kinds."""
        below = np.cumsum(self.negatives) - self.negatives
        pairs = float(self.positives.sum()) * float(self.negatives.sum())
        return float(self.positives @ (below + self.negatives / 2)) / pairs if pairs else float("nan")


def _first(hits: Bool, k: int) -> Bool:
    return hits[:, :k] if hits.shape[1] >= k else np.pad(hits, ((0, 0), (0, k - hits.shape[1])))


def _count(keys: Int64, n_rows: int) -> Int64:
    return np.bincount(keys >> 32, minlength=n_rows).astype(np.int64)


def _known(values: AnyArray, n_truth: Int64) -> Float64:
    return np.where(n_truth > 0, values, np.nan)


def _ratio(above: AnyArray, below: AnyArray) -> Float64:
    values = np.full(np.shape(above), np.nan)
    np.divide(above, below, out=values, where=below > 0)
    return values
