"""What a page is made of: sections of sentences, tables, plots and people. Texts are escaped where they are shown."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

Tone = Literal["", "good", "warn", "bad", "quiet"]
MARKS: Final[dict[str, str]] = {"good": "✓", "warn": "!", "bad": "✕", "quiet": "○", "": ""}
"""Beside every colour a mark: nothing is told by a colour alone."""
NUMBER: Final = re.compile(r"[-+]?[\d.,]+( to [\d.,]+)?%?( [▲▼]+)?|\[.*\]")
LONG: Final = 36
"""Letters from which a cell needs room."""
DASH: Final = "\u2013"
"""Of what was not measured."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what stands in it.
        small: smaller, below it, such as an interval.
        tone: its colour, which a mark goes with.
        heat: of a heat map, from -3 (far below the reference) to 3.
    """

    text: str
    small: str = ""
    tone: Tone = ""
    heat: int | None = None

    @property
    def mark(self) -> str:
        """The mark of its tone."""
        return MARKS[self.tone]

    @property
    def classes(self) -> str:
        """How it looks: its tone, and its place in a heat map."""
        heat = "" if not self.heat else f"{'up' if self.heat > 0 else 'down'}{abs(self.heat)}"
        return " ".join(filter(None, (self.tone, heat)))


@dataclass(frozen=True, slots=True)
class Table:
    """A table; the first cell of a row is its header.

    Attributes:
        caption: what it shows, with protocol and unit.
        header: column names.
        rows: cells, all rows as wide as the header.
        is_folded: whether it opens when it is asked for; on paper it is open.
    """

    caption: str
    header: tuple[str, ...]
    rows: Sequence[tuple[Cell, ...]]
    is_folded: bool = False
    kind: Literal["table"] = "table"

    @property
    def columns(self) -> list[str]:
        """How each column looks: `long` with long texts, `words` with others, else of numbers."""
        return [_look([row[at].text for row in self.rows]) for at in range(len(self.header))]


def _look(texts: list[str]) -> str:
    if any(len(text) > LONG for text in texts):
        return "long"
    told = [text for text in texts if text not in ("", DASH)]
    return "words" if told and not any(NUMBER.fullmatch(text) for text in told) else ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A plot: inline SVG that says in words what it shows, and a caption."""

    svg: str
    caption: str
    kind: Literal["figure"] = "figure"


@dataclass(frozen=True, slots=True)
class Spark:
    """One number over the last nights, as a line.

    Attributes:
        name: what it is, with its protocol.
        value: of the last night.
        about: interval and n.
        points: of the polyline, in a box of 100 by 24, each run of nights without a gap.
        words: what the line shows.
    """

    name: str
    value: str
    about: str
    points: list[str]
    words: str
    last: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Sparks:
    """Some of them."""

    sparks: list[Spark]
    kind: Literal["sparks"] = "sparks"


@dataclass(frozen=True, slots=True)
class Shown:
    """An item in a list: id and title; whether it was both listed and bought."""

    item_id: str
    title: str
    is_hit: bool


@dataclass(frozen=True, slots=True)
class Person:
    """One user: what was listed, what was bought."""

    user_id: str
    about: str
    listed: list[Shown]
    taken: list[Shown]
    n_more: int


@dataclass(frozen=True, slots=True)
class People:
    """Some users under one title."""

    title: str
    people: list[Person]
    kind: Literal["people"] = "people"


@dataclass(frozen=True, slots=True)
class Text:
    """A sentence or some."""

    text: str
    tone: Tone = ""
    kind: Literal["text"] = "text"

    @property
    def mark(self) -> str:
        """The mark of its tone."""
        return MARKS[self.tone]


Block = Table | Figure | Sparks | People | Text


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a page.

    Attributes:
        key: its anchor.
        title: its heading.
        lead: what it answers, in a sentence.
        blocks: in order.
        absent: why there is nothing to show; empty where there is.
    """

    key: str
    title: str
    lead: str
    blocks: Sequence[Block] = field(default_factory=list)
    absent: str = ""


def interval(low: float | None, high: float | None, form: str = ".3f") -> str:
    """The interval as text, empty where there is none."""
    return "" if low is None or high is None else f"[{low:{form}}, {high:{form}}]"


def number(value: float | None, form: str = ".3f", *, low: float | None = None, high: float | None = None) -> Cell:
    """A value with its interval below it; a dash where it was not measured."""
    if value is None:
        return Cell(DASH)
    return Cell(f"{value:{form}}", small=interval(low, high, form))


def count(n: int | None) -> Cell:
    """A count, thousands apart."""
    return Cell(DASH if n is None else f"{n:,}")
