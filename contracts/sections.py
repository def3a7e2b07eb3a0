"""The sections of the settings: typed, with defaults, units and limits."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Ladder = tuple[Share, Share]
"""Where a gate becomes yellow, and where red."""
PositiveFloat = Annotated[float, msgspec.Meta(gt=0)]
Role = Literal["view", "click", "cart", "purchase", "cancellation", "ignore"]

SOURCE_NAMES: Final = (
    "own", "als", "als_long", "covisit", "last_basket", "content", "category", "popular", "segment", "trend",
    "arrivals",
)  # fmt: skip
SCORER_NAMES: Final = ("ease", "alike")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One table of the settings file."""


class EventType(Section, frozen=True):
    """What one event type means."""

    role: Role
    weight: float = 1.0


def _event_types() -> dict[str, EventType]:
    return {
        "view": EventType(role="view", weight=0.1),
        "click": EventType(role="click", weight=0.2),
        "cart": EventType(role="cart", weight=0.5),
        "purchase": EventType(role="purchase", weight=1.0),
        "cancellation": EventType(role="cancellation", weight=-1.0),
    }


class Shop(Section, frozen=True):
    """What is particular about a shop.

    Attributes:
        columns: our column name -> the shop's, for events, items and users alike.
        event_types: the shop's word -> role and weight.
        event_condition: SQL over an event's columns; rows that fail it are quarantined as `event_condition`.
        exclude_items: SQL over a catalogue row as landed; items for which it holds are never recommended.
        repeats: whether buying an item again is sensible.
        segment: SQL over a user row as landed, giving the segment.
    """

    name: str = "shop"
    columns: dict[str, str] = {}
    event_types: dict[str, EventType] = msgspec.field(default_factory=_event_types)
    event_condition: str = "true"
    exclude_items: str = "false"
    repeats: bool = True
    segment: str = "segment"


class Ingest(Section, frozen=True):
    """Limits on what a landing folder may hold."""

    max_quarantined_share: Share = 0.5
    max_catalogue_shrink: Share = 0.3
    max_id_bytes: Positive = 256


class Spark(Section, frozen=True):
    """The session.

    Attributes:
        shuffle_partitions: 0 takes twice the cores.
        jars: folder of the Delta jars; empty takes `jars` beside the virtual environment.
    """

    master: str = "local[*]"
    driver_memory: str = "3g"
    shuffle_partitions: Count = 0
    block_users: Positive = 512
    jars: str = ""
    conf: dict[str, str] = {}


class Als(Section, frozen=True):
    """Implicit ALS. `factors`, `regularization`, `alpha`, `iterations` are implicit's words."""

    factors: Positive = 64
    regularization: PositiveFloat = 5.0
    alpha: PositiveFloat = 2.0
    iterations: Positive = 15
    warm_iterations: Positive = 2
    max_pairs: Positive = 200_000_000


class Candidates(Section, frozen=True):
    """How many items each source proposes and what bounds a user's row.

    Attributes:
        sources: which sources run, and the order of their columns.
        scorers: what else scores every candidate, for the ranker alone, and proposes none.
        per_source: new items each source proposes.
        max_own: own items kept, strongest first.
        min_item_buyers: items with fewer buyers are not recommended; new arrivals are exempt.
        neighbours: kept for each item by covisit and content.
        covisit_days: days of baskets that covisit counts.
        arrival_days: an item is a new arrival for so long.
        ease_items: the most bought items that the scorer `ease` covers; time grows with their cube.
        ease_users: it is fitted on so many users, drawn by a hash.
        ease_regularization: added to the diagonal of the items' Gram matrix.
        alike_users: the scorer `alike` seeks similar users among so many, drawn by a hash.
        alike_neighbours: similar users of each user who count.
    """

    sources: tuple[str, ...] = SOURCE_NAMES
    scorers: tuple[str, ...] = SCORER_NAMES
    per_source: Positive = 60
    max_own: Positive = 400
    min_item_buyers: Count = 1
    neighbours: Positive = 60
    covisit_days: Positive = 365
    arrival_days: Positive = 35
    ease_items: Positive = 2000
    ease_users: Positive = 200_000
    ease_regularization: PositiveFloat = 300.0
    alike_users: Positive = 20_000
    alike_neighbours: Positive = 200

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sources that a reason can name, by its code: those that run, and `popular`, which fills short lists up."""
        return self.sources if "popular" in self.sources else (*self.sources, "popular")


def check_candidates(wanted: Candidates) -> None:
    """Passes where all sources and scorers are known.

    Raises:
        ValueError: naming those that are not.
    """
    for key, names, known in (
        ("sources", wanted.sources, SOURCE_NAMES),
        ("scorers", wanted.scorers, SCORER_NAMES),
    ):
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"candidates.{key} has unknown names {unknown}; known are {list(known)}")


class Evaluation(Section, frozen=True):
    """The holdout.

    Attributes:
        days: length of the window predicted.
        k: cutoff of the headline metrics.
        max_users: users evaluated, by a stable hash.
        min_users: with fewer in the newest window the choice of what to publish looks at earlier windows too.
        min_item_buyers: the protocol counts only items that reach so many buyers by the end of the window.
        resamples: bootstrap resamples of users.
        references: naive references that a night measures; `larder backtest` measures all there are.
    """

    days: Positive = 28
    k: Positive = 10
    max_users: Positive = 50_000
    min_users: Count = 500
    min_item_buyers: Count = 0
    resamples: Positive = 1000
    references: tuple[str, ...] = ("personal_then_popular", "popular", "cosine", "als_alone", "last_week")
