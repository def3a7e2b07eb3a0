"""The settings of what quality is told of, and of the gates on it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts.sections import Count, Positive, Section, Share

Protocol = Literal[
    "full_catalogue",
    "candidate_set",
    "own_candidates",
    "new_candidates",
    "positive_99_hard",
    "positive_99_uniform",
    "positives_99_uniform",
]
AboveOne = Annotated[float, msgspec.Meta(gt=1)]


class Segments(Section, frozen=True):
    """The groups of users and items that metrics are told of.

    Attributes:
        new_baskets: users with at most so many baskets are `users:new`.
        light_baskets: those with more, and at most so many, are `users:light`; the others are `users:heavy`.
        columns: columns of the shop's users that part them further, beside the segment.
        min_users: a group with fewer is not told.
        head_share: share of the assortment, most popular first, that is `items:head`; the rest is `items:tail`.
        max_categories: item categories told, by recent buyers.
    """

    new_baskets: Positive = 1
    light_baskets: Positive = 5
    columns: tuple[str, ...] = ()
    min_users: Positive = 20
    head_share: Share = 0.2
    max_categories: Count = 12


class Calibration(Section, frozen=True):
    """How the ranker's score becomes a probability.

    Attributes:
        method: `isotonic` or `platt`.
        users: at most so many users of the newest window, by a stable hash; half fit, half check.
        bins: of the reliability table.
    """

    method: Literal["isotonic", "platt"] = "isotonic"
    users: Positive = 2000
    bins: Positive = 10


class Thresholds(Section, frozen=True):
    """The success thresholds, and the protocols that gate them.

    Attributes:
        ndcg_5: at least, NDCG at 5.
        auc: at least, mean per-user AUC.
        ndcg_protocol: under which the first is gated; it is told under all.
        auc_protocol: the same for the second.
        placements: gated ones; none takes all.
        is_red: whether a missed threshold holds the night; else it is yellow.
    """

    ndcg_5: Share = 0.65
    auc: Share = 0.92
    ndcg_protocol: Protocol = "positives_99_uniform"
    auc_protocol: Protocol = "full_catalogue"
    placements: tuple[str, ...] = ()
    is_red: bool = False


class Fairness(Section, frozen=True):
    """How far quality may differ between groups of users.

    Attributes:
        max_gap: between the best and the worst group, in NDCG at k and in AUC.
        min_users: a group with fewer is not compared.
        holds: whether a red gap between the groups of `segments.columns` holds the night; else it is yellow.
        segment_holds: the same for the segment, which shops often draw by behaviour: who buys more is foreseen better.
        max_groups: item groups of one kind told, by recent buyers.
        price_bands: groups of items by price, equally many each.
    """

    max_gap: Share = 0.02
    min_users: Positive = 100
    holds: bool = True
    segment_holds: bool = False
    max_groups: Positive = 12
    price_bands: Positive = 5


class Suspicion(Section, frozen=True):
    """Quality that is too good to be true: something of the future is known.

    Attributes:
        max_auc: mean per-user AUC over the full catalogue.
        max_ndcg: NDCG at k over the full catalogue.
        max_gain: NDCG at k over that of the naive reference.
        sampled_users: users whose stored features are made again from the events by their date, and as many items.
    """

    max_auc: Share = 0.995
    max_ndcg: Share = 0.9
    max_gain: AboveOne = 10.0
    sampled_users: Count = 200
