"""How likely users are to look at each position of a page, from what they clicked.

A click needs a look and an attractive item: the position-based model (Richardson, Dominowska and Ragno 2007). Clicks
are compared only within units whose items are alike at every position, so that attraction cancels:

- **randomised**: the explored slots of one user, whose items were drawn for the slot (result randomisation: Joachims,
  Swaminathan and Schnabel, "Unbiased learning-to-rank with biased feedback", 2017);
- **harvested**: one user and one item that snapshots of several nights showed at several positions (intervention
  harvesting: Agarwal et al., "Estimating position bias without intrusive interventions", 2019). Where an item rises
  because the user is about to click it, this overstates the fall of the examination, so randomised slots come first.

Of the weighted clicks that two positions share, each has its part in proportion to its examination: a Bradley-Terry
model, whose scores solve the moment equations of the position-based model, fitted by Hunter's minorisation (2004).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from models.impressions import LAST_POSITION, Float64, ShownSlots
from models.ragged import AnyArray, Bool, Int64

MILLIONTHS: Final = 1_000_000
MOST_ATTRACTIVE: Final = 0.99
_ROUNDS: Final = 10_000
_CLOSE: Final = 1e-9
_SPAN: Final = np.int64(1) << 32
_PLACES: Final = np.int64(128)


@dataclass(frozen=True, slots=True)
class Compared:
    """Comparable clicks of one placement and kind of unit.

    Attributes:
        wins: shape (LAST_POSITION, LAST_POSITION): clicks at the first position in units that also show the second,
            in millionths of a click, each weighted so that both positions count for equally many slots. The diagonal
            has 0.
        clicks: at each position in such units, unweighted, shape (LAST_POSITION,).
    """

    wins: Int64
    clicks: Int64


@dataclass(frozen=True, slots=True)
class Tally:
    """What is counted of one placement's shown slots; sums of blocks do not depend on their order.

    Attributes:
        randomised: comparable clicks among the explored slots of a user.
        harvested: comparable clicks among the slots of a user and item.
        n_shown: slots shown at each position, shape (LAST_POSITION,).
        n_clicked: those of them that were clicked.
    """

    randomised: Compared
    harvested: Compared
    n_shown: Int64
    n_clicked: Int64


@dataclass(frozen=True, slots=True)
class Examination:
    """The estimate of one placement.

    Attributes:
        values: probability of a look, relative to the first known position, from the limit to 1; shape
            (LAST_POSITION,).
        is_known: positions that were estimated; others have the value of the nearest one above, else below.
        clicks: comparable clicks of the known positions.
        randomised_clicks: those of them from randomised slots.
        attraction: clicks over looks, of all shown slots.
    """

    values: Float64
    is_known: Bool
    clicks: int
    randomised_clicks: int
    attraction: float

    @property
    def without_click(self) -> Float64:
        """The probability that a position was looked at though its item of mean attraction was not clicked.

        With it as the weight of a slot that was not clicked, and 1 as that of one that was, the odds of a click are
        those of the attraction, whatever the position.
        """
        return self.values * (1 - self.attraction) / (1 - self.values * self.attraction)


def tally(shown: ShownSlots, placement: int) -> Tally:
    """The counts of a block.

    Args:
        shown: slots of whole users.
        placement: code of the placement whose slots count.
    """
    mine = shown.placements == placement
    drawn = mine & shown.is_randomised
    units = shown.rows * _SPAN + shown.items
    positions, is_clicked = shown.positions[mine], shown.is_clicked[mine]
    return Tally(
        _compared(shown.rows[drawn], shown.positions[drawn], shown.is_clicked[drawn]),
        _compared(units[mine], positions, is_clicked),
        np.bincount(positions - 1, minlength=LAST_POSITION).astype(np.int64),
        np.bincount(positions[is_clicked] - 1, minlength=LAST_POSITION).astype(np.int64),
    )


def estimate(counted: Tally, *, min_clicks: int, lowest: float) -> Examination:
    """The examination of each position, all 1 where fewer than two positions can be compared.

    Two positions with enough randomised clicks are compared by these alone, any others by harvested ones.

    Args:
        counted: sums of `tally`.
        min_clicks: comparable clicks that a position needs.
        lowest: limit below which no value goes.
    """
    drawn, found = counted.randomised, counted.harvested
    is_drawn = drawn.clicks >= min_clicks
    wins = np.where(is_drawn[:, None] & is_drawn, drawn.wins, found.wins) / MILLIONTHS
    clicks = np.where(is_drawn, drawn.clicks, found.clicks)
    known = _comparable(wins, clicks, clicks >= min_clicks)
    values, is_known = np.ones(LAST_POSITION), np.zeros(LAST_POSITION, dtype=bool)
    if len(known) > 1:
        strengths = _bradley_terry(wins[np.ix_(known, known)])
        nearest = np.maximum(np.searchsorted(known, np.arange(LAST_POSITION), side="right") - 1, 0)
        values = np.clip(strengths / strengths[0], lowest, 1)[nearest]
        is_known[known] = True
    looks = float(values @ counted.n_shown)
    return Examination(
        values,
        is_known,
        clicks=int(clicks[is_known].sum()),
        randomised_clicks=int(drawn.clicks[is_known & is_drawn].sum()),
        attraction=min(float(counted.n_clicked.sum()) / max(looks, 1.0), MOST_ATTRACTIVE),
    )


def _compared(units: AnyArray, positions: AnyArray, is_clicked: Bool) -> Compared:
    cells, at, n = np.unique(units * _PLACES + positions, return_inverse=True, return_counts=True)
    y = np.bincount(at, weights=is_clicked, minlength=len(cells))
    _, unit, sizes = np.unique(cells // _PLACES, return_inverse=True, return_counts=True)
    tells = (sizes > 1) & (np.bincount(unit, weights=y, minlength=len(sizes)) > 0)
    kept = tells[unit]
    n, y, place = n[kept], y[kept], cells[kept] % _PLACES - 1
    sizes = sizes[tells]
    # Every cell beside every cell of its unit.
    width = np.repeat(sizes, sizes)
    first = np.repeat(np.arange(len(n)), width)
    begins = np.repeat(np.repeat(np.cumsum(sizes) - sizes, sizes), width)
    other = begins + np.arange(len(first)) - np.repeat(np.cumsum(width) - width, width)
    pairs = (first != other) & (y[first] > 0)
    first, other = first[pairs], other[pairs]
    shares = np.rint(y[first] * n[other] / (n[first] + n[other]) * MILLIONTHS).astype(np.int64)
    wins = np.zeros((LAST_POSITION, LAST_POSITION), dtype=np.int64)
    np.add.at(wins, (place[first], place[other]), shares)
    clicks = np.bincount(place, weights=y, minlength=LAST_POSITION).astype(np.int64)
    return Compared(wins, clicks)


def _comparable(wins: AnyArray, clicks: AnyArray, is_enough: Bool) -> Int64:
    """The positions, ascending, of the group with the most clicks in which each can be compared with each."""
    known = np.flatnonzero(is_enough)
    graph = sparse.csr_matrix((wins[np.ix_(known, known)] > 0).astype(np.int8))
    n_groups, group = csgraph.connected_components(graph, directed=True, connection="strong")
    if not n_groups:
        return known.astype(np.int64)
    best = np.argmax(np.bincount(group, weights=clicks[known], minlength=n_groups))
    return np.asarray(known[group == best], dtype=np.int64)


def _bradley_terry(wins: AnyArray) -> Float64:
    total, played = wins.sum(axis=1), wins + wins.T
    strengths = np.ones(len(wins))
    for _ in range(_ROUNDS):
        next_ = total / (played / (strengths[:, None] + strengths)).sum(axis=1)
        next_ /= next_.mean()
        if np.abs(next_ - strengths).max() < _CLOSE:
            break
        strengths = next_
    return strengths
