"""What was shown, with which probability, and what came of it."""

from __future__ import annotations

from contracts.tables.schema import AS_OF, Column, Table

_LISTS = "top_n_lists."

SLOTS = Table(
    "slots",
    "One user's list for one placement in one snapshot, slot by slot: the log that outcomes are joined with. The four "
    "arrays are parallel, slot 1 first.",
    (
        AS_OF,
        Column("snapshot", "string", "Id of the snapshot that holds the list."),
        Column("placement", "string", "Where the list shows.", derived_from=(_LISTS + "placement",)),
        Column("user_id", "string", "The shop's user id.", derived_from=(_LISTS + "user_id",)),
        Column("item_ids", "array<string>", "Items by slot.", derived_from=(_LISTS + "item_idx", "items.item_id")),
        Column(
            "usual_item_ids",
            "array<string>",
            "Items that stand there when nothing is explored.",
            derived_from=(_LISTS + "usual_idx", "items.item_id"),
        ),
        Column(
            "sources",
            "array<string>",
            "The source that is the reason, `explored`, or `pinned`.",
            derived_from=(_LISTS + "reasons",),
        ),
        Column(
            "propensities",
            "array<float>",
            "Probability that this item stands in this slot.",
            derived_from=(_LISTS + "propensities",),
        ),
    ),
    key=("snapshot", "placement", "user_id"),
    partition=("as_of", "snapshot"),
)

_TOLD = (
    Column("landing_date", "date", "The landing folder's day it arrived in."),
    Column("snapshot", "string", "Snapshot that the shown item came from, as the answer named it."),
    Column("placement", "string", "Where the list showed."),
    Column("user_id", "string", "The shop's user id."),
    Column("item_id", "string", "The shop's item id."),
    Column("position", "int", "Place on the page, 1 is first."),
    Column("kind", "string", "impression, click, cart, purchase or dwell."),
    Column("at", "timestamp", "When it happened, UTC."),
    Column("channel", "string", "stable, canary or interleaved, as the answer named it."),
    Column("team", "string", "Of an interleaved answer: stable or canary, whose item it is.", nullable=True),
    Column("dwell_seconds", "double", "Of the kind dwell: how long the item was looked at.", nullable=True),
)

OUTCOMES = Table(
    "outcomes",
    "One thing that a user did with a shown item, beside what the slot log knows of its slot.",
    (
        Column("outcome_key", "string", "Identity: a 128-bit hash of the row's values."),
        *_TOLD,
        Column("slot", "int", "Place in the published list; 0 where the log has no such slot.",
               derived_from=("slots.item_ids",)),
        Column("source", "string", "The reason's source, `explored`, or `unlogged` where the log has no such slot.",
               derived_from=("slots.sources",)),
        Column("propensity", "float", "Probability that this item stood in this slot.", nullable=True,
               derived_from=("slots.propensities",)),
        Column("usual_item_id", "string", "Item that stands there when nothing is explored.", nullable=True,
               derived_from=("slots.usual_item_ids",)),
    ),
    key=("outcome_key",),
    partition=("landing_date",),
)  # fmt: skip

OUTCOME_QUARANTINE = Table(
    "outcome_quarantine",
    "One rejected row of the outcomes feed.",
    (
        Column("landing_date", "date", "The landing folder's day it arrived in."),
        Column("reason", "string", "Name of the rule it breaks."),
        Column("raw_row", "string", "The row as JSON, or the unreadable line."),
        Column("source_file", "string", "Landing file it was read from."),
    ),
    key=(),
    partition=("landing_date",),
)

OUTCOME_RATES = Table(
    "outcome_rates",
    "One measured number of what came of shown slots in the days that end with the date.",
    (
        AS_OF,
        Column("first_day", "date", "First landing day that counts."),
        Column("placement", "string", "Where the lists showed."),
        Column("channel", "string", "stable, canary or interleaved; `all` for every one."),
        Column("source", "string", "The reason's source, or `all`; of an estimate its method; of teams `preference`."),
        Column("position", "int", "Place on the page; 0 for all."),
        Column("metric", "string", "ctr, add_to_cart, conversion, repeat_purchase, dwell_seconds; or what is named in "
               "the glossary for estimates and teams."),
        Column("value", "double", "The number; null where it was refused.", nullable=True,
               derived_from=("outcomes.kind",)),
        Column("low", "double", "Lower end of the 95 % interval.", nullable=True),
        Column("high", "double", "Upper end of the 95 % interval.", nullable=True),
        Column("n_slots", "int", "Shown slots it is made of."),
        Column("n_users", "int", "Users who saw them."),
        Column("note", "string", "Why there is no number, empty where there is one."),
    ),
    key=("as_of", "first_day", "placement", "channel", "source", "position", "metric"),
    partition=("as_of",),
)  # fmt: skip
