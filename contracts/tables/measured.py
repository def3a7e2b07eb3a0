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
        Column("system", "string", "two_stage, a reference, a source, chosen_objectives or engagement_alone."),
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

THRESHOLDS = Table(
    "thresholds",
    "One success threshold under one protocol, reached or not.",
    (
        AS_OF,
        _CUT,
        _PLACEMENT,
        Column("protocol", "string", "Under which the value was measured.", derived_from=("metrics.protocol",)),
        Column("metric", "string", "ndcg_5, auc, or auc_pooled.", derived_from=("metrics.metric",)),
        Column("value", "double", "Of the two-stage lists.", derived_from=("metrics.value",)),
        _LOW,
        _HIGH,
        Column("n_users", "int", "Users it is a mean over.", derived_from=("metrics.n_users",)),
        Column("threshold", "double", "What was to be reached."),
        Column("is_reached", "boolean", "Whether the value is at least that.", derived_from=("metrics.value",)),
        Column("is_gated", "boolean", "Whether a gate looks at it under this protocol."),
    ),
    key=("as_of", "cut", "placement", "protocol", "metric"),
    partition=("as_of",),
)

FAIRNESS = Table(
    "fairness",
    "A group's quality or exposure, or the gap between the best group of users and the worst.",
    (
        AS_OF,
        _CUT,
        _PLACEMENT,
        Column("metric", "string", "ndcg and auc over the full catalogue, or exposure_ratio, each with its cutoff."),
        Column(
            "kind",
            "string",
            "What parts the groups: segment, a column of the users, brand, category or price_band.",
            derived_from=("users.segment", "users.attributes", "items.brand", "items.category", "item_features.price"),
        ),
        Column("group", "string", "The group; of a gap the best one, empty where there were too few to compare."),
        Column("other", "string", "Of a gap the worst group; null in the rows of one group.", nullable=True),
        Column(
            "value",
            "double",
            "Mean over the group's users; best minus worst; or share of the places over share of the recent buyers.",
            nullable=True,
            derived_from=(*_TAKEN, "item_features.buyers_28"),
        ),
        Column("low", "double", "Lower end of the interval, 95 % over all pairs compared.", nullable=True),
        Column("high", "double", "Upper end of the interval.", nullable=True),
        Column("n", "int", "Users; of a gap those of the smaller group; places of an exposure."),
        Column("verdict", "string", "Of a gap: green, yellow, red, or not enough data.", nullable=True),
    ),
    key=("as_of", "placement", "metric", "kind", "group", "other"),
    partition=("as_of",),
)

RELIABILITY = Table(
    "reliability",
    "One bin of the ranker's scores: the purchases that were foreseen, and those that came.",
    (
        AS_OF,
        _CUT,
        _PLACEMENT,
        Column("bin", "int", "From 0, lowest scores first; all have about as many purchases."),
        Column("n_pairs", "int", "Candidates of the users who were not fitted to.", derived_from=("examples.labels",)),
        Column("n_users", "int", "Those users, of the whole placement."),
        Column("mean_score", "double", "Mean score of the ranker.", derived_from=("examples.features",)),
        Column("uncalibrated", "double", "Mean of the logistic of the score.", derived_from=("examples.features",)),
        Column(
            "predicted",
            "double",
            "Mean probability by the fitted map.",
            derived_from=("examples.features", "interactions.n_purchases"),
        ),
        Column("observed", "double", "Share that was bought.", derived_from=("interactions.n_purchases",)),
    ),
    key=("as_of", "placement", "bin"),
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

_RULED: Final = ("ranked.item_idx", "items.item_id", "items.category", "items.brand", "items.margin")

RULE_EFFECTS = Table(
    "rule_effects",
    "What one rule did to all lists of a placement on one night.",
    (
        AS_OF,
        Column("placement", "string", "Where the lists show."),
        Column("rule", "string", "The rule's name."),
        Column("kind", "string", "block, min_margin, region, boost, bury, quota or pin."),
        Column("items", "int", "Items that the rule is about.", derived_from=_RULED[1:]),
        Column("lists", "bigint", "Lists in which one of them went, came or moved.", derived_from=_RULED),
        Column("removed", "bigint", "Entries that went.", derived_from=_RULED),
        Column("added", "bigint", "Entries that came.", derived_from=_RULED),
        Column("moved", "bigint", "Entries whose place changed.", derived_from=_RULED),
        Column("places_up", "bigint", "Places that those rose, summed; negative where they fell.", derived_from=_RULED),
    ),
    key=("as_of", "placement", "rule"),
    partition=("as_of",),
)
