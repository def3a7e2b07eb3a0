"""Measured numbers as tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from models.measures import FULL, MINUS, OURS, SOURCE, UNION, WITHIN, Key, Plan, Row

NAMES: Final = {
    OURS: "two-stage lists",
    "personal_then_popular": "own items, then popular",
    "popular": "popular, last 28 days",
    "cosine": "items near own ones, cosine",
    "ease": "EASE^R",
    "als_alone": "ALS alone",
    "tifuknn": "TIFUKNN",
    "last_week": "last week's lists",
    UNION: "all sources together",
}


@dataclass(frozen=True, slots=True)
class Section:
    """One table: a title, column names and cells as text, all rows of the same width."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]


class Numbers:
    """Rows of `metrics` by what they are."""

    def __init__(self, rows: Iterable[Row]) -> None:
        """Rows of one cut."""
        self._rows = {Key(r["protocol"], r["placement"], r["system"], r["metric"], r["segment"]): r for r in rows}

    def row(self, protocol: str, placement: str, system: str, metric: str, segment: str | None = None) -> Row | None:
        """The row, None where it was not measured."""
        return self._rows.get(Key(protocol, placement, system, metric, segment))

    def text(self, protocol: str, placement: str, system: str, metric: str, *, sign: bool = False) -> str:
        """The value as text with its interval where it has one; a dash where it was not measured."""
        row = self.row(protocol, placement, system, metric)
        if row is None:
            return "-"
        form = "{:+.3f}" if sign else "{:.3f}"
        if row["low"] is None or not metric.startswith("ndcg"):
            return form.format(row["value"])
        return f"{form} [{form}, {form}]".format(row["value"], row["low"], row["high"])


def sections(rows: Iterable[Row], plan: Plan) -> list[Section]:
    """Three tables a placement: both protocols, and what each source finds."""
    numbers = Numbers(rows)
    found: list[Section] = []
    for placement, repeats in plan.placements:
        where = f"{'all' if repeats else 'new'} items ({placement})"
        found += [
            _full(numbers, plan, placement, where),
            _within(numbers, plan, placement, where),
            _sources(numbers, plan, placement, where),
        ]
    return [section for section in found if section.rows]


def as_text(parts: Iterable[Section]) -> str:
    """Aligned columns for a terminal."""
    lines: list[str] = []
    for part in parts:
        widths = [max(len(row[i]) for row in [part.header, *part.rows]) for i in range(len(part.header))]
        lines += [part.title, _line(part.header, widths), "  ".join("-" * width for width in widths)]
        lines += [_line(row, widths) for row in part.rows]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def as_markdown(title: str, facts: Iterable[str], parts: Iterable[Section]) -> str:
    """A page with the facts as a list and one table a section."""
    lines = [f"# {title}", "", *[f"- {fact}" for fact in facts], ""]
    for part in parts:
        lines += [f"## {part.title}", "", "| " + " | ".join(part.header) + " |"]
        lines.append("|" + "|".join(["---", *["---:"] * (len(part.header) - 1)]) + "|")
        lines += ["| " + " | ".join(row) + " |" for row in part.rows]
        lines.append("")
    return "\n".join(lines)


def _systems(numbers: Numbers, plan: Plan, placement: str) -> list[tuple[str, str]]:
    """Systems and their names; a source that found nothing, such as own items where only new ones show, is left out."""
    named = [(system, NAMES[system]) for system in (OURS, *plan.references)]
    return named + [(SOURCE + source, f"source {source}") for source in _useful(numbers, plan, placement)]


def _useful(numbers: Numbers, plan: Plan, placement: str) -> list[str]:
    found = [(source, numbers.row(FULL, placement, SOURCE + source, "recall_ceiling")) for source in plan.sources]
    return [source for source, row in found if row is None or row["value"] > 0]


def _full(numbers: Numbers, plan: Plan, placement: str, where: str) -> Section:
    k = plan.k
    columns = [f"ndcg_{k}", "ndcg_5", f"capped_recall_{k}", f"hit_rate_{k}", "auc", f"coverage_{k}", f"novelty_{k}"]
    header = (
        "system", f"nDCG@{k} [95 %]", "nDCG@5 [95 %]", f"recall@{k}, capped", f"hit rate@{k}", "AUC", "coverage",
        "novelty, bits", f"two-stage minus it, nDCG@{k}",
    )  # fmt: skip
    rows = []
    for system, name in _systems(numbers, plan, placement):
        if numbers.row(FULL, placement, system, f"ndcg_{k}") is None:
            continue
        cells = [numbers.text(FULL, placement, system, column) for column in columns]
        gain = numbers.text(FULL, placement, MINUS + system, f"ndcg_{k}", sign=True) if system != OURS else ""
        rows.append((name, *cells, gain))
    return Section(_title(numbers, FULL, placement, where, k, "full catalogue"), header, rows)


def _within(numbers: Numbers, plan: Plan, placement: str, where: str) -> Section:
    k = plan.k
    columns = [f"ndcg_{k}", "ndcg_5", f"hit_rate_{k}", "auc"]
    rows = [
        (name, *[numbers.text(WITHIN, placement, system, column) for column in columns])
        for system, name in _systems(numbers, plan, placement)
        if numbers.row(WITHIN, placement, system, f"ndcg_{k}") is not None
    ]
    header = ("system", f"nDCG@{k} [95 %]", "nDCG@5 [95 %]", f"hit rate@{k}", "AUC")
    return Section(_title(numbers, WITHIN, placement, where, k, "candidate set"), header, rows)


def _sources(numbers: Numbers, plan: Plan, placement: str, where: str) -> Section:
    rows: list[tuple[str, ...]] = [
        (
            name,
            numbers.text(FULL, placement, system, "recall_ceiling"),
            numbers.text(FULL, placement, system, "unique_share"),
        )
        for system, name in [
            (UNION, NAMES[UNION]),
            *[(SOURCE + source, source) for source in _useful(numbers, plan, placement)],
        ]
        if numbers.row(FULL, placement, system, "recall_ceiling") is not None
    ]
    header = ("source", "share of purchases proposed", "proposed by it alone")
    return Section(f"{where}: what the sources find", header, rows)


def _title(numbers: Numbers, protocol: str, placement: str, where: str, k: int, words: str) -> str:
    row = numbers.row(protocol, placement, OURS, f"ndcg_{k}")
    return f"{where}: {words}, K = {k}, {row['n_users'] if row else 0} users"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *[cell.rjust(width) for cell, width in others]]).rstrip()
