"""The users whom the lists of the holdout served best and worst."""

from __future__ import annotations

from contracts.tables.schema import AS_OF, USER, Column, Table, derived

EXTREME_USERS = Table(
    "extreme_users",
    "One of the few users of the newest past window whose list foresaw most, or least, of what they bought.",
    (
        AS_OF,
        Column("cut", "date", "First day of the window that was predicted."),
        Column("placement", "string", "Placement whose list it is."),
        Column("side", "string", "best or worst."),
        Column("place", "int", "From 1, the most extreme first."),
        derived(USER, "candidates.user_idx"),
        Column("user_id", "string", "The shop's user id.", derived_from=("user_vocabulary.user_id",)),
        Column("metric", "string", "By which they are ordered, such as ndcg_10, over the full catalogue."),
        Column("value", "double", "Its value for the user.", derived_from=("interactions.n_purchases",)),
        Column("n_baskets", "int", "Days with a purchase before the window.", derived_from=("histories.n_baskets",)),
        Column("n_taken", "int", "Items bought in the window that count.", derived_from=("interactions.n_purchases",)),
        Column("listed", "array<int>", "First items of the list, best first.", derived_from=("candidates.item_idx",)),
        Column("taken", "array<int>", "Items bought in the window that count, those listed first, no more than 50.",
               derived_from=("interactions.item_idx",)),
    ),
    key=("as_of", "placement", "side", "place"),
    partition=("as_of",),
)  # fmt: skip
