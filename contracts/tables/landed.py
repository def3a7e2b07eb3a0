"""What the shop landed, and what follows from it alone."""

from __future__ import annotations

from contracts.tables.schema import AS_OF, ITEM, USER, Column, Table, derived

EVENTS = Table(
    "events",
    "One accepted event of a user with an item.",
    (
        Column("event_key", "string", "Identity: the shop's event_id, or a 128-bit hash of the row's values."),
        Column("user_id", "string", "The shop's user id."),
        Column("item_id", "string", "The shop's item id."),
        Column("event_type", "string", "The shop's word for what happened; its weight and role are settings."),
        Column("timestamp", "timestamp", "When it happened, UTC."),
        Column("event_date", "date", "UTC day of `timestamp`."),
        Column("landing_date", "date", "The landing folder's day it arrived in."),
        Column("price", "double", "Price of one unit, in the shop's currency.", nullable=True),
        Column("quantity", "double", "Units; negative where the shop books returns so.", nullable=True),
        Column("order_id", "string", "The shop's order number.", nullable=True),
        Column("is_late", "boolean", "True when it happened before the day of its landing folder."),
        Column("source_file", "string", "Landing file it was read from."),
    ),
    key=("event_key",),
    partition=("landing_date",),
    is_ranged=True,
)

QUARANTINE = Table(
    "quarantine",
    "One rejected landing row.",
    (
        Column("landing_date", "date", "The landing folder's day it arrived in."),
        Column("reason", "string", "Name of the rule it breaks."),
        Column("raw_row", "string", "The row as JSON, or the unreadable line."),
        Column("source_file", "string", "Landing file it was read from."),
    ),
    key=(),
    partition=("landing_date",),
    is_ranged=True,
)

USER_VOCABULARY = Table(
    "user_vocabulary",
    "One user id and its dense index; append-only.",
    (
        USER,
        Column("user_id", "string", "The shop's user id.", derived_from=("events.user_id",)),
        Column("first_day", "date", "First day the id was seen.", derived_from=("events.event_date",)),
    ),
    key=("user_idx",),
)

ITEM_VOCABULARY = Table(
    "item_vocabulary",
    "One item id and its dense index; append-only.",
    (
        ITEM,
        Column("item_id", "string", "The shop's item id.", derived_from=("events.item_id",)),
        Column("first_day", "date", "First day the id was seen.", derived_from=("events.event_date",)),
    ),
    key=("item_idx",),
)

ITEMS = Table(
    "items",
    "One item of the catalogue as known on a date.",
    (
        AS_OF,
        derived(ITEM, "item_vocabulary.item_idx"),
        Column("item_id", "string", "The shop's item id."),
        Column("title", "string", "Title as a shopper reads it.", nullable=True),
        Column("category", "string", "Finest category the shop keeps.", nullable=True),
        Column("department", "string", "Broad category.", nullable=True),
        Column("brand", "string", "Brand.", nullable=True),
        Column("price", "double", "Listed price; never a feature, it is not dated.", nullable=True),
        Column("margin", "double", "Margin as a share of the price.", nullable=True),
        Column("image_url", "string", "Picture for pages and mails.", nullable=True),
        Column("first_seen", "date", "Day the shop first offered it.", nullable=True),
        Column("is_available", "boolean", "Can be bought now."),
        Column("is_recommendable", "boolean", "False where the shop's exclusion rule holds."),
    ),
    key=("as_of", "item_idx"),
    partition=("as_of",),
)

USERS = Table(
    "users",
    "One user and what the shop knows of them as of a date; users without events included.",
    (
        AS_OF,
        derived(USER, "user_vocabulary.user_idx"),
        Column("user_id", "string", "The shop's user id."),
        Column("segment", "string", "Segment used for fallback lists; `all` where the shop has none."),
        Column("attributes", "map<string,string>", "Everything else the shop sent; never a feature.", nullable=True),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

INTERACTIONS = Table(
    "interactions",
    "One user with one item on one day.",
    (
        Column("day", "date", "UTC day.", derived_from=("events.event_date",)),
        derived(USER, "events.user_id", "user_vocabulary.user_idx"),
        derived(ITEM, "events.item_id", "item_vocabulary.item_idx"),
        Column("n_views", "int", "Events in the role view.", derived_from=("events.event_type",)),
        Column("n_clicks", "int", "Events in the role click.", derived_from=("events.event_type",)),
        Column("n_carts", "int", "Events in the role cart.", derived_from=("events.event_type",)),
        Column("n_purchases", "int", "Events in the role purchase.", derived_from=("events.event_type",)),
        Column("n_cancellations", "int", "Events in the role cancellation.", derived_from=("events.event_type",)),
        Column("weight", "double", "Sum of the event types' weights.", derived_from=("events.event_type",)),
        Column("quantity", "double", "Units bought, cancelled ones subtracted.", derived_from=("events.quantity",)),
        Column(
            "amount", "double", "Money, cancellations subtracted.", derived_from=("events.price", "events.quantity")
        ),
        Column("first_at", "timestamp", "First event of the day.", derived_from=("events.timestamp",)),
        Column("last_at", "timestamp", "Last event of the day.", derived_from=("events.timestamp",)),
        Column("landed_on", "date", "Latest landing day among its events.", derived_from=("events.landing_date",)),
    ),
    key=("day", "user_idx", "item_idx"),
    partition=("day",),
    is_ranged=True,
)
