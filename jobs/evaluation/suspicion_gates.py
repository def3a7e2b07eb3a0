"""Gates on what is too good to be true: something of the future is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from contracts.settings import Settings
from jobs.evaluation.gates import Gate
from jobs.evaluation.metric_tables import Numbers
from models.measures import FULL, OURS, Row, main_reference

LEAST_REFERENCE: Final = 0.01
"""A reference below this is taken for it: a gain over next to nothing says nothing."""


def suspicion_gates(rows: Iterable[Row], settings: Settings) -> list[Gate]:
    """Three gates a placement, red above their limits: AUC, NDCG at k, and the latter over the naive reference's.

    What was not measured is not suspected: other gates hold a night without metrics.

    Args:
        rows: of the table `metrics`, of one night.
        settings: the limits.
    """
    numbers, wanted, metric = Numbers(rows), settings.gates.suspicion, f"ndcg_{settings.evaluation.k}"
    gates = []
    for name, placement in settings.placements.items():
        reference = main_reference(repeats=placement.repeats and settings.shop.repeats)
        auc, ndcg = (numbers.row(FULL, name, OURS, told) for told in ("auc", metric))
        theirs = numbers.row(FULL, name, reference, metric)
        if auc is not None:
            gates.append(_at_most("too_good_auc", name, auc["value"], wanted.max_auc, "full catalogue"))
        if ndcg is not None:
            gates.append(_at_most(f"too_good_{metric}", name, ndcg["value"], wanted.max_ndcg, "full catalogue"))
        if ndcg is not None and theirs is not None:
            gain = ndcg["value"] / max(theirs["value"], LEAST_REFERENCE)
            note = f"{metric} over that of {reference}, full catalogue"
            gates.append(_at_most("too_good_gain", name, gain, wanted.max_gain, note))
    return gates


def _at_most(name: str, placement: str, value: float, limit: float, note: str) -> Gate:
    return Gate(
        name=name,
        placement=placement,
        value=value,
        limit=limit,
        level="green" if value <= limit else "red",
        note=note if value <= limit else f"{note}; look for a feature that knows the future",
    )
