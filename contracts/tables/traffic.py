"""Users whose traffic is no shopper's."""

from __future__ import annotations

from typing import Final

from contracts.tables.schema import AS_OF, USER, Column, Table, derived

_COUNTS: Final = tuple(f"interactions.n_{role}" for role in ("views", "clicks", "carts", "purchases", "cancellations"))

FLAGGED_USERS = Table(
    "flagged_users",
    "One user who is left out of what is learnt and counted, with the evidence; still served.",
    (
        AS_OF,
        derived(USER, "interactions.user_idx"),
        Column("user_id", "string", "The shop's user id.", derived_from=("user_vocabulary.user_id",)),
        Column("limits", "array<string>", "Settings of `traffic` that the user is beyond.", derived_from=_COUNTS),
        Column("n_events", "bigint", "Events in the days looked at.", derived_from=_COUNTS),
        Column("peak_day", "date", "The day with most events.", derived_from=("interactions.day",)),
        Column("events_per_day", "bigint", "Events on that day.", derived_from=_COUNTS),
        Column("items_per_day", "bigint", "Most distinct items on one day.", derived_from=("interactions.item_idx",)),
        Column(
            "events_per_hour",
            "double",
            "Highest mean of a day; null where no day has two times.",
            nullable=True,
            derived_from=(*_COUNTS, "interactions.first_at", "interactions.last_at"),
        ),
        Column("n_items", "bigint", "Distinct items ever bought.", derived_from=("histories.item_idx",)),
        Column("catalogue_share", "double", "These over all known items.", derived_from=("histories.item_idx",)),
        Column("events_limit", "double", "Events allowed: the quantile of all users times the factor.", nullable=True),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)
