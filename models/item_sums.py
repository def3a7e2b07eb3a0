"""Per-item totals over users' pairs, added up block by block."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from models.histories import Pairs

WINDOWS_DAYS: Final = {"buyers_7": 7, "buyers_14": 14, "buyers_28": 28, "buyers_84": 84}
FIRST_DAYS: Final = {"first_buyers_7": 7, "first_buyers_28": 28}
NAMES: Final = ("buyers", *WINDOWS_DAYS, *FIRST_DAYS, "repeaters", "gaps", "span_days", "first_day")
PAIR_COLUMNS: Final = ("item_idx", "baskets", "quantities", "first_days", "last_days")
_NO_DAY: Final = np.iinfo(np.int64).max


class Totals:
    """Running totals; memory grows with the highest item index only."""

    def __init__(self) -> None:
        """No pairs yet."""
        self._sums = {name: np.zeros(0, dtype=np.int64) for name in NAMES}

    def add(self, pairs: Pairs, *, today: int) -> None:
        """Adds a block of pairs, of which PAIR_COLUMNS are read, known as of day `today` (days since 1970-01-01)."""
        bought = pairs.take(pairs.is_bought)
        self._grow(int(bought.item_idx.max(initial=-1)) + 1)
        size = len(self._sums["buyers"])
        repeated = bought.baskets > 1
        weights: dict[str, Any] = {
            "buyers": None,
            "repeaters": repeated,
            "gaps": bought.baskets - 1,
            "span_days": bought.last_days - bought.first_days,
        }
        for name, days in WINDOWS_DAYS.items():
            weights[name] = today - bought.last_days < days
        for name, days in FIRST_DAYS.items():
            weights[name] = today - bought.first_days < days
        for name, values in weights.items():
            counted = np.bincount(bought.item_idx, weights=values, minlength=size)
            self._sums[name] += counted.astype(np.int64)
        np.minimum.at(self._sums["first_day"], bought.item_idx, bought.first_days.astype(np.int64))

    def columns(self) -> dict[str, pa.Array]:
        """`item_idx` and the totals of the items with at least one buyer."""
        items = np.flatnonzero(self._sums["buyers"])
        return {
            "item_idx": pa.array(items, pa.int32()),
            **{name: pa.array(self._sums[name][items], pa.int64()) for name in NAMES},
        }

    def _grow(self, size: int) -> None:
        missing = size - len(self._sums["buyers"])
        if missing > 0:
            for name in NAMES:
                fill = _NO_DAY if name == "first_day" else 0
                self._sums[name] = np.concatenate([self._sums[name], np.full(missing, fill, dtype=np.int64)])
