"""What a candidate source is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from models.ragged import Bool, Float32, Int32, Int64, top_within
from models.user_block import UserBlock


@dataclass(frozen=True, slots=True)
class Proposals:
    """Items proposed to the users of a block, flat.

    Attributes:
        rows: the user's row.
        items: item index; a (row, item) occurs once.
        ranks: from 1 inside the row, 1 is best.
    """

    rows: Int64
    items: Int32
    ranks: Int64


class Scorer(Protocol):
    """One opinion of candidates. Adding one is a module here and a line in `models.sources.registry`."""

    def score(self, block: UserBlock, rows: Int64, items: Int32) -> Float32:
        """The score of each (row, item), rows ascending; NaN where nothing is known. Higher is better."""
        ...


class Source(Scorer, Protocol):
    """One way to find candidates: a scorer that proposes items too, added in the same way."""

    def propose(self, block: UserBlock, n: int) -> Proposals:
        """At most `n` allowed items for each user."""
        ...


def best(rows: Int64, items: Int32, scores: Float32, n: int) -> Proposals:
    """The `n` best of each row, ties by lower item index."""
    return Proposals(*top_within(rows, scores, items, n))


def nothing() -> Proposals:
    """No proposals."""
    none = np.zeros(0, dtype=np.int64)
    return Proposals(rows=none, items=none.astype(np.int32), ranks=none)


def is_new(block: UserBlock, rows: Int64, items: Int32) -> Bool:
    """True where the user has not bought the item."""
    return block.bought_position(rows, items) < 0
