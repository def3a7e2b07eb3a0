"""The success thresholds under every protocol, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from contracts.settings import Settings, Thresholds
from jobs.evaluation.gates import Gate
from jobs.evaluation.metric_tables import Numbers, Section
from models.measures import FULL, OURS, WITHIN, Row
from models.protocols import ALL_UNIFORM, HARD, NEW, OWN, UNIFORM

WORDS: Final = {
    FULL: "full catalogue",
    WITHIN: "candidate set",
    OWN: "candidate set, own items only",
    NEW: "candidate set, new items only",
    HARD: "1 positive + 99 candidates",
    UNIFORM: "1 positive + 99 uniform",
    ALL_UNIFORM: "all positives + 99 uniform",
}
"""What each protocol is called where people read it."""
METRICS: Final = {"ndcg_5": "nDCG@5", "auc": "AUC, mean per user", "auc_pooled": "AUC, pooled"}


def threshold_rows(rows: Iterable[Row], settings: Settings) -> list[dict[str, Any]]:
    """Rows of the table `thresholds` without `as_of`: every placement, protocol and metric that was measured."""
    told = list(rows)
    numbers, cut = Numbers(told), next((row["cut"] for row in told), None)
    wanted, made = settings.gates.thresholds, []
    for placement in settings.placements:
        for protocol in WORDS:
            for metric in METRICS:
                row = numbers.row(protocol, placement, OURS, metric)
                if row is None:
                    continue
                asked = wanted.ndcg_5 if metric == "ndcg_5" else wanted.auc
                made.append(
                    {"cut": cut, "placement": placement, "protocol": protocol, "metric": metric}
                    | {name: row[name] for name in ("value", "low", "high", "n_users")}
                    | {"threshold": asked, "is_reached": row["value"] >= asked}
                    | {"is_gated": (protocol, metric) in _gated(wanted) and placement in _placements(settings)}
                )
    return made


def threshold_gates(rows: Iterable[dict[str, Any]], settings: Settings) -> list[Gate]:
    """A gate for each gated threshold: yellow where it is missed, or red where the settings say so.

    Args:
        rows: of the table `thresholds`, of one night.
        settings: the thresholds and their protocols.
    """
    wanted, gates = settings.gates.thresholds, []
    by_key = {(row["placement"], row["protocol"], row["metric"]): row for row in rows}
    for placement in _placements(settings):
        for protocol, metric in _gated(wanted):
            asked = wanted.ndcg_5 if metric == "ndcg_5" else wanted.auc
            row = by_key.get((placement, protocol, metric))
            is_met = row is not None and row["value"] >= asked
            gates.append(
                Gate(
                    name=f"success_{metric}_{protocol}",
                    placement=placement,
                    value=None if row is None else row["value"],
                    limit=asked if wanted.is_red else None,
                    warns_at=None if wanted.is_red else asked,
                    level="green" if is_met else "red" if wanted.is_red else "yellow",
                    note=f"protocol: {WORDS[protocol]}",
                )
            )
    return gates


def section(rows: Iterable[dict[str, Any]]) -> Section:
    """A table for people: where each threshold is reached and where not, no number without its protocol's name."""
    told = list(rows)
    by_key = {(row["placement"], row["protocol"], row["metric"]): row for row in told}
    places = list(dict.fromkeys((row["placement"], row["protocol"]) for row in told))
    cells = [
        (f"{placement}: {WORDS[protocol]}", *[_cell(by_key.get((placement, protocol, metric))) for metric in METRICS])
        for placement, protocol in places
    ]
    asked = {METRICS[row["metric"]]: row["threshold"] for row in told}
    title = "success thresholds, * gated: " + ", ".join(f"{name} >= {value:g}" for name, value in asked.items())
    return Section(title, ("placement: protocol", *METRICS.values()), cells)


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "-"
    return f"{row['value']:.3f} {'reached' if row['is_reached'] else 'missed'}{' *' if row['is_gated'] else '  '}"


def _gated(wanted: Thresholds) -> tuple[tuple[str, str], ...]:
    return ((wanted.ndcg_protocol, "ndcg_5"), (wanted.auc_protocol, "auc"))


def _placements(settings: Settings) -> list[str]:
    return list(settings.gates.thresholds.placements or settings.placements)
