"""The settings' rules as of a date, with the items that they are about."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from contracts.rules_section import MinMargin, Pin, Rule, TargetRule
from models.ragged import Float32, Int32

COLUMNS = {"items": "item_id", "categories": "category", "brands": "brand"}


@dataclass(frozen=True, slots=True)
class ResolvedRule:
    """A rule that holds on the date.

    Attributes:
        items: indices of the items that it is about, ascending.
        unknown: ids, categories and brands that no item of the date has.
    """

    rule: Rule
    items: Int32
    unknown: tuple[str, ...]


def resolve(rules: tuple[Rule, ...], catalogue: DataFrame, margins: Float32, *, as_of: dt.date) -> list[ResolvedRule]:
    """The rules that hold on a date, in the order of the settings.

    Only the items that some rule names leave the catalogue.

    Args:
        rules: of the settings.
        catalogue: `item_idx`, `item_id`, `category`, `brand` as of the date.
        margins: by item index, NaN where unknown.
        as_of: the date.
    """
    held = [rule for rule in rules if rule.holds(as_of)]
    wanted = {field: sorted({name for rule in held for name in _names(rule, field)}) for field in COLUMNS}
    condition = F.lit(False)
    for field, column in COLUMNS.items():
        if wanted[field]:
            condition = condition | F.col(column).isin(wanted[field])
    named = any(wanted.values())
    found = catalogue.where(condition).select("item_idx", *COLUMNS.values()).toArrow() if named else None
    return [_resolved(rule, found, margins) for rule in held]


def _resolved(rule: Rule, found: pa.Table | None, margins: Float32) -> ResolvedRule:
    if isinstance(rule, MinMargin):
        lower = np.nan_to_num(margins, nan=np.inf) < rule.margin
        return ResolvedRule(rule, np.flatnonzero(lower).astype(np.int32), ())
    items: list[np.ndarray] = [np.zeros(0, dtype=np.int32)]
    unknown: list[str] = []
    for field, column in COLUMNS.items():
        names = _names(rule, field)
        if names and found is not None:
            matching = found.filter(pc.is_in(found[column], pa.array(names, pa.string())))
            items.append(matching["item_idx"].to_numpy())
            unknown += sorted(set(names) - set(matching[column].to_pylist()))
    return ResolvedRule(rule, np.unique(np.concatenate(items)).astype(np.int32), tuple(unknown))


def _names(rule: Rule, field: str) -> tuple[str, ...]:
    if isinstance(rule, Pin):
        return (rule.item,) if field == "items" else ()
    return tuple(getattr(rule, field)) if isinstance(rule, TargetRule) else ()
