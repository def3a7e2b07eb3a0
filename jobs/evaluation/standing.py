"""Where the lists stand against every reference: cut by cut, and over all cuts together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from contracts.settings import Settings
from jobs.evaluation.measure import Measured, with_differences
from jobs.evaluation.metric_tables import NAMES, Numbers, Section
from models.bootstrap import pooled_intervals
from models.measures import FULL, MINUS, OURS, Key, Row

AHEAD: Final = "ahead"
BEHIND: Final = "behind"
NOT_APART: Final = "not apart"
POOLED: Final = "all cuts"


@dataclass(frozen=True, slots=True)
class Window:
    """One cut and what was measured on it.

    Attributes:
        cut: first day that the lists did not know.
        last: last day of the window.
        through: the last day of it that has an event.
        lists: where they were read back from.
        rows: of the table `metrics` without `as_of`.
        measured: user by user.
    """

    cut: dt.date
    last: dt.date
    through: dt.date
    lists: str
    rows: list[Row]
    measured: Measured


def pooled_rows(windows: Sequence[Window], settings: Settings) -> list[Row]:
    """NDCG at k over the full catalogue of every system that all windows have, and the paired differences to it.

    A mean is over all users of all windows, and a user is drawn with all of theirs.
    """
    metric = f"ndcg_{settings.evaluation.k}"
    columns = [_headline(window.measured, metric) for window in windows]
    common = [key for key in columns[0] if all(key in found for found in columns)]
    if len(windows) == 1 or not common:
        return []
    parts = [
        (window.measured.user_idx, window.measured.columns([found[key] for key in common]))
        for window, found in zip(windows, columns, strict=True)
    ]
    keys = with_differences(common, parts[0][1], metric)[0]
    values = [(users, with_differences(common, numbers, metric)[1]) for users, numbers in parts]
    found = pooled_intervals(values, resamples=settings.evaluation.resamples, seed=settings.seed)
    ends = zip(keys, found.means, found.lows, found.highs, found.n_users, strict=True)
    return [
        {
            "cut": windows[0].cut,
            **key._asdict(),
            "value": float(mean),
            "low": float(low),
            "high": float(high),
            "n_users": int(n_users),
        }
        for key, mean, low, high, n_users in ends
        if n_users
    ]


def _headline(measured: Measured, metric: str) -> dict[Key, int]:
    keys = measured.keys
    return {key: at for at, key in enumerate(keys) if (key.protocol, key.metric, key.segment) == (FULL, metric, None)}


def sections(windows: Sequence[Window], pooled: list[Row], settings: Settings) -> list[Section]:
    """One table a placement: each cut and reference, with the paired difference and whether it is apart from zero.

    Why one is left out stands among the facts of a report.
    """
    k = settings.evaluation.k
    header = ("cut", "users", "reference", f"its nDCG@{k}", f"ours, nDCG@{k}", "ours minus it [95 %]", "ours are")
    parts = [(window.cut.isoformat(), Numbers(window.rows), window.measured.left_out) for window in windows]
    if pooled:
        parts.append((POOLED, Numbers(pooled), {}))
    found = []
    for placement, setting in settings.placements.items():
        kind = "all" if setting.repeats and settings.shop.repeats else "new"
        rows = [row for name, numbers, gone in parts for row in _of_cut(name, numbers, gone, placement, settings)]
        title = f"{kind} items ({placement}): our lists and every reference, full catalogue"
        found.append(Section(title, header, rows))
    return found


def _of_cut(
    name: str, numbers: Numbers, left_out: dict[str, str], placement: str, settings: Settings
) -> list[tuple[str, ...]]:
    metric = f"ndcg_{settings.evaluation.k}"
    rows: list[tuple[str, ...]] = []
    for reference in settings.evaluation.references:
        gain = numbers.row(FULL, placement, MINUS + reference, metric)
        shown = NAMES[reference]
        if gain is None:
            rows.append((name, "-", shown, "-", "-", "-", "left out" if reference in left_out else "not measured"))
            continue
        texts = [numbers.text(FULL, placement, system, metric) for system in (reference, OURS)]
        apart = numbers.text(FULL, placement, MINUS + reference, metric, sign=True)
        rows.append((name, f"{gain['n_users']}", shown, *texts, apart, verdict(gain)))
    return rows


def verdict(gain: Row) -> str:
    """Whether the whole 95 % interval of a paired difference lies above zero, below it, or neither."""
    if gain["low"] > 0:
        return AHEAD
    return BEHIND if gain["high"] < 0 else NOT_APART


def sentences(windows: Sequence[Window], pooled: list[Row], settings: Settings) -> list[str]:
    """For each placement, on how many cuts the lists are ahead of every reference measured, and where not."""
    told = []
    for placement in settings.placements:
        misses = {window.cut.isoformat(): _misses(window.rows, placement, settings) for window in windows}
        if pooled:
            misses[POOLED] = _misses(pooled, placement, settings)
        n_ahead = sum(not misses[window.cut.isoformat()] for window in windows)
        where = "; ".join(f"{name}: {', '.join(found)}" for name, found in misses.items() if found)
        sentence = f"{placement}: ahead of every reference measured on {n_ahead} of {len(windows)} cuts"
        told.append(f"{sentence}, not so on {where}" if where else sentence)
    return told


def _misses(rows: list[Row], placement: str, settings: Settings) -> list[str]:
    numbers, metric = Numbers(rows), f"ndcg_{settings.evaluation.k}"
    found = []
    for reference in settings.evaluation.references:
        gain = numbers.row(FULL, placement, MINUS + reference, metric)
        if gain is not None and verdict(gain) != AHEAD:
            found.append(f"{verdict(gain)} {'of' if verdict(gain) == BEHIND else 'from'} {NAMES[reference]}")
    return [text.replace("behind of", "behind") for text in found]
