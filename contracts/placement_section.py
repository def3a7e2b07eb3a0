"""The settings' sections of what a list is for: where it shows, and by which objectives it is ordered."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts.sections import Count, Positive, Section

Weight = Annotated[float, msgspec.Meta(ge=0)]
OBJECTIVES: Final = ("engagement", "diversity", "margin", "spread")


class Objectives(Section, frozen=True):
    """What a list is ordered by: weights of normalised scores, of which only the ratios matter.

    Attributes:
        engagement: weight of the ranker's score.
        diversity: weight of being unlike what stands higher in the list.
        margin: weight of the catalogue's margins; without any it goes to the others.
        spread: weight of items that few lists show.
        similarity: by what two items are alike, in equal parts: `taste` (ALS factors), or a code of the catalogue.
        span_places: places over which the ranker's score falls from 1 to 0.
        reach_places: first places of the ranker's lists in which an item's reach is counted.
    """

    engagement: Weight = 0.60
    diversity: Weight = 0.25
    margin: Weight = 0.15
    spread: Weight = 0.0
    similarity: Annotated[
        tuple[Literal["taste", "category", "department", "brand"], ...], msgspec.Meta(min_length=1)
    ] = ("taste", "category")
    span_places: Annotated[int, msgspec.Meta(ge=2)] = 5
    reach_places: Positive = 10

    def __post_init__(self) -> None:
        if not any(getattr(self, name) for name in OBJECTIVES):
            raise ValueError("objectives need a weight above 0")

    def weights(self, over: dict[str, float]) -> dict[str, float]:
        """Weight by objective, in the order of OBJECTIVES, those in `over` first."""
        return {name: over.get(name, getattr(self, name)) for name in OBJECTIVES}


class Placement(Section, frozen=True):
    """Where lists show.

    Attributes:
        repeats: True allows items the user already bought (where the shop allows repeats).
        length: items in a list.
        max_per_category: items of one category in a list, 0 for no cap.
        objectives: weights that differ here from those of the section `objectives`.
    """

    repeats: bool
    length: Positive = 50
    max_per_category: Count = 0
    objectives: dict[str, Weight] = msgspec.field(default_factory=dict)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.objectives) - set(OBJECTIVES)):
            raise ValueError(f"objectives has unknown names {unknown}; known are {list(OBJECTIVES)}")


def by_score_alone(placement: Placement) -> Placement:
    """The placement with lists in the order of their scores, as those of a single source are."""
    return msgspec.structs.replace(placement, objectives=dict.fromkeys(OBJECTIVES, 0.0) | {"engagement": 1.0})


def default_placements() -> dict[str, Placement]:
    """A list with and one without what the user bought before; the latter reaches further into the assortment."""
    return {"home": Placement(repeats=True), "discover": Placement(repeats=False, objectives={"spread": 0.25})}


def check_weights(objectives: Objectives, placements: dict[str, Placement]) -> None:
    """Passes where every placement has something to be ordered by.

    Raises:
        ValueError: all of a placement's weights are 0.
    """
    for name, placement in placements.items():
        if not any(objectives.weights(placement.objectives).values()):
            raise ValueError(f"placements.{name}.objectives leave no weight above 0")
