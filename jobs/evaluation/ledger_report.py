"""The recall ledger of a night, for a person: which source earns its place, and what to mend."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import msgspec

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from jobs import lake
from models.ledger import Loss, loss
from models.measures import OURS, SOURCE, UNION

LedgerRow = dict[str, Any]  # one row of the table `recall_ledger`, without `as_of`
COLUMNS: Final = tuple(name for name in tables.RECALL_LEDGER.column_names if name != "as_of")


class SourceLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one source found.

    Attributes:
        recall: share of the targets that it proposed.
        alone: share that no other source proposed.
        per_user: items it proposed to a user.
        cpu_seconds: of its proposals for all users measured; None where it was not metered.
    """

    source: str
    recall: float
    alone: float
    per_user: float
    cpu_seconds: float | None


class SegmentLine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the targets of some users went; shares of them.

    Attributes:
        segment: None for all users.
        ceiling: proposed by any source.
        at_k: in the first k places of the list.
        in_list: in the whole list.
    """

    segment: str | None
    n_users: int
    n_targets: int
    ceiling: float
    at_k: float
    in_list: float
    not_proposed: float
    ranked_low: float
    no_room: float
    mend: str


class PlacementLedger(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of one placement.

    Attributes:
        targets: `all` or `new`.
        k: first places looked at.
        length: of the lists.
        sentence: what to mend, and why.
    """

    targets: str
    k: int
    length: int
    sentence: str
    sources: list[SourceLine]
    segments: list[SegmentLine]


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of one night."""

    as_of: dt.date
    cut: dt.date
    placements: dict[str, PlacementLedger]


def read(layout: Layout, as_of: dt.date | None) -> Ledger:
    """The ledger of a date, or of the newest there is.

    Raises:
        InputMissing: there is none.
    """
    dates = lake.dates(layout, tables.RECALL_LEDGER)
    day = as_of or max(dates, default=None)
    if day is None or day not in dates:
        raise InputMissing(
            f"There is no recall ledger{f' as of {as_of}' if as_of else ''}.",
            where=str(layout.table(tables.RECALL_LEDGER)),
            todo="Run `larder evaluate` for a date; it needs two past windows.",
        )
    rows = [row for batch in lake.batches(layout, tables.RECALL_LEDGER, day, COLUMNS) for row in batch.to_pylist()]
    return of_rows(rows, as_of=day)


def of_rows(rows: list[LedgerRow], *, as_of: dt.date) -> Ledger:
    """The ledger of the rows of one night."""
    placements = sorted({row["placement"] for row in rows}, key=lambda name: (_targets(rows, name), name))
    made = {name: _placement([row for row in rows if row["placement"] == name]) for name in placements}
    return Ledger(as_of=as_of, cut=rows[0]["cut"], placements=made)


def _targets(rows: list[LedgerRow], placement: str) -> str:
    return str(next(row["targets"] for row in rows if row["placement"] == placement))


def _placement(rows: list[LedgerRow]) -> PlacementLedger:
    places = sorted({row["places"] for row in rows if row["system"] == OURS})
    names = sorted({row["segment"] for row in rows if row["segment"] is not None})
    named: list[str | None] = [None, *[f"users:{kind}" for kind in ("new", "light", "heavy")]]
    ordered = [name for name in named if name is None or name in names] + [n for n in names if n not in named]
    lines = [line for name in ordered if (line := _segment(rows, name, places[0], places[-1])) is not None]
    sources = [_source(row) for row in rows if row["segment"] is None and row["system"].startswith(SOURCE)]
    return PlacementLedger(
        targets=rows[0]["targets"],
        k=places[0],
        length=places[-1],
        sentence=_sentence(lines[0], places[-1]) if lines else "Nobody in the window bought a target.",
        sources=sorted(sources, key=lambda line: (-line.recall, line.source)),
        segments=lines,
    )


def _source(row: LedgerRow) -> SourceLine:
    targets, users = max(row["n_targets"], 1), max(row["n_users"], 1)
    return SourceLine(
        source=row["system"].removeprefix(SOURCE),
        recall=row["n_found"] / targets,
        alone=row["n_alone"] / targets,
        per_user=row["n_proposed"] / users,
        cpu_seconds=row["cpu_seconds"],
    )


def _segment(rows: list[LedgerRow], segment: str | None, k: int, length: int) -> SegmentLine | None:
    by_system = {(row["system"], row["places"]): row for row in rows if row["segment"] == segment}
    union, short, whole = by_system[UNION, 0], by_system[OURS, k], by_system[OURS, length]
    n = union["n_targets"]
    if not n:
        return None
    lost: Loss = loss(targets=n, proposed=union["n_found"], reachable=whole["n_reachable"], found=whole["n_found"])
    return SegmentLine(
        segment=segment,
        n_users=union["n_users"],
        n_targets=n,
        ceiling=union["n_found"] / n,
        at_k=short["n_found"] / n,
        in_list=lost.found,
        not_proposed=lost.not_proposed,
        ranked_low=lost.ranked_low,
        no_room=lost.no_room,
        mend=lost.verdict,
    )


def _sentence(line: SegmentLine, length: int) -> str:
    told = (
        f"of 100 items bought {100 * line.not_proposed:.1f} were proposed by no source, "
        f"{100 * line.ranked_low:.1f} were proposed and ranked below place {length}, "
        f"{100 * line.in_list:.1f} are in the list"
    )
    if line.mend == "neither":
        return f"Nothing is lost: {told}."
    return f"Mend {line.mend}: {told}."
