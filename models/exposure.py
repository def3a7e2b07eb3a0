"""How many lists showed each item, counted block by block and kept as an artifact."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from models import artifact
from models.ragged import Int64, lists, rows_of

Float64 = npt.NDArray[np.float64]
_PLACEMENTS = "placements.json"


class Exposure:
    """Running counts by placement; memory grows with the highest item index only."""

    def __init__(self, k: int) -> None:
        """Nothing counted yet; the first `k` places of a list count as shown."""
        self._k = k
        self._counts: dict[str, Int64] = {}
        self._lists: dict[str, int] = {}

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds lists: columns `placement` and `item_idx` (best first)."""
        offsets, items = lists(batch.column("item_idx"))
        rows = rows_of(offsets)
        shown = np.arange(len(rows)) - offsets[rows] < self._k
        names = batch.column("placement").cast(pa.string()).dictionary_encode()
        codes = names.indices.to_numpy(zero_copy_only=False)
        for code, name in enumerate(names.dictionary.to_pylist()):
            counted = np.bincount(items[shown & (codes[rows] == code)]).astype(np.int64)
            before = self._counts.get(name, np.zeros(0, dtype=np.int64))
            total = np.zeros(max(len(counted), len(before)), dtype=np.int64)
            total[: len(before)] += before
            total[: len(counted)] += counted
            self._counts[name] = total
            self._lists[name] = self._lists.get(name, 0) + int((codes == code).sum())

    def rows(self) -> Iterator[pa.RecordBatch]:
        """`placement`, `item_idx` and `lists` of the items that were shown, a batch a placement."""
        for name, counts in sorted(self._counts.items()):
            (shown,) = np.nonzero(counts)
            columns = {
                "placement": pa.array([name] * len(shown), pa.string()),
                "item_idx": pa.array(shown, pa.int32()),
                "lists": pa.array(counts[shown], pa.int64()),
            }
            yield pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))

    def save(self, folder: Path, *, about: dict[str, Any]) -> str:
        """Writes the artifact; returns its SHA-256."""
        names = sorted(self._counts)
        matrix = np.zeros((len(names), max((len(self._counts[n]) for n in names), default=0)), dtype=np.int32)
        for row, name in enumerate(names):
            matrix[row, : len(self._counts[name])] = self._counts[name]
        known = {name: [row, self._lists[name]] for row, name in enumerate(names)}
        return artifact.save(
            folder, arrays={"counts": matrix}, texts={_PLACEMENTS: json.dumps(known, sort_keys=True)}, about=about
        )


def reach(folder: Path, placement: str, n_items: int) -> Float64:
    """Share of the placement's lists that showed each item, shape (n_items,); 0 where nothing was counted.

    Raises:
        ArtifactCorrupt: a file is absent or unreadable.
    """
    row, n_lists = json.loads(artifact.text(folder, _PLACEMENTS)).get(placement, (0, 0))
    found = np.zeros(n_items, dtype=np.float64)
    if n_lists:
        counts = artifact.array(folder, "counts")[row][:n_items]
        found[: len(counts)] = counts / n_lists
    return found
