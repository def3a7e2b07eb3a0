"""What an explanation holds."""

from __future__ import annotations

import datetime as dt
from typing import Any, Literal

import msgspec


class SourceScore(msgspec.Struct, frozen=True, kw_only=True):
    """One source's opinion of an item.

    Attributes:
        score: None where the source knows nothing of it.
        rank: among the source's proposals to the user, from 1; None where it did not propose the item.
    """

    source: str
    score: float | None
    rank: int | None


class Contribution(msgspec.Struct, frozen=True, kw_only=True):
    """What one feature adds to the ranker's score (TreeSHAP): all of them and `base` sum to it.

    Attributes:
        value: of the feature; None where it is unknown.
    """

    feature: str
    value: float | None
    contribution: float


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """How one feature moved an item between two nights.

    Attributes:
        change: of its contribution, each night by its own ranker.
    """

    feature: str
    before: float | None
    now: float | None
    change: float


class Nearest(msgspec.Struct, frozen=True, kw_only=True):
    """A source that did not propose an item, and how far it was from that.

    Attributes:
        rank: that its score would have among the items the source may propose to the user.
        proposes: how many it proposes.
    """

    source: str
    score: float
    rank: int
    proposes: int


class Movement(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an item since the night before.

    Attributes:
        kind: `first` without an earlier list, `out` for an item in neither.
        place_before: from 1; None where it was not in the list.
        place_now: the same.
        why: a sentence.
        changes: features whose contribution changed most in that direction.
    """

    kind: Literal["first", "entered", "left", "stayed", "out"]
    place_before: int | None
    place_now: int | None
    why: str
    changes: list[Change] = []


class ItemExplanation(msgspec.Struct, frozen=True, kw_only=True):
    """One item of a user, listed or not.

    Attributes:
        place: in the list of the night, from 1; None where it is not in it.
        place_served: in the list that is served now.
        ranker_rank: among the candidates that the placement may show.
        ranker_score: sum of `base` and all contributions.
        reason: what the user is told; None for an item that is not listed.
        source: that the reason stands for.
        stages: what happened between the ranker and the list.
        recorded: what the tables hold of it beside this: column -> value.
        nearest: for an item that is no candidate, the sources that were nearest to it.
    """

    item_id: str
    title: str | None
    place: int | None
    place_served: int | None
    ranker_rank: int | None
    ranker_score: float | None
    base: float | None
    reason: str | None
    source: str | None
    anchor: str | None
    sources: list[SourceScore]
    contributions: list[Contribution]
    stages: list[str]
    recorded: dict[str, Any]
    nearest: list[Nearest]
    movement: Movement


class Versions(msgspec.Struct, frozen=True, kw_only=True):
    """What the explanation is of.

    Attributes:
        snapshot: that is served now; None before the first night.
        as_of: of the lists explained.
        before: of the lists compared with; None where there are none.
        artifacts: SHA-256 of each model artifact of the date.
        booster: name in the ranker artifact.
        settings: fingerprint the ranker was made with.
        is_same_settings: whether the present settings have the same.
    """

    snapshot: str | None
    as_of: dt.date
    before: dt.date | None
    artifacts: dict[str, str]
    booster: str
    settings: str
    is_same_settings: bool


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Why a user's list is what it is.

    Attributes:
        whose: `personal`, or `fallback` for a user without an own list: a fallback list has no candidates to explain.
        system: whose lists the placement publishes: `two_stage`, or a source, by whose ranks the items stand.
        items: in the list's order, or the one asked for.
        left: of the items that left since the night before, in their old order.
    """

    user_id: str
    placement: str
    segment: str | None
    whose: Literal["personal", "fallback"]
    system: str
    n_candidates: int
    n_listed: int
    versions: Versions
    items: list[ItemExplanation]
    left: list[ItemExplanation]
