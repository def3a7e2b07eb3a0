"""Every table of the lake: columns, types, keys, units, lineage. Schemas, documentation and checks derive from here."""

from __future__ import annotations

from typing import Final

from contracts.tables.extremes import EXTREME_USERS
from contracts.tables.landed import EVENTS, INTERACTIONS, ITEM_VOCABULARY, ITEMS, QUARANTINE, USER_VOCABULARY, USERS
from contracts.tables.ledger import RECALL_LEDGER
from contracts.tables.lists import CANDIDATES, EXAMPLES, FALLBACK_LISTS, RANKED, TOP_N_LISTS
from contracts.tables.measured import BACKTESTS, CHANGES, FAIRNESS, METRICS, RELIABILITY, RULE_EFFECTS, THRESHOLDS
from contracts.tables.outcomes import OUTCOME_QUARANTINE, OUTCOME_RATES, OUTCOMES, SLOTS
from contracts.tables.past import HISTORIES, ITEM_FEATURES, USER_FEATURES
from contracts.tables.schema import Column, Table
from contracts.tables.traffic import FLAGGED_USERS

__all__ = [
    "ALL",
    "BACKTESTS",
    "CANDIDATES",
    "CHANGES",
    "EVENTS",
    "EXAMPLES",
    "EXTREME_USERS",
    "FAIRNESS",
    "FALLBACK_LISTS",
    "FLAGGED_USERS",
    "HISTORIES",
    "INTERACTIONS",
    "ITEMS",
    "ITEM_FEATURES",
    "ITEM_VOCABULARY",
    "METRICS",
    "OUTCOMES",
    "OUTCOME_QUARANTINE",
    "OUTCOME_RATES",
    "QUARANTINE",
    "RANKED",
    "RECALL_LEDGER",
    "RELIABILITY",
    "RULE_EFFECTS",
    "SLOTS",
    "THRESHOLDS",
    "TOP_N_LISTS",
    "USERS",
    "USER_FEATURES",
    "USER_VOCABULARY",
    "Column",
    "Table",
    "by_name",
]

ALL: Final[tuple[Table, ...]] = (
    EVENTS, QUARANTINE, USER_VOCABULARY, ITEM_VOCABULARY, ITEMS, USERS, INTERACTIONS, HISTORIES, USER_FEATURES,
    ITEM_FEATURES, CANDIDATES, EXAMPLES, RANKED, TOP_N_LISTS, FALLBACK_LISTS, METRICS, BACKTESTS,
    CHANGES, RULE_EFFECTS, SLOTS, OUTCOMES, OUTCOME_QUARANTINE, OUTCOME_RATES, THRESHOLDS, FAIRNESS, RELIABILITY,
    RECALL_LEDGER, FLAGGED_USERS, EXTREME_USERS,
)  # fmt: skip


def by_name(name: str) -> Table:
    """The table called `name`.

    Raises:
        KeyError: there is none.
    """
    return {table.name: table for table in ALL}[name]
