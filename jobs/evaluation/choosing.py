"""Which lists a night publishes: the two-stage ones, or those of one source that they do not beat."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import ArtifactCorrupt
from contracts.layout import Layout
from contracts.settings import Settings
from export.durable import replace_bytes
from jobs.evaluation.metric_tables import Numbers
from models.measures import FULL, MINUS, OURS, SOURCE, Row

NOT_HELD_OUT: Final = "nothing was held out"


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What one placement publishes.

    Attributes:
        placement: its name.
        system: `two_stage`, or the name of a source.
        source: the best single source of the holdout; None where none was measured.
        value: NDCG at k of the two-stage lists minus that of the source, mean over users.
        low: lower end of its 95 % interval.
        high: upper end.
        note: in words.
    """

    placement: str
    system: str
    source: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    note: str = NOT_HELD_OUT


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """What every placement of one night publishes."""

    as_of: dt.date
    placements: tuple[Choice, ...]

    @property
    def systems(self) -> dict[str, str]:
        """The system of each placement."""
        return {choice.placement: choice.system for choice in self.placements}

    @property
    def unearned(self) -> list[Choice]:
        """Placements whose two-stage lists did not earn their keep."""
        return [choice for choice in self.placements if choice.system != OURS]


def choose(rows: list[Row], settings: Settings, *, as_of: dt.date) -> Choices:
    """The choice of each placement, from the holdout's metrics; without any the two-stage lists are published.

    They earn their keep where the whole 95 % interval of their paired difference to their best source is above zero.
    With `gates.unearned = "hold"` or `gates.beat_best_source = false` they are published in any case.

    Args:
        rows: of the table `metrics`, of one cut.
        settings: placements, sources and gates.
        as_of: the night.
    """
    numbers = Numbers(rows)
    return Choices(as_of=as_of, placements=tuple(_choice(numbers, name, settings) for name in settings.placements))


def _choice(numbers: Numbers, placement: str, settings: Settings) -> Choice:
    metric = f"ndcg_{settings.evaluation.k}"
    found = [(s, numbers.row(FULL, placement, MINUS + SOURCE + s, metric)) for s in settings.candidates.sources]
    measured = [(row["value"], source, row) for source, row in found if row is not None]
    if not measured:
        return Choice(placement=placement, system=OURS)
    value, source, row = min(measured, key=lambda entry: (entry[0], entry[1]))
    low = value if row["low"] is None else row["low"]
    high = value if row["high"] is None else row["high"]
    gates = settings.gates
    is_replaced = gates.beat_best_source and gates.unearned == "publish_source" and low <= 0
    note = f"{metric} of the two-stage lists minus that of source {source}, 95 % of it from {low:.4f} to {high:.4f}"
    return Choice(
        placement=placement,
        system=source if is_replaced else OURS,
        source=source,
        value=value,
        low=low,
        high=high,
        note=f"{note}; the lists of source {source} are published" if is_replaced else note,
    )


def path_of(layout: Layout, as_of: dt.date) -> Path:
    """The file of a night's choices."""
    return layout.root / "choices" / f"{as_of.isoformat()}.json"


def write(layout: Layout, made: Choices) -> Path:
    """Writes the file of a night in place of an earlier one; returns its path."""
    path = path_of(layout, made.as_of)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_bytes(path, msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n")
    return path


def read(layout: Layout, as_of: dt.date) -> Choices | None:
    """The choices of a night; None where its holdout was not evaluated.

    Raises:
        ArtifactCorrupt: the file cannot be read.
    """
    path = path_of(layout, as_of)
    if not path.is_file():
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Choices)
    except msgspec.DecodeError as error:
        raise ArtifactCorrupt(
            f"The choices of {as_of} cannot be read: {error}",
            where=str(path),
            todo=f"Run `larder evaluate --as-of {as_of}` again; it replaces the file.",
        ) from error
