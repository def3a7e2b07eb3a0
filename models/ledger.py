"""The recall ledger: what each source finds of what users bought next, and what the ranker leaves of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from contracts.settings import Segments
from models.measures import OURS, SOURCE, UNION
from models.ragged import AnyArray, Bool, Int32, Int64
from models.rankings import Ranking, Truth, is_in, keys_of

COUNTS: Final = ("n_users", "n_targets", "n_found", "n_alone", "n_reachable", "n_proposed")


@dataclass(frozen=True, slots=True)
class Proposed:
    """What was proposed to a block of users, ordered by (row, item).

    Attributes:
        rows: the user's row.
        items: item index.
        bits: bit s is set when source s proposed the item.
        bought: sorted keys of the items that the users bought before.
        n_rows: users.
    """

    rows: Int64
    items: Int32
    bits: Int32
    bought: Int64
    n_rows: int


def systems(sources: tuple[str, ...], places: tuple[int, ...]) -> list[tuple[str, int]]:
    """System and places of each column of `count`."""
    proposing = [(SOURCE + source, 0) for source in sources] + [(UNION, 0)]
    return proposing + [(OURS, n) for n in places]


def count(
    proposed: Proposed, shown: Ranking, truth: Truth, *, n_sources: int, places: tuple[int, ...], is_new_only: bool
) -> Int64:
    """Counts of each user and system, shape (n_rows, n_sources + 1 + len(places), len(COUNTS)), in their order.

    A target is found by a source that proposed it, alone when no other source did. Users without a target count
    nothing. What is reachable of all that was proposed is what was found.

    Args:
        proposed: candidates of the users.
        shown: the list of one placement.
        truth: what counts for it.
        n_sources: width of the bits.
        places: of the list, one system each.
        is_new_only: what was bought before is no proposal.
    """
    keys = keys_of(proposed.rows, proposed.items)
    keep = ~is_in(keys, proposed.bought) if is_new_only else np.ones(len(keys), dtype=bool)
    rows, bits, hit = proposed.rows[keep], proposed.bits[keep], is_in(keys[keep], truth.keys)
    counts = np.zeros((proposed.n_rows, n_sources + 1 + len(places), len(COUNTS)), dtype=np.int64)

    def total(where: Bool) -> Int64:
        return np.bincount(rows[where], minlength=proposed.n_rows).astype(np.int64)

    for position in range(n_sources):
        has = (bits >> position & 1) == 1
        found = total(has & hit)
        counts[:, position, 2:] = _columns(found, total((bits == 1 << position) & hit), found, total(has))
    found = total(hit)
    counts[:, n_sources, 2:] = _columns(found, np.zeros_like(found), found, total(np.ones_like(hit)))
    counts[:, n_sources + 1 :, 2:] = _of_lists(shown, truth, found, places)
    counts[:, :, 0] = 1
    counts[:, :, 1] = truth.counts[:, None]
    counts[truth.counts == 0] = 0
    return counts


def segments(names: list[str], n_baskets: AnyArray, known: list[str], limits: Segments) -> dict[str, Bool]:
    """Which rows belong to each segment: users by their baskets and `limits`, and the `known` segments of the shop."""
    baskets = np.nan_to_num(np.asarray(n_baskets, dtype=np.float64))
    chosen = {
        "users:new": baskets <= limits.new_baskets,
        "users:light": (baskets > limits.new_baskets) & (baskets <= limits.light_baskets),
        "users:heavy": baskets > limits.light_baskets,
    }
    shop = np.array(names, dtype=object)
    return chosen | {f"segment:{name}": shop == name for name in known}


@dataclass(frozen=True, slots=True)
class Loss:
    """Where the targets of one placement went, each a share of them; they sum to 1.

    Attributes:
        found: in the list.
        not_proposed: no source brought them.
        ranked_low: brought, and would have fitted into the list.
        no_room: brought, and more than the list has places.
    """

    found: float
    not_proposed: float
    ranked_low: float
    no_room: float

    @property
    def verdict(self) -> str:
        """`retrieval` or `ranking`, whichever loses more; `neither` where nothing is lost."""
        if max(self.not_proposed, self.ranked_low) <= 0:
            return "neither"
        return "retrieval" if self.not_proposed >= self.ranked_low else "ranking"


def loss(*, targets: int, proposed: int, reachable: int, found: int) -> Loss:
    """Where `targets` went: `proposed` of them by any source, `reachable` places for these, `found` in the list.

    What a list holds beside its candidates can find more than these could; nothing is then ranked low.
    """
    n = max(targets, 1)
    low = max(reachable - found, 0)
    crowded = max(proposed - max(reachable, found), 0)
    return Loss(found / n, max(targets - max(proposed, found), 0) / n, low / n, crowded / n)


def _columns(found: Int64, alone: Int64, reachable: Int64, proposed: Int64) -> Int64:
    return np.stack([found, alone, reachable, proposed], axis=1)


def _of_lists(shown: Ranking, truth: Truth, proposed: Int64, places: tuple[int, ...]) -> Int64:
    hit = is_in(shown.keys, truth.keys)
    columns = []
    for n in places:
        inside = shown.positions < n
        found = np.bincount(shown.rows[inside & hit], minlength=shown.n_rows).astype(np.int64)
        columns.append(_columns(found, np.zeros_like(found), np.minimum(proposed, n), np.minimum(shown.counts, n)))
    return np.stack(columns, axis=1)
