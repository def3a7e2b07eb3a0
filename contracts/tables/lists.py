"""From candidates to the lists, and how good they are."""

from __future__ import annotations

from typing import Final

from contracts.tables.schema import AS_OF, USER, Column, Table, derived

_H: Final = "histories."

CANDIDATES = Table(
    "candidates",
    "One user's proposed items. Arrays are parallel, ordered by item index; matrices are little-endian bytes, "
    "row-major, one row an item, one column a source in the order of the settings' source list.",
    (
        AS_OF,
        derived(USER, "histories.user_idx"),
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
        AS_OF,
        derived(USER, "candidates.user_idx"),
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
        Column(
            "is_clicked",
            "array<boolean>",
            "True where it was shown and clicked or carted in the window, and not bought; null without a log.",
            nullable=True,
            derived_from=("interactions.n_purchases",),
        ),
        Column(
            "weights",
            "array<float>",
            "What the row counts in training, by the examination of where it was shown; null without a log.",
            nullable=True,
        ),
        Column("n_shown", "int", "Candidates shown to the user in the window; null without a log.", nullable=True),
    ),
    key=("as_of", "user_idx"),
    partition=("as_of",),
)

RANKED = Table(
    "ranked",
    "One user's candidates for one placement, best first.",
    (
        AS_OF,
        Column("placement", "string", "Where the list shows."),
        derived(USER, "candidates.user_idx"),
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
        AS_OF,
        Column("placement", "string", "Where the list shows."),
        derived(USER, "ranked.user_idx"),
        Column("user_id", "string", "The shop's user id.", derived_from=("user_vocabulary.user_id",)),
        Column("segment", "string", "Segment whose fallback list applies.", derived_from=("users.segment",)),
        Column("item_idx", "array<int>", "Items, best first.", derived_from=("ranked.item_idx",)),
        Column("scores", "array<float>", "Ranker score.", derived_from=("ranked.scores",)),
        Column(
            "reasons",
            "array<int>",
            "Index of the source that is the reason; `popular` for what fills a list up, last `explored`, `pinned`.",
            derived_from=("ranked.main_sources",),
        ),
        Column("anchors", "array<int>", "Item that explains the reason, -1 for none.", derived_from=(_H + "item_idx",)),
        Column(
            "usual_idx",
            "array<int>",
            "Item that stands there when nothing is explored.",
            nullable=True,
            derived_from=("ranked.item_idx",),
        ),
        Column("propensities", "array<float>", "Probability that this item stands in this slot.", nullable=True),
    ),
    key=("as_of", "placement", "user_idx"),
    partition=("as_of",),
)

FALLBACK_LISTS = Table(
    "fallback_lists",
    "The list of a segment for one placement; segment `all` is the popular list.",
    (
        AS_OF,
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
