"""What is known of users and items as of a date."""

from __future__ import annotations

from typing import Final

from contracts.tables.schema import AS_OF, ITEM, USER, Column, Table, derived

_PAIR: Final = ("interactions.item_idx", "interactions.day")
HISTORIES = Table(
    "histories",
    "One user's whole past as of a date: the compacted base. Arrays are parallel and ordered by item index. "
    "A basket is what one user bought on one day; cancelled pairs have no basket.",
    (
        AS_OF,
        derived(USER, "interactions.user_idx"),
        Column("n_baskets", "int", "Days with a purchase.", derived_from=("interactions.day",)),
        Column("first_day", "int", "First purchase, days since 1970-01-01; -1 without one.", derived_from=_PAIR),
        Column("last_day", "int", "Last purchase, days since 1970-01-01; -1 without one.", derived_from=_PAIR),
        Column("item_idx", "array<int>", "Items, ascending.", derived_from=_PAIR),
        Column("baskets", "array<int>", "Baskets that hold the item.", derived_from=_PAIR),
        Column("first_days", "array<int>", "First purchase of the item, days since 1970-01-01.", derived_from=_PAIR),
        Column("last_days", "array<int>", "Last purchase of the item, days since 1970-01-01.", derived_from=_PAIR),
        Column("first_baskets", "array<int>", "Ordinal of the first basket with the item, from 1.", derived_from=_PAIR),
        Column("last_baskets", "array<int>", "Ordinal of the last basket with the item.", derived_from=_PAIR),
        Column("quantities", "array<float>", "Units, net.", derived_from=("interactions.quantity",)),
        Column("amounts", "array<float>", "Money, net.", derived_from=("interactions.amount",)),
        Column("decayed_14", "array<float>", "Baskets halved every 14 days.", derived_from=_PAIR),
        Column("decayed_30", "array<float>", "Baskets halved every 30 days.", derived_from=_PAIR),
        Column("decayed_60", "array<float>", "Baskets halved every 60 days.", derived_from=_PAIR),
        Column("decayed_180", "array<float>", "Baskets halved every 180 days.", derived_from=_PAIR),
        Column("decayed_baskets", "array<float>", "Sum of 0.8^k, k the baskets since.", derived_from=_PAIR),
        Column("weights", "array<float>", "Event weights halved every 60 days.", derived_from=("interactions.weight",)),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

_H: Final = "histories."
USER_FEATURES = Table(
    "user_features",
    "One user with a history, as of a date.",
    (
        AS_OF,
        derived(USER, "histories.user_idx"),
        Column("n_baskets", "int", "Days with a purchase.", derived_from=(_H + "n_baskets",)),
        Column("n_items", "int", "Distinct items bought.", derived_from=(_H + "item_idx",)),
        Column("recency_days", "float", "Days since the last purchase.", derived_from=(_H + "last_day",)),
        Column("tenure_days", "float", "Days since the first purchase.", derived_from=(_H + "first_day",)),
        Column(
            "basket_gap_days",
            "float",
            "Mean days between baskets; null with one basket.",
            nullable=True,
            derived_from=(_H + "first_day", _H + "last_day", _H + "n_baskets"),
        ),
        Column("basket_size", "float", "Mean items a basket.", derived_from=(_H + "baskets",)),
        Column("exploration_rate", "float", "Distinct items over items bought.", derived_from=(_H + "baskets",)),
        Column(
            "mean_price",
            "float",
            "Mean price paid for one unit.",
            nullable=True,
            derived_from=(_H + "amounts", _H + "quantities"),
        ),
        Column("recent_activity", "float", "Item purchases halved every 30 days.", derived_from=(_H + "decayed_30",)),
        Column(
            "line_quantity",
            "float",
            "Mean units of an item in a basket.",
            nullable=True,
            derived_from=(_H + "quantities", _H + "baskets"),
        ),
        Column("segment", "string", "Segment, for fallback and evaluation.", derived_from=("users.segment",)),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

ITEM_FEATURES = Table(
    "item_features",
    "One item of the vocabulary, as of a date. Never-bought items have zero buyers.",
    (
        AS_OF,
        derived(ITEM, "histories.item_idx"),
        Column("buyers", "int", "Users who ever bought it.", derived_from=(_H + "item_idx",)),
        Column(
            "buyers_7",
            "int",
            "Users whose last purchase of it is at most 7 days old.",
            derived_from=(_H + "last_days",),
        ),
        Column("buyers_14", "int", "The same, 14 days.", derived_from=(_H + "last_days",)),
        Column("buyers_28", "int", "The same, 28 days.", derived_from=(_H + "last_days",)),
        Column("buyers_84", "int", "The same, 84 days.", derived_from=(_H + "last_days",)),
        Column(
            "first_buyers_7",
            "int",
            "Users whose first purchase of it is at most 7 days old.",
            derived_from=(_H + "first_days",),
        ),
        Column("first_buyers_28", "int", "The same, 28 days.", derived_from=(_H + "first_days",)),
        Column(
            "buyers_last_year",
            "int",
            "Buyers in the 28 days that follow this date a year ago.",
            derived_from=("interactions.user_idx", "interactions.day"),
        ),
        Column("repeat_rate", "float", "Share of buyers with two baskets or more.", derived_from=(_H + "baskets",)),
        Column(
            "repeat_gap_days",
            "float",
            "Mean days between two purchases by one user.",
            nullable=True,
            derived_from=(_H + "first_days", _H + "last_days", _H + "baskets"),
        ),
        Column(
            "age_days",
            "float",
            "Days since it was first sold or offered.",
            nullable=True,
            derived_from=(_H + "first_days", "items.first_seen"),
        ),
        Column(
            "price",
            "float",
            "Mean price paid in the last 28 days it sold in, else ever.",
            nullable=True,
            derived_from=("interactions.amount", "interactions.quantity"),
        ),
        Column(
            "price_change",
            "float",
            "Price of the last 28 days over the price of the 84 before; 1 is unchanged.",
            nullable=True,
            derived_from=("interactions.amount", "interactions.quantity"),
        ),
        Column(
            "line_quantity",
            "float",
            "Mean units of one purchase.",
            nullable=True,
            derived_from=("interactions.quantity", "interactions.n_purchases"),
        ),
        Column(
            "is_recommendable",
            "boolean",
            "Available, not excluded and known by this date.",
            derived_from=("items.is_available", "items.is_recommendable"),
        ),
    ),
    key=("as_of", "item_idx"),
    partition=("as_of",),
)
