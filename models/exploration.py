"""Slots drawn from under-exposed items, with the exact probability of what stands in each.

The policy, for one user and placement: every open slot tosses a coin of its own, and an explored one draws uniformly
from a pool of its own. Pools are disjoint and hold nothing of the list, and nothing moves to another slot, so that
slots are independent and each probability is a product of two known numbers: logged propensities are exact by
construction, with no simulation and no conditioning on other slots (the item-position model of Li et al., "Offline
evaluation of ranking policies with click models", 2018).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.ragged import Bool, Float32, Int32, Int64, offsets_of
from models.rerank import Lists

_SPAN: Final = np.int64(1) << 32
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_UNIT: Final = 2.0**-53

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a placement explores.

    Attributes:
        share: probability that an open slot is explored, if its pool holds anything.
        first_slot: first open slot, from 1.
        last_slot: last open slot.
        floor: quantile of a user's candidates below which nothing is explored.
        items_per_slot: largest pool.
        reason: the reason of an explored entry.
        key: of the draws; `draw_key` makes it.
    """

    share: float
    first_slot: int
    last_slot: int
    floor: float
    items_per_slot: int
    reason: int
    key: int


@dataclass(frozen=True, slots=True)
class Explored:
    """Lists after exploration; arrays are parallel to the entries.

    Attributes:
        lists: as they will be served; an explored slot keeps the score of the entry that it replaces, so that the
            scores of a list still descend.
        usual: the item that stands there without exploration.
        propensities: probability that this item stands in this slot.
    """

    lists: Lists
    usual: Int32
    propensities: Float32


def draw_key(seed: int, day: int, placement: str) -> int:
    """A 64-bit key of the draws of one placement and night; other seeds, days and placements give other draws."""
    name = f"{seed}\n{day}\n{placement}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=8).digest(), "little")


def draws(key: int, users: Int32, slots: Int64) -> Float64:
    """A number in [0, 1) for each user and slot: the same for the same key, uniform and independent over both.

    Two rounds of SplitMix64's finaliser (Steele, Lea and Flood, 2014) over the key, the user and the slot.
    """
    with np.errstate(over="ignore"):
        mixed = _mixed(np.uint64(key) + users.astype(np.uint64) * _GOLDEN)
        mixed = _mixed(mixed + slots.astype(np.uint64) * _GOLDEN)
    return np.asarray((mixed >> np.uint64(11)).astype(np.float64) * _UNIT)


def explore(
    made: Lists, candidates: Lists, users: Int32, is_open: Bool, policy: Policy, is_fixed: Bool | None = None
) -> Explored:
    """The lists with explored slots, and what the policy makes of each slot.

    Args:
        made: finished lists, ordered by row, then best first.
        candidates: all that may be shown to each row, ordered by row, then best first.
        users: user index of each row, shape (n_rows,).
        is_open: by item index, True for new and under-exposed items.
        policy: of the placement.
        is_fixed: by item index, True for items whose slot is never explored; none fixes nothing.
    """
    offsets = offsets_of(made.rows, len(users))
    slots = np.arange(len(made.rows)) - offsets[made.rows] + 1
    n_open = np.clip(np.diff(offsets), 0, policy.last_slot) - (policy.first_slot - 1)
    pool = _pools(made, candidates, np.maximum(n_open, 0), is_open, policy)
    is_slot_open = (slots >= policy.first_slot) & (slots <= policy.last_slot)
    if is_fixed is not None:
        is_slot_open &= ~is_fixed[made.items]
    nth_slot = np.where(is_slot_open, slots - policy.first_slot, 0)
    n_items = np.where(is_slot_open, pool.size_of(made.rows, nth_slot), 0)
    drawn = draws(policy.key, users[made.rows], slots)
    is_explored = (n_items > 0) & (drawn < policy.share)
    # One number decides both: below the share it is uniform over the pool.
    nth_item = np.minimum((drawn / max(policy.share, _UNIT) * n_items).astype(np.int64), np.maximum(n_items - 1, 0))
    items, reasons = made.items.copy(), made.reasons.copy()
    at = np.flatnonzero(is_explored)
    items[at] = pool.item(made.rows[at], nth_slot[at], nth_item[at])
    reasons[at] = policy.reason
    chance = np.where(n_items == 0, 1.0, np.where(is_explored, policy.share / np.maximum(n_items, 1), 1 - policy.share))
    return Explored(Lists(made.rows, items, made.scores, reasons), made.items, chance.astype(np.float32))


@dataclass(frozen=True, slots=True)
class _Pools:
    """Items dealt to the open slots of each row like cards: the n-th goes to slot n modulo the open slots.

    Attributes:
        offsets: of the rows in `items`, shape (n_rows + 1,).
        n_open: open slots of each row.
    """

    items: Int32
    offsets: Int64
    n_open: Int64

    def size_of(self, rows: Int64, nth_slot: Int64) -> Int64:
        """Items in the pool of each row's n-th open slot, from 0."""
        dealt = np.diff(self.offsets)[rows]
        n_open = np.maximum(self.n_open[rows], 1)
        return np.asarray(np.maximum(dealt - nth_slot + n_open - 1, 0) // n_open)

    def item(self, rows: Int64, nth_slot: Int64, nth_item: Int64) -> Int32:
        """The n-th item of the pool of each row's n-th open slot."""
        return self.items[self.offsets[rows] + nth_item * self.n_open[rows] + nth_slot]


def _pools(made: Lists, candidates: Lists, n_open: Int64, is_open: Bool, policy: Policy) -> _Pools:
    n_rows = len(n_open)
    starts = offsets_of(candidates.rows, n_rows)
    rank = np.arange(len(candidates.rows)) - starts[candidates.rows]
    is_good = rank < np.ceil(np.diff(starts) * (1 - policy.floor))[candidates.rows]
    listed = np.sort(made.rows * _SPAN + made.items)
    keys = candidates.rows * _SPAN + candidates.items
    place = np.minimum(np.searchsorted(listed, keys), max(len(listed) - 1, 0))
    is_listed = listed[place] == keys if len(listed) else np.zeros(len(keys), dtype=bool)
    eligible = candidates.take(is_good & ~is_listed & is_open[candidates.items])
    first = offsets_of(eligible.rows, n_rows)
    nth = np.arange(len(eligible.rows)) - first[eligible.rows]
    dealt = eligible.take(nth < n_open[eligible.rows] * policy.items_per_slot)
    return _Pools(dealt.items, offsets_of(dealt.rows, n_rows), n_open)


def _mixed(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return np.asarray(value ^ (value >> np.uint64(31)))
