"""Faults of finished lists of a block of users."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.ragged import Bool
from models.rankings import Ranking, is_in, keys_of

COUNTS: Final = ("lists", "full", "unknown", "not_recommendable", "already_bought", "repeated")


@dataclass(frozen=True, slots=True)
class Rules:
    """What is asked of a list.

    Attributes:
        is_recommendable: by item index, False for items that no list may hold.
        is_allowed: by item index, what recommenders may choose from.
        may_repeat: whether bought items may be listed.
        length: items asked for.
    """

    is_recommendable: Bool
    is_allowed: Bool
    may_repeat: bool
    length: int


def count_faults(shown: Ranking, bought: Ranking, rules: Rules, is_counted: Bool) -> dict[str, int]:
    """Counts by COUNTS: lists, lists as long as asked, and items that must not be there.

    A list is as long as asked when it holds that many items, or all that may be recommended to its user.

    Args:
        shown: one row a list.
        bought: what the user of each list had bought.
        rules: what is asked.
        is_counted: True for the lists to count, shape (n_lists,).
    """
    n_lists, n_items = shown.n_rows, len(rules.is_recommendable)
    listed = shown.where(is_counted[shown.rows])
    known = listed.where((listed.items >= 0) & (listed.items < n_items))
    possible = np.full(n_lists, np.count_nonzero(rules.is_allowed))
    already = 0
    if not rules.may_repeat:
        own = bought.where(bought.items < n_items)
        already = int(np.count_nonzero(is_in(known.keys, np.sort(keys_of(own.rows, own.items)))))
        possible = possible - own.where(rules.is_allowed[own.items]).counts
    full = listed.counts >= np.minimum(rules.length, possible)
    return {
        "lists": int(np.count_nonzero(is_counted)),
        "full": int(np.count_nonzero(full & is_counted)),
        "unknown": len(listed.rows) - len(known.rows),
        "not_recommendable": int(np.count_nonzero(~rules.is_recommendable[known.items])),
        "already_bought": already,
        "repeated": len(known.rows) - len(np.unique(known.keys)),
    }
