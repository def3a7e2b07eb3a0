"""Plots as inline SVG: the same numbers give the same bytes, and colours follow the page, light or dark."""

from __future__ import annotations

import html
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from warnings import catch_warnings, filterwarnings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS: Final = {
    "#010101": "var(--ink)",
    "#020202": "var(--muted)",
    "#030303": "var(--line)",
    "#040404": "var(--first)",
    "#050505": "var(--second)",
    "#060606": "var(--paper)",
}
"""Colours no plot has otherwise, and what the page's style makes of them."""
INK, MUTED, LINE, FIRST, SECOND, PAPER = COLOURS
WIDTH_INCHES: Final = 4.9
MARKERS: Final = ("o", "s", "^", "D", "v", "P")
STYLES: Final = ("-", "--", "-.", ":")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: its name, its length, the part of it that is hatched, and what stands at its end."""

    name: str
    value: float
    part: float
    text: str
    is_total: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One line: points (x, value, low, high), low and high None where there is no interval."""

    name: str
    points: list[tuple[float, float, float | None, float | None]]


def bars(key: str, words: str, rows: Sequence[Bar], *, label: str) -> str:
    """Horizontal bars, the first on top; the hatched part stands at their left."""
    figure, axes = _figure(0.6 + 0.27 * len(rows))
    places = [-at for at in range(len(rows))]
    for place, bar in zip(places, rows, strict=True):
        axes.barh(place, bar.value, height=0.66, color=SECOND if bar.is_total else FIRST, linewidth=0)
        if bar.part:
            axes.barh(place, bar.part, height=0.66, facecolor="none", edgecolor=PAPER, hatch="/////", linewidth=0)
        axes.annotate(
            bar.text, (bar.value, place), xytext=(4, 0), textcoords="offset points", va="center", color=INK, fontsize=8
        )
    axes.set_yticks(places, [_short(bar.name) for bar in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_xlim(0, max([bar.value for bar in rows], default=1) * 1.22 or 1)
    axes.set_xlabel(label)
    return _svg(figure, key, words)


def against_diagonal(
    key: str, words: str, series: Sequence[tuple[str, list[tuple[float, float]]]], *, labels: tuple[str, str]
) -> str:
    """Points of each series on logarithmic axes with the line of equal values; points at 0 are left out."""
    figure, axes = _figure(3.6)
    known = [[(x, y) for x, y in points if x > 0 and y > 0] for _, points in series]
    ends = [value for points in known for point in points for value in point] or [0.01, 1.0]
    low, high = min(ends) * 0.7, max(ends) * 1.4
    axes.plot([low, high], [low, high], color=MUTED, linewidth=1, linestyle="--", label="as foreseen")
    looks = ((FIRST, "o", FIRST), (SECOND, "s", "none"))
    for (name, _), points, (colour, marker, face) in zip(series, known, looks, strict=False):
        axes.plot(
            [x for x, _ in points], [y for _, y in points], color=colour, marker=marker, markersize=5,
            markerfacecolor=face, linewidth=1, label=name,
        )  # fmt: skip
    axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), xlabel=labels[0], ylabel=labels[1])
    _legend(axes, columns=1)
    return _svg(figure, key, words)


def cloud(
    key: str, words: str, points: Sequence[tuple[float, float]], named: Sequence[tuple[str, float, float]],
    *, labels: tuple[str, str],
) -> str:  # fmt: skip
    """Points with a few of them named."""
    figure, axes = _figure(3.3)
    axes.scatter([x for x, _ in points], [y for _, y in points], s=14, color=FIRST, alpha=0.55, linewidths=0)
    for at, (name, x, y) in enumerate(named):
        axes.scatter([x], [y], s=70, marker=("D", "o")[at % 2], color=SECOND, edgecolors=PAPER, zorder=3)
        axes.annotate(
            name, (x, y), xytext=(-8, 8 if at % 2 else -13), textcoords="offset points", color=INK, ha="right",
            weight="bold", fontsize=8,
        )  # fmt: skip
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.margins(0.08)
    return _svg(figure, key, words)


def trend(key: str, words: str, lines: Sequence[Line], *, days: int, label: str, limit: float | None = None) -> str:
    """Lines over the days of a month with their intervals, each with a marker and a dash of its own."""
    figure, axes = _figure(2.5)
    if limit is not None:
        axes.axhline(limit, color=SECOND, linewidth=1, linestyle=(0, (1, 1.5)), label=f"limit {limit:g}")
    axes.axhline(0, color=MUTED, linewidth=0.8)
    for at, line in enumerate(lines):
        marker, style = MARKERS[at % len(MARKERS)], STYLES[at % len(STYLES)]
        shift = (at - (len(lines) - 1) / 2) * 0.12
        x = [day + shift for day, *_ in line.points]
        axes.plot(
            x, [value for _, value, *_ in line.points], color=(FIRST, INK)[at % 2], marker=marker, markersize=4,
            linestyle=style, linewidth=1.2, label=_short(line.name),
        )  # fmt: skip
        ends = [(a, low, high) for a, (_, _, low, high) in zip(x, line.points, strict=True) if low is not None]
        axes.vlines(
            [a for a, *_ in ends], [low for _, low, _ in ends], [high or 0.0 for *_, high in ends],
            color=(FIRST, INK)[at % 2], linewidth=0.9, alpha=0.6,
        )  # fmt: skip
    axes.set(xlabel="day of the month", ylabel=label, xlim=(0.3, days + 0.7))
    axes.set_xticks(range(1, days + 1, 3))
    _legend(axes, columns=2)
    return _svg(figure, key, words)


def polyline(values: Sequence[float | None], *, width: float = 100.0, height: float = 24.0) -> list[str]:
    """Points of each run of values without a gap, spread over a box; a run of one has its point twice."""
    known = [value for value in values if value is not None]
    if not known:
        return []
    low, span = min(known), (max(known) - min(known)) or math.inf
    runs: list[list[str]] = [[]]
    for at, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        x = width * at / max(len(values) - 1, 1)
        y = height * (0.5 if span == math.inf else 1 - (value - low) / span)
        runs[-1].append(f"{x:.1f},{y:.1f}")
    return [" ".join(run if len(run) > 1 else run * 2) for run in runs if run]


def _figure(height: float) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=INK, labelsize=8, which="both")
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(INK)
        axis.label.set_fontsize(9)
    axes.grid(color=LINE, linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def _legend(axes: Axes, *, columns: int) -> None:
    axes.legend(
        fontsize=8, labelcolor=INK, frameon=False, ncols=columns, loc="lower left", bbox_to_anchor=(0, 1.0),
        borderaxespad=0.3,
    )  # fmt: skip


def _short(name: str, longest: int = 26) -> str:
    """A name that fits beside an axis, with nothing that matplotlib would read as mathematics."""
    plain = "".join(c if c.isprintable() else " " for c in name).replace("$", r"\$")
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _svg(figure: Figure, key: str, words: str) -> str:
    """The figure as an element of the page, its ids made unique by the key."""
    import matplotlib as mpl

    target = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": key, "svg.fonttype": "none", "hatch.linewidth": 0.9}), catch_warnings():
        filterwarnings("ignore", message="Glyph")  # the browser has fonts for letters that the measuring font lacks
        figure.savefig(target, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = target.getvalue()
    body = text[text.index("<svg") :]
    body = re.sub(r"<(metadata|style)\b.*?</\1>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{key}-", body)
    body = re.sub(r"font-family: [^;\"]+; ?", "", body)  # the font of the page
    for colour, variable in COLOURS.items():
        body = body.replace(colour, variable)
    head = f'<svg role="img" aria-labelledby="{key}-words" '
    title = f'<title id="{key}-words">{html.escape(words)}</title>'
    body = re.sub(
        r'<svg ([^>]*?)(?:height|width)="[^"]*pt"([^>]*?)(?:height|width)="[^"]*pt"', r"<svg \1\2", body, count=1
    )
    opened = body.index(">") + 1
    return head + body[len("<svg ") : opened] + title + body[opened:]
