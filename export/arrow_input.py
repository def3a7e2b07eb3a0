"""Arrow tables and batches as the arrays that a snapshot is packed from, every value checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from contracts.errors import InputInvalid
from export.format import byte_rows
from export.format.fallbacks import FallbackList, Fallbacks
from export.format.items import Item
from export.format.manifest import EVERYONE
from export.format.packing import Columns
from export.format.records import MAX_ID_BYTES, MAX_LENGTH

LIST_COLUMNS: Final = ("item_idx", "scores", "reasons", "anchors")
MAX_ITEM_INDEX: Final = 2**31 - 2
_NO_ANCHOR: Final = 2**32 - 1
"""-1 as it is without a sign: the highest, so that one look at the lowest tells whether there is any other."""


@dataclass(frozen=True, slots=True)
class ListRows:
    """One batch of lists as arrays.

    Attributes:
        ids: UTF-8, one a row.
        names: segments in the order of their coming.
        segments: index into `names`, one a row.
    """

    ids: pa.LargeBinaryArray
    names: list[str]
    segments: npt.NDArray[np.int32]
    columns: Columns


def invalid(what: str, where: str) -> InputInvalid:
    """The error for a table that cannot be published."""
    return InputInvalid(
        what, where=where, todo="Correct the table that the snapshot is made from and run the step again."
    )


def read_lists(
    batch: pa.RecordBatch, placements: dict[str, int], known: npt.NDArray[np.bool_], n_reasons: int
) -> ListRows:
    """One batch of lists as arrays.

    Args:
        batch: columns user_id, placement, segment and the parallel lists item_idx, scores, reasons, anchors.
        placements: index by name.
        known: which item indices the dictionary has.
        n_reasons: sources there are.

    Raises:
        InputInvalid: a column is absent or null, lists of a row differ in length, or a value is out of range.
    """
    where = "top_n_lists"
    ids = _column(batch, "user_id", where).cast(pa.string()).cast(pa.large_binary())
    if byte_rows.lengths_of(ids).max(initial=0) > MAX_ID_BYTES:
        raise invalid(f"A user id is longer than {MAX_ID_BYTES} bytes", where)
    names, places = _coded(batch, "placement", where)
    if unknown := set(names) - set(placements):
        raise invalid(f"Placements without fallback lists: {sorted(unknown)}", where)
    lengths, values = _lists(batch, LIST_COLUMNS, where)
    columns = Columns(
        np.array([placements[name] for name in names], dtype=np.uint8)[places],
        lengths,
        values[0].astype(np.int32, copy=False),
        values[1] if values[1].dtype == np.float32 else values[1].astype(np.float64, copy=False),
        values[2].astype(np.int32, copy=False),
        values[3].astype(np.int32, copy=False),
    )
    _check(columns, known, n_reasons, where)
    return ListRows(ids, *_coded(batch, "segment", where), columns)


def read_fallbacks(table: pa.Table, known: npt.NDArray[np.bool_]) -> Fallbacks:
    """The fallback lists by placement and segment.

    Raises:
        InputInvalid: a placement has no list for `all`, a list comes twice or is empty, or a value is out of range.
    """
    where = "fallback_lists"
    names, segments = _texts(table, "placement", where), _texts(table, "segment", where)
    lengths, (items, scores) = _lists(table, ("item_idx", "scores"), where)
    if not _all_known(items, known) or not np.isfinite(scores).all() or (lengths == 0).any():
        raise invalid("A fallback list is empty, has an unknown item or a score that is not finite", where)
    ends = np.cumsum(lengths).tolist()
    made: Fallbacks = {}
    for name, segment, a, b in zip(names, segments, [0, *ends], ends, strict=False):
        if made.setdefault(name, {}).get(segment) is not None:
            raise invalid(f"Two lists for placement {name!r}, segment {segment!r}", where)
        made[name][segment] = FallbackList(tuple(items[a:b].tolist()), tuple(scores[a:b].tolist()))
    if not made or any(EVERYONE not in lists for lists in made.values()):
        raise invalid(f"Each placement needs a list for segment {EVERYONE!r}", where)
    return made


def read_items(table: pa.Table) -> dict[int, Item]:
    """The items by index; columns beyond the dictionary's are left out.

    Raises:
        InputInvalid: a column is absent, or an id or index is null or comes twice.
    """
    where = "items"
    names = _texts(table, "item_id", where)
    indices = _column(table, "item_idx", where).cast(pa.int64()).to_numpy()
    in_range = indices.min(initial=0) >= 0 and indices.max(initial=0) <= MAX_ITEM_INDEX
    if not in_range or len(np.unique(indices)) != len(indices):
        raise invalid("An item index is out of range or comes twice", where)
    if len(set(names)) != len(names):
        raise invalid("An item id comes twice", where)
    optional = [
        _column(table, name, where, nullable=True).cast(kind).to_pylist()
        for name, kind in (
            ("title", pa.string()),
            ("category", pa.string()),
            ("price", pa.float64()),
            ("image_url", pa.string()),
        )
    ]
    return dict(zip(indices.tolist(), map(Item, names, *optional), strict=True))


def _check(columns: Columns, known: npt.NDArray[np.bool_], n_reasons: int, where: str) -> None:
    if (columns.lengths > MAX_LENGTH).any():
        raise invalid(f"A list is longer than {MAX_LENGTH} items", where)
    if not _all_known(columns.items, known) or not _all_known_or_none(columns.anchors, known):
        raise invalid("A list has an item that the items table does not have", where)
    if _highest(columns.sources) >= n_reasons:
        raise invalid(f"A reason is not one of the {n_reasons} sources", where)


def _all_known(items: npt.NDArray[Any], known: npt.NDArray[np.bool_]) -> bool:
    return _highest(items) < len(known) and bool(known.all() or known[items].all())


def _all_known_or_none(anchors: npt.NDArray[np.int32], known: npt.NDArray[np.bool_]) -> bool:
    """Whether each is an item of the dictionary or -1."""
    if anchors.view(np.uint32).min(initial=_NO_ANCHOR) == _NO_ANCHOR:
        return True
    if anchors.min(initial=0) < -1 or anchors.max(initial=-1) >= len(known):
        return False
    return bool(known.all() or known[anchors[anchors >= 0]].all())


def _highest(values: npt.NDArray[Any]) -> int:
    """The highest of some integers, -1 for none; a negative one counts as higher than any other."""
    return int(values.view(f"u{values.itemsize}").max()) if len(values) else -1


def _column(table: pa.Table | pa.RecordBatch, name: str, where: str, *, nullable: bool = False) -> pa.Array:
    if name not in table.schema.names:
        raise invalid(f"Column {name} is missing", where)
    column = table.column(name)
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if column.null_count and not nullable:
        raise invalid(f"Column {name} has nulls", where)
    return column


def _texts(table: pa.Table | pa.RecordBatch, name: str, where: str) -> list[str]:
    texts: list[str] = _column(table, name, where).cast(pa.string()).to_pylist()
    return texts


def _coded(table: pa.RecordBatch, name: str, where: str) -> tuple[list[str], npt.NDArray[np.int32]]:
    """The different texts of a column in the order of their coming, and each row's index into them."""
    coded = _column(table, name, where).cast(pa.string()).dictionary_encode()
    names: list[str] = coded.dictionary.to_pylist()
    return names, coded.indices.to_numpy(zero_copy_only=False)


def _lists(
    table: pa.Table | pa.RecordBatch, names: Sequence[str], where: str
) -> tuple[npt.NDArray[np.int64], list[npt.NDArray[Any]]]:
    """Lengths of the rows, and each named list column flattened."""
    lengths: npt.NDArray[np.int64] | None = None
    values = []
    for name in names:
        column = _column(table, name, where)
        own = pc.list_value_length(column).to_numpy(zero_copy_only=False).astype(np.int64)
        if lengths is not None and not np.array_equal(own, lengths):
            raise invalid(f"Lists of one row differ in length: {name}", where)
        lengths = own
        flat = column.flatten()
        if flat.null_count:
            raise invalid(f"Column {name} has nulls inside its lists", where)
        values.append(flat.to_numpy(zero_copy_only=False))
    return (np.zeros(0, dtype=np.int64) if lengths is None else lengths), values
