"""What happens after scoring: filters, caps, filling up, reasons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.ragged import Bool, Float32, Int32, Int64


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of a block of users, flat, ordered by row, then best first.

    Attributes:
        rows: the user's row.
        items: item index.
        scores: not comparable between users.
        reasons: index of the source that is the reason.
    """

    rows: Int64
    items: Int32
    scores: Float32
    reasons: Int32

    def take(self, keep: np.ndarray) -> Lists:
        """The entries selected by a mask or by positions."""
        return Lists(self.rows[keep], self.items[keep], self.scores[keep], self.reasons[keep])


def cap_categories(lists: Lists, categories: Int32, cap: int) -> Lists:
    """The same entries, those beyond `cap` of their category moved behind the others; order is kept otherwise.

    Args:
        categories: code of every item; -1 has no category and is never capped.
        cap: entries of one category that keep their place; 0 changes nothing.
    """
    if cap == 0 or not len(lists.rows):
        return lists
    code = categories[lists.items]
    order = np.lexsort((np.arange(len(code)), code, lists.rows))
    key = lists.rows[order] * (np.int64(categories.max(initial=-1)) + 2) + code[order] + 1
    nth = np.arange(len(order)) - np.searchsorted(key, key, side="left")
    over = np.empty(len(order), dtype=bool)
    over[order] = (nth >= cap) & (code[order] >= 0)
    return lists.take(np.lexsort((np.arange(len(code)), over, lists.rows)))


def cut(lists: Lists, length: int) -> Lists:
    """The first `length` entries of each row."""
    first = np.searchsorted(lists.rows, lists.rows, side="left")
    return lists.take(np.arange(len(lists.rows)) - first < length)


def fill(lists: Lists, popular: Int32, is_excluded: Bool, length: int, *, reason: int) -> Lists:
    """Lists of at least `length` entries where `popular` allows it: short ones go on with popular items.

    Args:
        popular: item indices, best first.
        is_excluded: shape (n_users, len(popular)), True where the item must not be added for that user.
        length: entries wanted a row.
        reason: the reason of what is added; its score is the row's lowest minus its position.
    """
    n_users = len(is_excluded)
    counts = np.bincount(lists.rows, minlength=n_users)
    short = np.flatnonzero(counts < length)
    if not len(short) or not len(popular):
        return lists
    lowest = np.zeros(n_users, dtype=np.float32)
    np.minimum.at(lowest, lists.rows, lists.scores)
    free = ~is_excluded[short]
    nth = np.cumsum(free, axis=1)
    row, column = np.nonzero(free & (nth <= (length - counts[short])[:, None]))
    added = Lists(
        rows=short[row],
        items=popular[column].astype(np.int32),
        scores=(lowest[short[row]] - nth[row, column]).astype(np.float32),
        reasons=np.full(len(row), reason, dtype=np.int32),
    )
    joined = Lists(
        *(np.concatenate([getattr(lists, f), getattr(added, f)]) for f in ("rows", "items", "scores", "reasons"))
    )
    return joined.take(np.argsort(joined.rows, kind="stable"))
