"""Training rows from candidates and what followed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from contracts.settings import Impressions, Shares
from models.candidates import CandidateBlock
from models.impressions import Seen
from models.ragged import AnyArray, Bool, Float32, Int64, from_bytes, lists, offsets_of, rows_of, to_bytes, to_lists
from models.ranker import Examples, is_sampled
from models.sources.base import is_new
from models.user_block import UserBlock, find

_SPAN = np.int64(1) << 32
UNSEEN: Final = Seen(np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0, dtype=bool))
NO_IMPRESSIONS: Final = Impressions()
ALL: Final = Shares(1.0, 1.0)
_APART: Final = 1_000_000  # from the seeds, one a day, by which `label` draws what is stored


@dataclass(frozen=True, slots=True)
class Labelled:
    """The sampled candidates of a block, with 1 where the user bought the item in the window.

    Attributes:
        candidates: those kept.
        labels: 1 where bought.
        is_new: whether the user had not bought the item before.
        is_clicked: whether it was shown and clicked or carted in the window, and not bought.
        weights: what the row counts.
        n_shown: candidates that each user of the block was shown, kept or not, shape (n_users,).
    """

    candidates: CandidateBlock
    labels: AnyArray
    is_new: Bool
    is_clicked: Bool
    weights: Float32
    n_shown: Int64


def label(
    block: UserBlock,
    candidates: CandidateBlock,
    bought_after: pa.Array,
    *,
    shares: Shares,
    seed: int,
    seen: Seen = UNSEEN,
    wanted: Impressions = NO_IMPRESSIONS,
) -> Labelled:
    """The candidates that teach, of users who bought or clicked at least one candidate.

    Every bought and clicked candidate, and a share of the others; of a user with impressions all that was shown to no
    avail, counting for the probability of a look, and a smaller share of the unshown, which together count as much.

    Args:
        bought_after: list of item indices a user of the block bought in the window; null where none.
        shares: kept shares of the candidates that were not bought.
        seed: of the sampling hash; the window's date should be part of it.
        seen: what the users of the block were shown in the window.
        wanted: shares and gains where something was shown.
    """
    keys = candidates.rows * _SPAN + candidates.items
    is_bought = _is_bought(bought_after, keys)
    is_shown, is_liked, looked = _of_candidates(seen, keys)
    is_clicked = is_liked & ~is_bought & (wanted.click_gain > 0)
    has_log = np.bincount(seen.keys >> 32, minlength=block.n_users)[candidates.rows] > 0
    of_new = is_new(block, candidates.rows, candidates.items)
    plain = np.where(of_new, shares.new, shares.own)
    users = block.user_idx[candidates.rows].astype(np.int64)
    sampled = is_sampled(users * _SPAN + candidates.items, np.where(has_log, wanted.unshown_share, plain), seed)
    is_taken = is_bought | is_clicked
    teaches = np.bincount(candidates.rows, weights=is_taken, minlength=block.n_users)[candidates.rows] > 0
    keep = teaches & (is_taken | np.where(is_shown, ~is_liked, sampled))
    unshown = plain / wanted.unshown_share if wanted.unshown_share else 0.0
    weights = np.where(is_taken, 1.0, np.where(is_shown, looked, np.where(has_log, unshown, 1.0))).astype(np.float32)
    n_shown = np.bincount(candidates.rows, weights=is_shown, minlength=block.n_users).astype(np.int64)
    labels = is_bought[keep].astype(np.int8)
    return Labelled(candidates.take(keep), labels, of_new[keep], is_clicked[keep], weights[keep], n_shown)


def _is_bought(bought_after: pa.Array, keys: Int64) -> Bool:
    offsets, items = lists(bought_after)
    return np.asarray(find(np.unique(rows_of(offsets) * _SPAN + items), keys) >= 0)


def _of_candidates(seen: Seen, keys: Int64) -> tuple[Bool, Bool, AnyArray]:
    """Whether each candidate was shown, whether it was clicked, and the chance of a look in vain: 1 if not shown."""
    at = find(seen.keys, keys)
    is_shown = at >= 0
    if not len(seen.keys):
        return is_shown, is_shown.copy(), np.ones(len(keys))
    return is_shown, is_shown & seen.is_clicked[at], np.where(is_shown, seen.looked[at], 1.0)


def to_columns(labelled: Labelled, features: AnyArray, n_users: int, *, has_log: bool = False) -> dict[str, pa.Array]:
    """The columns of the table `examples` but its keys and fingerprint; those of the log are null without one."""
    offsets = offsets_of(labelled.candidates.rows, n_users)
    made = {
        "labels": to_lists(offsets, labelled.labels, pa.int8()),
        "is_new": to_lists(offsets, labelled.is_new, pa.bool_()),
        "features": to_bytes(offsets, features),
    }
    logged = {
        "is_clicked": to_lists(offsets, labelled.is_clicked, pa.bool_()),
        "weights": to_lists(offsets, labelled.weights, pa.float32()),
        "n_shown": pa.array(labelled.n_shown.astype(np.int32)),
    }
    return made | (logged if has_log else {name: pa.nulls(n_users, column.type) for name, column in logged.items()})


def shown(
    table: pa.Table, *, repeats: bool, kept: Shares = ALL, draw: int = 0, seed: int = 0
) -> tuple[Examples, Int64]:
    """The rows that a placement may show, of users who bought or clicked one of them; and the row of each group.

    Args:
        table: `labels`, `is_new`, `features` and, where the files have them, `is_clicked` and `weights` of the table
            `examples`, one row a user and window; with `kept` below 1 also `as_of` and `user_idx`.
        repeats: whether items bought before count.
        kept: shares of the rows that a draw takes, of those neither bought nor clicked.
        draw: from 0; as long as all draws together take no more than there is, no two take the same row.
        seed: of the draws.
    """
    offsets, labels = lists(table["labels"])
    features = from_bytes(table["features"], np.float32).reshape(len(labels), -1)
    rows = rows_of(offsets)
    is_clicked = _logged(table, "is_clicked", rows, missing=False)
    weights = _logged(table, "weights", rows, missing=1.0)
    of_new = lists(table["is_new"])[1].astype(bool)
    usable = np.ones(len(labels), dtype=bool) if repeats else of_new
    taken = labels if is_clicked is None else labels | is_clicked
    wanted = np.bincount(rows[usable], weights=taken[usable], minlength=len(offsets) - 1)
    used = usable & (wanted[rows] > 0)
    if kept != ALL:
        used &= (taken > 0) | _is_drawn(table, offsets, np.where(of_new, kept.new, kept.own), draw, seed)
    groups = np.bincount(rows[used], minlength=len(offsets) - 1)
    made = Examples(
        features=features[used],
        labels=labels[used],
        groups=groups[groups > 0],
        is_clicked=None if is_clicked is None else is_clicked[used],
        weights=None if weights is None else weights[used],
    )
    return made, np.flatnonzero(groups)


def _is_drawn(table: pa.Table, offsets: Int64, share: AnyArray, draw: int, seed: int) -> Bool:
    """True for a `share`, each row's own and others in each draw, by a hash of window, user and place alone.

    Nights thereby draw alike.
    """
    rows = rows_of(offsets)
    days = table["as_of"].cast(pa.int32()).to_numpy().astype(np.int64)
    users = table["user_idx"].to_numpy().astype(np.int64)
    places = np.arange(len(rows)) - offsets[rows]
    return np.asarray(is_sampled(users[rows] * _SPAN + places, share, seed + _APART + days[rows], nth=draw))


def _logged(table: pa.Table, name: str, rows: Int64, *, missing: float) -> AnyArray | None:
    """The flat values of a list column, `missing` in windows without a log; None where no window has one."""
    if name not in table.column_names or table[name].null_count == table.num_rows:
        return None
    values = lists(table[name].drop_null())[1]
    filled: AnyArray = np.full(len(rows), missing, dtype=np.float32 if name == "weights" else np.bool_)
    filled[table[name].is_valid().to_numpy()[rows]] = values
    return filled
