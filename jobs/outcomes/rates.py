"""What came of shown slots, by placement, channel, source and position, as rows of the table `outcome_rates`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from jobs.outcomes.shown_slots import codes
from models.outcome_rates import Rates, means, preference, shares

ALL: Final = "all"
PREFERENCE: Final = "preference"
VIEWS: Final = (
    ("placement",), ("placement", "source"), ("placement", "position"), ("placement", "channel"),
    ("placement", "channel", "source"), ("placement", "channel", "position"),
)  # fmt: skip
Row = dict[str, Any]


def rows_of(shown: pa.Table) -> list[Row]:
    """Click rate, add-to-cart, conversion, repeat purchase and dwell of every view, with intervals, in a fixed order.

    Args:
        shown: the result of `shown_slots.read` with at least one impression each.
    """
    if not shown.num_rows:
        return []
    users = codes(shown["user_id"])[0]
    made = [row for view in VIEWS for row in _of_view(shown, users, view)]
    return [*made, *_preferences(shown, users)]


def row(rates: Rates, group: int, metric: str, about: dict[str, Any], note: str = "") -> Row:
    """One row; what is not a number is null."""
    numbers = (float(rates.values[group]), float(rates.lows[group]), float(rates.highs[group]))
    value, low, high = (max(number, 0.0) if np.isfinite(number) else None for number in numbers)
    counts = {"n_slots": int(rates.n_slots[group]), "n_users": int(rates.n_users[group])}
    base = {"channel": ALL, "source": ALL, "position": 0}
    return {**base, **about, "metric": metric, "value": value, "low": low, "high": high, **counts, "note": note}


def _of_view(shown: pa.Table, users: np.ndarray, view: tuple[str, ...]) -> Iterator[Row]:
    groups, labels = _groups(shown, view)
    for metric, taken, numbers in _metrics(shown):
        measure = means if metric == "dwell_seconds" else shares
        found = measure(groups[taken], users[taken], numbers[taken], len(labels))
        for group, about in enumerate(labels):
            if found.n_slots[group]:
                yield row(found, group, metric, about)


def _metrics(shown: pa.Table) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, which slots count, and their numbers."""
    every = np.ones(shown.num_rows, dtype=bool)
    counts = {name: shown[name].to_numpy() for name in ("n_clicks", "n_carts", "n_purchases")}
    yield "ctr", every, (counts["n_clicks"] > 0).astype(np.float64)
    yield "add_to_cart", every, (counts["n_carts"] > 0).astype(np.float64)
    yield "conversion", every, (counts["n_purchases"] > 0).astype(np.float64)
    yield "repeat_purchase", counts["n_purchases"] > 0, (counts["n_purchases"] > 1).astype(np.float64)
    dwell = pc.fill_null(shown["dwell_seconds"], 0.0).to_numpy()
    yield "dwell_seconds", pc.is_valid(shown["dwell_seconds"]).to_numpy(), dwell


def _groups(shown: pa.Table, view: tuple[str, ...]) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """The group of each slot, and what each group is."""
    groups, labels = np.zeros(shown.num_rows, dtype=np.int64), [dict[str, Any]()]
    for name in view:
        own, values = codes(shown[name])
        joined, groups = np.unique(groups * len(values) + own, return_inverse=True)
        labels = [{**labels[code // len(values)], name: values[code % len(values)]} for code in joined.tolist()]
    return groups, labels


def _preferences(shown: pa.Table, users: np.ndarray) -> Iterator[Row]:
    """The preference between the teams of interleaved lists, where there are any."""
    placements, names = codes(shown["placement"])
    is_mixed = pc.equal(shown["channel"], "interleaved").to_numpy()
    is_canary = pc.fill_null(pc.equal(shown["team"], "canary"), False).to_numpy()
    for code, name in enumerate(names):
        taken = is_mixed & (placements == code)
        for metric, column in (("canary_preference_click", "n_clicks"), ("canary_preference_purchase", "n_purchases")):
            if taken.any():
                hits = (shown[column].to_numpy()[taken] > 0).astype(np.float64)
                found = preference(users[taken], is_canary[taken], hits)
                about = {"placement": name, "channel": "interleaved", "source": PREFERENCE}
                note = "" if found.n_users[0] else "no user chose an item"
                yield row(found, 0, metric, about, note)
