"""What the sources bring, and what becomes of it."""

from __future__ import annotations

from typing import Final

from contracts.tables.schema import AS_OF, Column, Table

_PROPOSED: Final = ("candidates.item_idx", "candidates.source_bits")
_TAKEN: Final = ("interactions.n_purchases", "candidates.item_idx")

RECALL_LEDGER = Table(
    "recall_ledger",
    "What one system found of what some users bought in the newest past window.",
    (
        AS_OF,
        Column("cut", "date", "First day of the window that was predicted."),
        Column("placement", "string", "Placement whose list is counted."),
        Column("targets", "string", "`all` purchases of the window, or `new` ones, of items not bought before."),
        Column(
            "segment",
            "string",
            "The users that it is about, such as users:new or segment:UK; null for all of them.",
            nullable=True,
            derived_from=("users.segment", "user_features.n_baskets"),
        ),
        Column("system", "string", "source_ and a source's name, candidates (all of them together), or two_stage."),
        Column("places", "int", "Places of the list that are counted; 0 for all that was proposed."),
        Column("n_users", "bigint", "Users with a target."),
        Column("n_targets", "bigint", "Items they bought, once a user.", derived_from=("interactions.n_purchases",)),
        Column("n_found", "bigint", "Targets among what it proposed.", derived_from=_TAKEN),
        Column("n_alone", "bigint", "Of these, targets that no other source proposed.", derived_from=_TAKEN),
        Column("n_reachable", "bigint", "Targets among the candidates that fit into the places.", derived_from=_TAKEN),
        Column("n_proposed", "bigint", "Items it proposed to these users.", derived_from=_PROPOSED),
        Column("recall", "double", "n_found over n_targets.", derived_from=_TAKEN),
        Column("cpu_seconds", "double", "Processor time of the proposals for all users measured.", nullable=True),
    ),
    key=("as_of", "cut", "placement", "targets", "segment", "system", "places"),
    partition=("as_of",),
)
