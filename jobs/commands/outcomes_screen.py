"""The screen of `larder outcomes`."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from contracts.report import JobReport
from jobs.commands.plain import plain

ALL: Final = "all"
RATES: Final = ("ctr", "add_to_cart", "conversion", "repeat_purchase", "dwell_seconds")
KEY_WIDTH: Final = 44
RATE_WIDTH: Final = 14
SHOWN_POSITIONS: Final = 12
METHODS: Final = ("logged", "snips", "doubly_robust")
Row = dict[str, Any]


def show_outcomes(console: Console, report: JobReport) -> None:
    """For each placement its rates by channel, source and position, then the estimates and the preference."""
    about = report.details
    if "feed" in about:
        console.print(f"{about['first_day']} to {about['last_day']}: {about['feed']}")
        return
    console.print(
        f"{about['first_day']} to {about['last_day']}: {report.rows['shown_slots']:,} shown slots, "
        f"{report.rows['never_shown']:,} outcomes without an impression left out; 95 % intervals"
    )
    for placement, rows in groupby(sorted(about["rows"], key=_placement), key=_placement):
        own = list(rows)
        console.print()
        console.rule(f"[bold]{plain(placement)}[/]", align="left", style="dim")
        _show_rates(console, own)
        _show_estimates(console, own)
        for row in own:
            if row["source"] == "preference":
                text = _number(row) if row["value"] is not None else row["note"]
                name = row["metric"].replace("_", " ")
                console.print(f"{name}: {text} of {row['n_users']:,} users (0.5: no preference)", markup=False)


def _placement(row: Row) -> str:
    return str(row["placement"])


def _show_rates(console: Console, rows: list[Row]) -> None:
    """As many rates beside each other as are read without a cut number, the others below."""
    at_once = max(1, (console.width - KEY_WIDTH) // RATE_WIDTH)
    for at in range(0, len(RATES), at_once):
        console.print(_rates(rows, RATES[at : at + at_once]))


def _rates(rows: list[Row], rates: tuple[str, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("channel", "source", "position"):
        table.add_column(name)
    for name in ("slots", *rates):
        table.add_column(name.replace("_", " "), justify="right")
    cells: dict[tuple[str, str, int], dict[str, Row]] = {}
    for row in rows:
        if row["metric"] in {"ctr", *rates}:
            cells.setdefault((row["channel"], row["source"], row["position"]), {})[row["metric"]] = row
    for (channel, source, position), found in _ordered(cells):
        texts = [_number(found[name]) if name in found else "-" for name in rates]
        table.add_row(channel, source, str(position or ALL), f"{found['ctr']['n_slots']:,}", *texts)
    return table


def _ordered(cells: dict[tuple[str, str, int], dict[str, Row]]) -> Iterable[tuple[tuple[str, str, int], Any]]:
    """Everything, then channels, sources and positions; one channel alone is not told apart from all."""
    n_channels = len({channel for channel, _, _ in cells if channel != ALL})
    kept = {key: value for key, value in cells.items() if n_channels > 1 or key[0] == ALL}
    shown = {key: value for key, value in kept.items() if key[2] <= SHOWN_POSITIONS}
    return sorted(shown.items(), key=lambda entry: (entry[0][0] != ALL, entry[0][0], entry[0][2], entry[0][1] != ALL))


def _show_estimates(console: Console, rows: list[Row]) -> None:
    found = {(row["metric"], row["source"]): row for row in rows}
    names = [metric for metric, source in found if source == "snips"]
    if not names:
        return
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1))
    for name in ("other policy", *METHODS, "overlap", "support", "effective slots"):
        table.add_column(name.replace("_", " "), justify="left" if name == "other policy" else "right")
    for name in names:
        facts = [found[f"{name}_{fact}", ALL]["value"] for fact in ("overlap", "support", "effective_slots")]
        told = [f"{facts[0]:.3f}", f"{facts[1]:.3f}", f"{facts[2]:,.0f}"]
        refusal = found[name, "snips"]["note"]
        numbers = [_number(found[name, "logged"])]
        numbers += [f"refused: {refusal}", "-"] if refusal else [_number(found[name, m]) for m in METHODS[1:]]
        table.add_row(plain(name), *map(plain, numbers), *told)
    console.print(table)


def _number(row: Row) -> str:
    if row["value"] is None:
        return "-"
    digits = 1 if row["metric"] == "dwell_seconds" else 4
    value, low, high = (None if row[n] is None else f"{row[n]:.{digits}f}" for n in ("value", "low", "high"))
    return f"{value}" if low is None else f"{value} [{low}, {high}]"
