"""What a stage measured, its ratio, and how both are shown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table

Better = Literal["peer / ours", "ours / peer"]


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One stage.

    Attributes:
        stage: its name.
        ours: median seconds of our side; bytes where `about` says so.
        peer: median seconds of the peer.
        peer_name: what the peer is.
        ratio: `peer / ours` where it must be at least the goal, `ours / peer` where it must be at most.
        ratio_is: which of the two.
        goal: the limit of the ratio.
        is_met: whether the ratio keeps to it.
        about: sizes and settings in one line.
        facts: numbers beside the times, such as how good either model is.
        versions: of Python and the libraries of both sides.
        samples: raw seconds in the order measured, `ours` and `peer`.
    """

    stage: str
    ours: float
    peer: float
    peer_name: str
    ratio: float
    ratio_is: Better
    goal: float
    is_met: bool
    about: str
    facts: dict[str, float]
    versions: dict[str, str]
    samples: dict[str, list[float]]


def seconds(work: Callable[[], object]) -> float:
    """Seconds that `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def interleave(
    ours: Callable[[], object], peer: Callable[[], object], *, repeats: int, peer_repeats: int
) -> dict[str, list[float]]:
    """Seconds of both sides, measured in turns so that a change of the machine's load meets both."""
    samples: dict[str, list[float]] = {"ours": [], "peer": []}
    for turn in range(repeats):
        samples["ours"].append(seconds(ours))
        if turn < peer_repeats:
            samples["peer"].append(seconds(peer))
    return samples


def result(
    stage: str,
    samples: dict[str, list[float]],
    *,
    peer_name: str,
    ratio_is: Better,
    goal: float,
    about: str,
    versions: dict[str, str],
    facts: dict[str, float] | None = None,
) -> Result:
    """The result of a stage from its raw seconds: medians, ratio, and whether the goal is met."""
    ours, peer = statistics.median(samples["ours"]), statistics.median(samples["peer"])
    ratio = peer / ours if ratio_is == "peer / ours" else ours / peer
    return Result(
        stage=stage, ours=ours, peer=peer, peer_name=peer_name, ratio=ratio, ratio_is=ratio_is, goal=goal,
        is_met=ratio >= goal if ratio_is == "peer / ours" else ratio <= goal, about=about, facts=facts or {},
        versions=versions, samples=samples,
    )  # fmt: skip


def write(results: Sequence[Result], path: Path) -> None:
    """The results as a JSON list in place of an earlier file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(list(results)), indent=1) + b"\n")


def _brief(seconds: float) -> str:
    """Three decimals, or where that says nothing, three digits."""
    return f"{seconds:.3f}" if seconds >= 0.1 else f"{seconds:.3g}"  # noqa: PLR2004  where digits would get lost


def show(results: Sequence[Result], console: Console) -> None:
    """A table of the results, then one line a stage about its sizes, then the versions."""
    table = Table(box=None, pad_edge=False)
    for name in ("stage", "ours s", "peer s", "ratio", "goal", "met", "peer"):
        table.add_column(name, justify="right" if name in {"ours s", "peer s", "ratio", "goal"} else "left")
    versions: dict[str, str] = {}
    for made in results:
        sign = ">=" if made.ratio_is == "peer / ours" else "<="
        table.add_row(
            made.stage, _brief(made.ours), _brief(made.peer), f"{made.ratio:.2f}", f"{sign} {made.goal:g}",
            "yes" if made.is_met else "no", made.peer_name,
        )  # fmt: skip
        versions |= made.versions
    console.print(table)
    for made in results:
        facts = "".join(f"; {name} {value:.3f}" for name, value in made.facts.items())
        console.print(f"{made.stage}: {made.about}; {made.ratio_is}{facts}", highlight=False, soft_wrap=True)
    console.print(", ".join(f"{name} {version}" for name, version in sorted(versions.items())), soft_wrap=True)
