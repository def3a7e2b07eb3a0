"""Item features as dense arrays by item index, shared by every worker through memory maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from models import artifact
from models.ragged import AnyArray, Bool, Float32, Int32

NUMBERS: Final = (
    "buyers", "buyers_7", "buyers_14", "buyers_28", "buyers_84", "first_buyers_7", "first_buyers_28",
    "buyers_last_year", "repeat_rate", "repeat_gap_days", "age_days", "price", "price_change", "line_quantity",
)  # fmt: skip
CODES: Final = ("category", "department", "brand")


@dataclass(frozen=True, slots=True)
class ItemArrays:
    """One entry an item of the vocabulary.

    Attributes:
        numbers: float32 by feature name, NaN where unknown.
        codes: int32 by attribute, dense codes of its values; -1 where unknown.
        is_recommendable: False for items that must not be in a list.
    """

    numbers: dict[str, Float32]
    codes: dict[str, Int32]
    is_recommendable: Bool

    @property
    def n_items(self) -> int:
        """Items of the vocabulary as of the date."""
        return len(self.is_recommendable)


def save(folder: Path, table: pa.Table, *, about: dict[str, object]) -> str:
    """Writes the artifact from one row an item; returns its SHA-256.

    Args:
        folder: where it goes.
        table: `item_idx` 0..n-1 in any order, the NUMBERS, the CODES as text, `is_recommendable`.
        about: facts for the manifest.
    """
    ordered = table.sort_by("item_idx")
    arrays: dict[str, AnyArray] = {
        name: ordered[name].cast(pa.float32()).to_numpy().astype(np.float32) for name in NUMBERS
    }
    for name in CODES:
        arrays[f"code_{name}"] = _codes(ordered[name])
    arrays["is_recommendable"] = ordered["is_recommendable"].to_numpy()
    return artifact.save(folder, arrays=arrays, texts={}, about={**about, "n_items": ordered.num_rows})


def load(folder: Path) -> ItemArrays:
    """The arrays, memory-mapped.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    return ItemArrays(
        numbers={name: artifact.array(folder, name) for name in NUMBERS},
        codes={name: artifact.array(folder, f"code_{name}") for name in CODES},
        is_recommendable=artifact.array(folder, "is_recommendable"),
    )


def _codes(column: pa.ChunkedArray) -> Int32:
    """Codes by the sorted distinct values, so that they do not depend on the order of rows."""
    values = column.to_pylist()
    known = {value: code for code, value in enumerate(sorted({v for v in values if v is not None}))}
    return np.array([-1 if v is None else known[v] for v in values], dtype=np.int32)
