"""How good the lists are."""

from __future__ import annotations

from typing import Final

from contracts.tables.schema import AS_OF, Column, Table

_TAKEN: Final = ("candidates.item_idx", "interactions.n_purchases")
_CUT: Final = Column("cut", "date", "First day of the window that was predicted.")
_PLACEMENT: Final = Column("placement", "string", "Placement, which says whether repeats count.")
_LOW: Final = Column("low", "double", "Lower end of the 95 % interval.", nullable=True)
_HIGH: Final = Column("high", "double", "Upper end of the 95 % interval.", nullable=True)

METRICS = Table(
    "metrics",
    "One measured number of one night.",
    (
        AS_OF,
        _CUT,
        Column("protocol", "string", "What counts as truth, and what it is held against, such as full_catalogue."),
        _PLACEMENT,
        Column("system", "string", "two_stage, or the name of a reference or source."),
        Column("metric", "string", "Metric with its cutoff, such as ndcg_10."),
        Column(
            "segment",
            "string",
            "The users or items that it is about, such as users:new; null for all of them.",
            nullable=True,
            derived_from=("users.segment", "user_features.n_baskets", "item_features.buyers_28", "items.category"),
        ),
        Column("value", "double", "Mean over users.", derived_from=_TAKEN),
        _LOW,
        _HIGH,
        Column("n_users", "int", "Users it is a mean over."),
    ),
    key=("as_of", "cut", "protocol", "placement", "system", "metric", "segment"),
    partition=("as_of",),
)

BACKTESTS = Table(
    "backtests",
    "One measured number of published lists held against what truly followed them; as of the last day of the window.",
    (
        *METRICS.columns,
        Column("n_cuts", "int", "Windows that it is a mean over, the newest one's cut given; 1 for a single one."),
        Column("lists", "string", "Where the lists were read back from, with the snapshot's id."),
    ),
    key=(*METRICS.key, "n_cuts"),
    partition=("as_of",),
)

CHANGES = Table(
    "changes",
    "One number of what changes for the users from one snapshot to another: the diff of a night.",
    (
        AS_OF,
        Column("channel", "string", "stable: served to staged. shadow: served to shadow."),
        Column("placement", "string", "Where the lists show; empty where the number is of the whole snapshot."),
        Column("metric", "string", "What was counted."),
        Column(
            "value",
            "double",
            "Null where there was nothing to compare.",
            nullable=True,
            derived_from=("top_n_lists.item_idx", "top_n_lists.user_id"),
        ),
        Column("before", "string", "Snapshot that was served; empty where nothing was."),
        Column("after", "string", "Snapshot that it was compared with."),
    ),
    key=("as_of", "channel", "placement", "metric"),
    partition=("as_of",),
)
