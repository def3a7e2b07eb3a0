"""Hand-made snapshots that are compared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from export.stores.mapped import MappedReader
from tests.stores.conftest import build_snapshot
from tests.stores.tables import row

JAM, MILK, BREAD, TEA, PEAR = 2, 1, 0, 3, 5
BEFORE: Final = [
    row("ann", [JAM, MILK, BREAD]),
    row("bob", [TEA]),
    row("cat", [MILK, JAM]),
    row("dan", [BREAD, MILK]),
]
AFTER: Final = [
    row("ann", [JAM, MILK, BREAD]),
    row("bob", [TEA, PEAR]),
    row("cat", [JAM, MILK]),
    row("eve", [BREAD]),
]
N_TWENTY: Final = 20
TWENTY: Final = [f"user-{i:02d}" for i in range(N_TWENTY)]
FORTY_ITEMS: Final = pa.table({
    "item_idx": pa.array(range(40), pa.int32()), "item_id": [f"item-{i:02d}" for i in range(40)],
    "title": [f"Item {i}" for i in range(40)], "category": ["even", "odd"] * 20,
    "price": [float(i) for i in range(40)], "image_url": [None] * 40,
})  # fmt: skip
Open = Callable[..., MappedReader]


def opener(folder: Path) -> Open:
    """Builds snapshots of the hand-made shop below `folder` and opens them."""

    def run(rows: Sequence[dict[str, Any]], **other: Any) -> MappedReader:
        directory = folder / f"built-{len(list(folder.iterdir()))}"
        build_snapshot(directory, rows=rows, **other)
        return MappedReader(directory)

    return run


def twenty(shift: int = 0) -> list[dict[str, Any]]:
    """Twenty users with two items each that nobody else has; the lists joined to users `shift` places further."""
    lists = [[2 * i, 2 * i + 1] for i in range(N_TWENTY)]
    return [row(user, lists[(i + shift) % N_TWENTY]) for i, user in enumerate(TWENTY)]
