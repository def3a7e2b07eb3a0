"""Gates on what changes for the users: a night that lies too far from what is served."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any, Final

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.settings import Changes
from jobs import lake
from jobs.evaluation.gates import Gate, Level

LIMITS: Final = {
    "top5_changed": "max_top5_changed",
    "overlap_median": "min_overlap_median",
    "overlap_p10": "min_overlap_p10",
    "fallback_growth": "max_fallback_growth",
    "users_gone": "max_users_gone",
    "items_moved": "max_items_moved",
}
"""The limit of each number of the table `changes` that has one."""
OF_LISTS: Final = {"top5_changed", "overlap_median", "overlap_p10", "items_moved"}
"""What changes with everybody's lists, where those of another system are published."""
COLUMNS: Final = ("channel", "placement", "metric", "value", "before", "after")
CHANNEL: Final = "stable"
FIRST: Final = "the first night: nothing is served yet"
NEW: Final = "a new placement: {} has none of this name"

Row = dict[str, Any]


def change_gates(rows: list[Row], placements: list[str], limits: Changes) -> Iterator[Gate]:
    """The gates of each placement, then whether one is gone.

    A first night and a new placement have nothing to be compared with: green, and labelled so. Where a placement has
    no user in both snapshots, its gates are red. Where the lists are of another system than those served, a source's
    instead of the two-stage ones or the reverse, what changes with all lists is yellow at most: the switch was decided.

    Args:
        rows: of the table `changes`, of one night; those of the shadow are left out.
        placements: names, in the order of the settings.
        limits: yellow and red.
    """
    stable = [row for row in rows if row["channel"] == CHANNEL]
    before = stable[0]["before"] if stable else ""
    for placement in placements:
        values = {row["metric"]: row["value"] for row in stable if row["placement"] == placement}
        if set(values) <= {"users_both"}:
            note = NEW.format(before) if before else FIRST
            yield Gate(name="changes", placement=placement, value=None, limit=None, level="green", note=note)
        else:
            yield from _of_placement(placement, values, limits, f"against {before}")
    gone = next((row["value"] for row in stable if row["metric"] == "placements_gone"), 0.0)
    if gone:
        note = f"placements of {before} that the night has no lists for: who reads them gets an error"
        yield Gate(
            name="placements_gone", placement="", value=gone, limit=None, warns_at=0.0, level="yellow", note=note
        )


def _of_placement(placement: str, values: Mapping[str, float | None], limits: Changes, note: str) -> Iterator[Gate]:
    for name, setting in LIMITS.items():
        yellow, red = getattr(limits, setting)
        value = values.get(name)
        level = level_of(value, yellow=yellow, red=red, is_floor=setting.startswith("min_"))
        about = note
        if level == "red" and name in OF_LISTS and value is not None and values.get("system_changed"):
            level, about = "yellow", f"{note}, whose lists were of another system"
        yield Gate(name=name, placement=placement, value=value, limit=red, warns_at=yellow, level=level, note=about)


def level_of(value: float | None, *, yellow: float, red: float, is_floor: bool) -> Level:
    """The verdict on a share; without one red, unless the red limit is one that nothing can break."""
    if value is None:
        return "green" if red == (0.0 if is_floor else 1.0) else "red"
    distance = -1.0 if is_floor else 1.0
    if distance * value > distance * red:
        return "red"
    return "yellow" if distance * value > distance * yellow else "green"


def rows_of(layout: Layout, as_of: dt.date, snapshot: str) -> list[Row]:
    """The rows of the table `changes` of a date, which are of the staged `snapshot`.

    Raises:
        InputMissing: there are none, or they are of another one.
    """
    rows: list[Row] = []
    for batch in lake.batches(layout, tables.CHANGES, as_of, COLUMNS):
        rows += batch.to_pylist()
    of = {row["after"] for row in rows if row["channel"] == CHANNEL}
    if of != {snapshot}:
        raise InputMissing(
            f"The changes as of {as_of} are of {', '.join(sorted(of)) or 'nothing'}, but {snapshot} is staged.",
            where=str(layout.table(tables.CHANGES)),
            todo=f"Run `larder changes --as-of {as_of}`, then the gates.",
        )
    return rows
