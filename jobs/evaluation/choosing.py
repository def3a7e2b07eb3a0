"""Which lists a night publishes: the two-stage ones, or those of a simpler source that they do not beat."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import ArtifactCorrupt
from contracts.layout import Layout
from contracts.settings import Settings
from export.durable import replace_bytes
from models.contest import Contest
from models.measures import OURS

NOT_HELD_OUT: Final = "nothing was held out"
SIMPLEST_FIRST: Final = (
    "popular", "segment", "trend", "arrivals", "own",
    "category", "content", "last_basket", "covisit", "als_long", "als",
)  # fmt: skip


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """What one placement publishes.

    Attributes:
        placement: its name.
        system: `two_stage`, or the name of a source.
        source: the one published instead, else the best single source; None where none was measured.
        value: NDCG at k of the two-stage lists minus that of the source, mean over users of all windows held out.
        low: lower end of its 95 % interval.
        high: upper end.
        n_users: users measured, each counted once; 0 where none was.
        n_windows: past windows held out.
        note: in words.
    """

    placement: str
    system: str
    source: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    n_users: int = 0
    n_windows: int = 0
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


def choose(contests: Mapping[str, Contest], settings: Settings, *, as_of: dt.date, n_windows: int = 0) -> Choices:
    """The choice of each placement; without a contest the two-stage lists are published.

    The simplest system wins until another beats it by a whole 95 % interval above zero, then the simplest of those, and
    so on. The two-stage lists earn their keep where they beat what they take the place of. The sources are measured as
    they would be published: what popularity proposes, what the segment buys, own items and then popular ones, and the
    others, each filled up with popular items.
    With `gates.unearned = "hold"` or `gates.beat_best_source = false` the two-stage lists are published in any case.

    Args:
        contests: by placement, of the sources' names and the two-stage lists.
        settings: placements and gates.
        as_of: the night.
        n_windows: past windows that the contests are over.
    """
    made = [_choice(contests.get(name), name, settings, n_windows) for name in settings.placements]
    return Choices(as_of=as_of, placements=tuple(made))


def _choice(contest: Contest | None, placement: str, settings: Settings, n_windows: int) -> Choice:
    outcome = contest.outcome() if contest is not None else None
    if contest is None or outcome is None:
        return Choice(placement=placement, system=OURS)
    rivals = [name for name in outcome.means if name != OURS]
    if not rivals or OURS not in outcome.means:
        return Choice(placement=placement, system=OURS)
    is_earned = outcome.winner == OURS
    source = max(rivals, key=lambda name: outcome.means[name]) if is_earned else outcome.winner
    gap = contest.difference(OURS, source)
    gates = settings.gates
    is_replaced = gates.beat_best_source and gates.unearned == "publish_source" and not is_earned
    note = (
        f"ndcg_{settings.evaluation.k} of the two-stage lists minus that of source {source}, 95 % of it from "
        f"{gap.low:.4f} to {gap.high:.4f}, {gap.n_users} users of {n_windows} window{'s' if n_windows > 1 else ''}"
    )
    return Choice(
        placement=placement,
        system=source if is_replaced else OURS,
        source=source,
        value=gap.value,
        low=gap.low,
        high=gap.high,
        n_users=gap.n_users,
        n_windows=n_windows,
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
