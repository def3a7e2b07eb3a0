"""What users were shown in a window, and what of it they clicked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from models.ragged import AnyArray, Bool, Int32, Int64

LAST_POSITION: Final = 100
"""Positions below it on the page count as this one."""
_SPAN: Final = np.int64(1) << 32

Float64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ShownSlots:
    """Shown slots of a block of users: an item of one snapshot, placement and channel, however often it was shown.

    Arrays are parallel, ordered by row, item, placement.

    Attributes:
        rows: row of the user.
        items: item indices.
        placements: code of the placement, a position in `names`.
        positions: the first place it was shown at, from 1.
        is_clicked: whether it was clicked, carted or bought there.
        is_randomised: whether the item was drawn for this very slot (`explored`) and stood in it.
        names: of the placements, in the order of their letters.
    """

    rows: Int64
    items: Int32
    placements: Int64
    positions: Int64
    is_clicked: Bool
    is_randomised: Bool
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of each user and item that was shown.

    Attributes:
        keys: row * 2**32 + item, ascending, unique.
        looked: probability that the user looked at it at least once, if it was never clicked.
        is_clicked: whether it was clicked, carted or bought where it was shown.
    """

    keys: Int64
    looked: Float64
    is_clicked: Bool


def read(column: pa.Array) -> ShownSlots:
    """The shown slots of a list column of structs, one value a user, null where there are none.

    Args:
        column: of `item_idx`, `list` (one number a snapshot and channel), `placement`, `position`, `is_impression`
            (else a click, a cart or a purchase), `is_randomised`. What was never told as an impression is left out.
    """
    rows = pc.list_parent_indices(column).to_numpy().astype(np.int64)
    told = column.flatten()
    coded = told.field("placement").dictionary_encode()
    names = tuple(sorted(coded.dictionary.to_pylist()))
    code = np.array([names.index(name) for name in coded.dictionary.to_pylist()], dtype=np.int64)
    placements = code[coded.indices.to_numpy(zero_copy_only=False)]
    items, of_list, positions = (_numbers(told.field(name)) for name in ("item_idx", "list", "position"))
    is_impression, is_randomised = (
        told.field(name).to_numpy(zero_copy_only=False).astype(bool) for name in ("is_impression", "is_randomised")
    )
    order = np.lexsort((of_list, placements, items, rows))
    columns = np.stack([rows, items, placements, of_list])[:, order]
    starts = np.flatnonzero(np.concatenate([[True], (np.diff(columns) != 0).any(axis=0)])[: len(rows)])
    if not len(starts):
        empty = np.zeros(0, dtype=np.int64)
        return ShownSlots(empty, empty.astype(np.int32), empty, empty, empty.astype(bool), empty.astype(bool), names)
    places = np.where(is_impression, np.minimum(positions, LAST_POSITION), LAST_POSITION + 1)
    first = np.minimum.reduceat(places[order], starts)
    clicked = np.maximum.reduceat(~is_impression[order], starts)
    drawn = np.minimum.reduceat((is_randomised | ~is_impression)[order], starts)
    kept = first <= LAST_POSITION
    at = starts[kept]
    return ShownSlots(
        columns[0, at], columns[1, at].astype(np.int32), columns[2, at], first[kept], clicked[kept], drawn[kept], names
    )


def seen(shown: ShownSlots, looked: Mapping[str, Float64]) -> Seen:
    """What each user saw of each item, over all slots that it was shown in.

    Slots are looked at independently: the probability of at least one look is 1 less the product of what is missing.

    Args:
        shown: slots of a block.
        looked: by placement, `without_click` of its examination, shape (LAST_POSITION,); one not named is looked at.
    """
    full = np.ones(LAST_POSITION)
    table = np.stack([looked.get(name, full) for name in shown.names] or [full])
    missed = 1 - table[shown.placements, shown.positions - 1]
    keys, starts = np.unique(shown.rows * _SPAN + shown.items, return_index=True)
    if not len(keys):
        return Seen(keys, np.zeros(0), np.zeros(0, dtype=bool))
    return Seen(
        keys, 1 - np.multiply.reduceat(missed, starts), np.asarray(np.maximum.reduceat(shown.is_clicked, starts))
    )


def _numbers(column: pa.Array) -> AnyArray:
    return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.int64)
