"""AUC over all pairs of a positive and a negative of any two users: whether one score means the same for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ragged import AnyArray, Bool, Float32, Int64
from models.rankings import Assortment, Ranking, Truth, is_in

SCORED: Final = np.int64(1) << 32  # bins of scores lie above all bins of popularity
_BITS_DROPPED: Final = 12


@dataclass(frozen=True, slots=True)
class Counts:
    """Positives and negatives by bin; a higher bin is a higher place.

    Attributes:
        bins: ascending, int64.
        positives: items taken in each bin.
        negatives: items not taken.
    """

    bins: Int64
    positives: Int64
    negatives: Int64

    def auc(self) -> float:
        """Share of (positive, negative) pairs in the right order, those of one bin half; NaN without both kinds."""
        below = np.cumsum(self.negatives) - self.negatives
        pairs = float(self.positives.sum()) * float(self.negatives.sum())
        return float(self.positives @ (below + self.negatives / 2)) / pairs if pairs else float("nan")

    def to_bytes(self) -> bytes:
        """The three arrays, one after the other."""
        return np.stack([self.bins, self.positives, self.negatives]).astype("<i8").tobytes()


def from_bytes(data: bytes) -> Counts:
    """What `to_bytes` wrote."""
    bins, positives, negatives = np.frombuffer(data, "<i8").reshape(3, -1)
    return Counts(bins, positives, negatives)


def merge(parts: list[Counts]) -> Counts:
    """The sum of all parts."""
    bins, at = np.unique(np.concatenate([np.zeros(0, np.int64), *[p.bins for p in parts]]), return_inverse=True)
    sums = []
    for name in ("positives", "negatives"):
        values = np.concatenate([np.zeros(0, np.int64), *[getattr(p, name) for p in parts]])
        sums.append(np.bincount(at, weights=values, minlength=len(bins)).astype(np.int64))
    return Counts(bins, *sums)


def within(ranking: Ranking, scores: Float32, truth: Truth, candidates: Int64) -> Counts:
    """Counts over the users' candidates; those without a score tie as last, below every score.

    Args:
        ranking: what was scored.
        scores: parallel to it; comparable between users.
        truth: taken items.
        candidates: sorted keys of the items that exist; users without a taken one among them do not count.
    """
    taken = truth.within(candidates)
    counts = taken.counts > 0
    keys = ranking.keys
    kept = is_in(keys, candidates) & counts[ranking.rows]
    rest = candidates[~is_in(candidates, np.sort(keys)) & counts[candidates >> 32]]
    bins = np.concatenate([_bins(scores[kept]), np.zeros(len(rest), np.int64)])
    return _counts(bins, is_in(np.concatenate([keys[kept], rest]), taken.keys))


def over_catalogue(ranking: Ranking, scores: Float32, truth: Truth, assortment: Assortment, left_out: Int64) -> Counts:
    """Counts over the whole assortment of users with truth; items without a score follow by popularity.

    Taken items that may not be recommended are below every item.

    Args:
        ranking: what was scored.
        scores: parallel to it.
        truth: taken items, none of them left out.
        assortment: items that may be recommended.
        left_out: sorted keys of items that do not count for a user.
    """
    counted = truth.counts > 0
    keys = ranking.keys
    kept = assortment.allows(ranking.items) & ~is_in(keys, left_out) & counted[ranking.rows]
    listed = np.sort(keys[kept])
    scored = _counts(_bins(scores[kept]), is_in(keys[kept], truth.keys))
    pending = truth.keys[assortment.allows(truth.items) & ~is_in(truth.keys, listed)]
    unknown = int(truth.counts.sum()) - int(is_in(truth.keys, listed).sum()) - len(pending)
    gone = left_out[assortment.allows(left_out & 0xFFFFFFFF)]
    gone = gone[counted[gone >> 32]]
    n_levels = len(assortment.below) - 1
    by_level = np.diff(assortment.below) * int(counted.sum())
    for special in (listed, pending, gone):
        by_level -= np.bincount(assortment.levels[special & 0xFFFFFFFF], minlength=n_levels)
    positives = np.bincount(assortment.levels[pending & 0xFFFFFFFF], minlength=n_levels)
    levels = Counts(np.arange(1, n_levels + 1), positives.astype(np.int64), by_level.astype(np.int64))
    last = Counts(np.zeros(1, np.int64), np.array([unknown]), np.zeros(1, np.int64))
    return merge([last, levels, scored])


def _bins(scores: Float32) -> Int64:
    """The leading 20 bits of a float32 as an ascending number: scores that differ by less than 0.02 % may tie."""
    bits = np.ascontiguousarray(scores + np.float32(0), dtype=np.float32).view(np.uint32)
    ascending = np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31))
    return SCORED + (ascending >> _BITS_DROPPED).astype(np.int64)


def _counts(bins: AnyArray, labels: Bool) -> Counts:
    unique, at = np.unique(bins.astype(np.int64), return_inverse=True)
    positives = np.bincount(at[labels], minlength=len(unique)).astype(np.int64)
    return Counts(unique, positives, np.bincount(at, minlength=len(unique)).astype(np.int64) - positives)
