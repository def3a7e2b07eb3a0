"""Every table of the lake: columns, types, keys, units, lineage. Schemas, documentation and checks derive from here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Column:
    """One column.

    Attributes:
        name: snake_case, with its unit where it has one.
        type: Spark SQL type, as written in DDL.
        doc: one sentence for the analyst.
        nullable: whether a null is allowed.
        derived_from: "table.column" of each column it is computed from, for column lineage.
    """

    name: str
    type: str
    doc: str
    nullable: bool = False
    derived_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: plural or past participle.
        doc: what one row is.
        columns: in order.
        key: columns that identify a row.
        partition: columns a write replaces as a whole.
        is_ranged: True where a load covers many days: kept in few large files ordered by the partition column, with
            no folder a day.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: tuple[str, ...] = ()
    is_ranged: bool = False

    @property
    def ddl(self) -> str:
        """The columns as a Spark DDL string."""
        return ", ".join(f"`{c.name}` {c.type}{'' if c.nullable else ' NOT NULL'}" for c in self.columns)

    @property
    def read_ddl(self) -> str:
        """The columns as a DDL string without constraints, for readers and UDF outputs."""
        return ", ".join(f"`{c.name}` {c.type}" for c in self.columns)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(c.name for c in self.columns)

    def column(self, name: str) -> Column:
        """The column called `name`.

        Raises:
            KeyError: there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)


_AS_OF: Final = Column("as_of", "date", "The last day (UTC) whose events this row knows.")
_USER: Final = Column("user_idx", "int", "Dense user index of the user vocabulary.")
_ITEM: Final = Column("item_idx", "int", "Dense item index of the item vocabulary.")


def _of(column: Column, *derived_from: str) -> Column:
    return Column(column.name, column.type, column.doc, column.nullable, derived_from)


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
        _USER,
        Column("user_id", "string", "The shop's user id.", derived_from=("events.user_id",)),
        Column("first_day", "date", "First day the id was seen.", derived_from=("events.event_date",)),
    ),
    key=("user_idx",),
)

ITEM_VOCABULARY = Table(
    "item_vocabulary",
    "One item id and its dense index; append-only.",
    (
        _ITEM,
        Column("item_id", "string", "The shop's item id.", derived_from=("events.item_id",)),
        Column("first_day", "date", "First day the id was seen.", derived_from=("events.event_date",)),
    ),
    key=("item_idx",),
)

ITEMS = Table(
    "items",
    "One item of the catalogue as known on a date.",
    (
        _AS_OF,
        _of(_ITEM, "item_vocabulary.item_idx"),
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
        _AS_OF,
        _of(_USER, "user_vocabulary.user_idx"),
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
        _of(_USER, "events.user_id", "user_vocabulary.user_idx"),
        _of(_ITEM, "events.item_id", "item_vocabulary.item_idx"),
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

_PAIR: Final = ("interactions.item_idx", "interactions.day")
HISTORIES = Table(
    "histories",
    "One user's whole past as of a date: the compacted base. Arrays are parallel and ordered by item index. "
    "A basket is what one user bought on one day; cancelled pairs have no basket.",
    (
        _AS_OF,
        _of(_USER, "interactions.user_idx"),
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
        _AS_OF,
        _of(_USER, "histories.user_idx"),
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
        Column("segment", "string", "Segment, for fallback and evaluation.", derived_from=("users.segment",)),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

ITEM_FEATURES = Table(
    "item_features",
    "One item of the vocabulary, as of a date. Never-bought items have zero buyers.",
    (
        _AS_OF,
        _of(_ITEM, "histories.item_idx"),
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
            "is_recommendable",
            "boolean",
            "Available, not excluded and known by this date.",
            derived_from=("items.is_available", "items.is_recommendable"),
        ),
    ),
    key=("as_of", "item_idx"),
    partition=("as_of",),
)

CANDIDATES = Table(
    "candidates",
    "One user's proposed items. Arrays are parallel, ordered by item index; matrices are little-endian bytes, "
    "row-major, one row an item, one column a source in the order of the settings' source list.",
    (
        _AS_OF,
        _of(_USER, "histories.user_idx"),
        Column(
            "item_idx",
            "array<int>",
            "Proposed items, ascending.",
            derived_from=(_H + "item_idx", "item_features.buyers_28"),
        ),
        Column(
            "source_bits",
            "array<int>",
            "Bit s is set when source s proposed the item.",
            derived_from=(_H + "item_idx",),
        ),
        Column(
            "source_scores",
            "binary",
            "float32: score by each source, NaN where it has none.",
            derived_from=(_H + "weights",),
        ),
        Column(
            "source_ranks",
            "binary",
            "int16: rank among the source's proposals from 1, 0 where not proposed.",
            derived_from=(_H + "weights",),
        ),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

EXAMPLES = Table(
    "examples",
    "One user's sampled training rows of one past window: the candidates of that date and what followed.",
    (
        _AS_OF,
        _of(_USER, "candidates.user_idx"),
        Column("fingerprint", "string", "Hash of the settings the rows were made with."),
        Column(
            "labels",
            "array<tinyint>",
            "1 where the user bought the item in the window.",
            derived_from=("candidates.item_idx", "interactions.n_purchases"),
        ),
        Column(
            "is_new",
            "array<boolean>",
            "True where the user had not bought the item before.",
            derived_from=(_H + "baskets",),
        ),
        Column(
            "features",
            "binary",
            "float32: row-major feature matrix, one row a label.",
            derived_from=(
                "candidates.source_scores",
                "user_features.n_baskets",
                "item_features.buyers_28",
                _H + "baskets",
            ),
        ),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

RANKED = Table(
    "ranked",
    "One user's candidates for one placement, best first.",
    (
        _AS_OF,
        Column("placement", "string", "Where the list shows."),
        _of(_USER, "candidates.user_idx"),
        Column("item_idx", "array<int>", "Items, best first.", derived_from=("candidates.item_idx",)),
        Column(
            "scores", "array<float>", "Ranker score.", derived_from=("candidates.source_scores", "examples.features")
        ),
        Column(
            "source_bits", "array<int>", "Sources that proposed the item.", derived_from=("candidates.source_bits",)
        ),
        Column(
            "main_sources",
            "array<int>",
            "The source that ranked the item best.",
            derived_from=("candidates.source_ranks",),
        ),
    ),
    key=("as_of", "placement", "user_idx"),
    partition=("as_of",),
)

TOP_N_LISTS = Table(
    "top_n_lists",
    "One user's list for one placement, as it will be served.",
    (
        _AS_OF,
        Column("placement", "string", "Where the list shows."),
        _of(_USER, "ranked.user_idx"),
        Column("user_id", "string", "The shop's user id.", derived_from=("user_vocabulary.user_id",)),
        Column("segment", "string", "Segment whose fallback list applies.", derived_from=("users.segment",)),
        Column("item_idx", "array<int>", "Items, best first.", derived_from=("ranked.item_idx",)),
        Column("scores", "array<float>", "Ranker score.", derived_from=("ranked.scores",)),
        Column(
            "reasons", "array<int>", "Index of the source that is the reason.", derived_from=("ranked.main_sources",)
        ),
        Column("anchors", "array<int>", "Item that explains the reason, -1 for none.", derived_from=(_H + "item_idx",)),
    ),
    key=("as_of", "placement", "user_idx"),
    partition=("as_of",),
)

FALLBACK_LISTS = Table(
    "fallback_lists",
    "The list of a segment for one placement; segment `all` is the popular list.",
    (
        _AS_OF,
        Column("placement", "string", "Where the list shows."),
        Column("segment", "string", "Segment, or `all`.", derived_from=("users.segment",)),
        Column("item_idx", "array<int>", "Items, best first.", derived_from=("item_features.buyers_28",)),
        Column(
            "scores", "array<float>", "Share of the segment's recent buyers.", derived_from=("item_features.buyers_28",)
        ),
    ),
    key=("as_of", "placement", "segment"),
    partition=("as_of",),
)

METRICS = Table(
    "metrics",
    "One measured number of one night.",
    (
        _AS_OF,
        Column("cut", "date", "First day of the window that was predicted."),
        Column("protocol", "string", "full_catalogue or candidate_set."),
        Column("placement", "string", "Placement, which says whether repeats count."),
        Column("system", "string", "two_stage, or the name of a reference or source."),
        Column("metric", "string", "Metric with its cutoff, such as ndcg_10."),
        Column(
            "value", "double", "Mean over users.", derived_from=("top_n_lists.item_idx", "interactions.n_purchases")
        ),
        Column("low", "double", "Lower end of the 95 % interval.", nullable=True),
        Column("high", "double", "Upper end of the 95 % interval.", nullable=True),
        Column("n_users", "int", "Users it is a mean over."),
    ),
    key=("as_of", "cut", "protocol", "placement", "system", "metric"),
    partition=("as_of",),
)

ALL: Final[tuple[Table, ...]] = (
    EVENTS, QUARANTINE, USER_VOCABULARY, ITEM_VOCABULARY, ITEMS, USERS, INTERACTIONS, HISTORIES, USER_FEATURES,
    ITEM_FEATURES, CANDIDATES, EXAMPLES, RANKED, TOP_N_LISTS, FALLBACK_LISTS, METRICS,
)  # fmt: skip


def by_name(name: str) -> Table:
    """The table called `name`.

    Raises:
        KeyError: there is none.
    """
    return {table.name: table for table in ALL}[name]
