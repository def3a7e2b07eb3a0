"""New items that many others want: popular, popular in the segment, trending, just arrived."""

from __future__ import annotations

import numpy as np

from models.ragged import Bool, Float32, Int32, Int64
from models.sources.base import Proposals, best, is_new, nothing
from models.user_block import UserBlock

_SPARE = 256


class Popular:
    """One score an item and segment, the same for all users of the segment."""

    def __init__(self, scores: Float32, segments: dict[str, int], allowed: Bool) -> None:
        """A source over fixed scores.

        Args:
            scores: shape (n_segments, n_items); items at 0 or below are not proposed.
            segments: row of `scores` by segment; users of other segments take row 0.
            allowed: items that may be proposed.
        """
        self._scores = scores
        self._segments = segments
        shown = np.where(allowed, scores, 0)
        self._orders = [np.lexsort((np.arange(len(row)), -row))[: np.count_nonzero(row > 0)] for row in shown]

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """The `n` best items the user has not bought."""
        codes = self._codes(block)
        rows, items = [], []
        for code in np.unique(codes):
            members = np.flatnonzero(codes == code)
            top = self._orders[code][: n + _SPARE].astype(np.int32)
            rows.append(np.repeat(members, len(top)))
            items.append(np.tile(top, len(members)))
        if not rows:
            return nothing()
        flat_rows, flat_items = np.concatenate(rows).astype(np.int64), np.concatenate(items)
        kept = is_new(block, flat_rows, flat_items)
        flat_rows, flat_items = flat_rows[kept], flat_items[kept]
        return best(flat_rows, flat_items, self._scores[codes[flat_rows], flat_items], n)

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The item's score in the user's segment."""
        return self._scores[self._codes(block)[rows], items].astype(np.float32)

    def _codes(self, block: UserBlock) -> Int64:
        return np.array([self._segments.get(segment, 0) for segment in block.segments], dtype=np.int64)
