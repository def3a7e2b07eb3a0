"""The settings of the ranker, and those that a placement has of its own."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

from contracts.sections import Count, Positive, PositiveFloat, Section, Share

Loss = Literal["lambdarank", "binary"]
Weight = Annotated[float, msgspec.Meta(ge=0)]


class Shares(NamedTuple):
    """Kept shares of the candidates that were not bought: of the user's own items, and of new ones."""

    own: float
    new: float


class OwnRanker(Section, frozen=True):
    """What the ranker of one placement has of its own; what is not set is as in `[ranker]`, which says what it is."""

    negative_share: Share | UnsetType = UNSET
    draws: Positive | UnsetType = UNSET
    losses: tuple[Loss, ...] | UnsetType = UNSET
    few_examples: Count | UnsetType = UNSET
    few_seeds: Positive | UnsetType = UNSET
    n_estimators: Positive | UnsetType = UNSET
    learning_rate: PositiveFloat | UnsetType = UNSET
    num_leaves: Positive | UnsetType = UNSET
    min_data_in_leaf: Positive | UnsetType = UNSET
    feature_fraction: Share | UnsetType = UNSET
    lambda_l2: Weight | UnsetType = UNSET
    lambdarank_truncation_level: Positive | UnsetType = UNSET

    def has(self, name: str) -> bool:
        """Whether the setting is the placement's own."""
        return getattr(self, name, UNSET) is not UNSET


class Ranker(Section, frozen=True):
    """LightGBM and its training windows. Lower-case words are LightGBM's.

    Attributes:
        windows: past windows trained on.
        few_users: a shop of fewer known users learns from `few_users_windows`, as far as its history goes.
        few_users_windows: past windows of such a shop.
        window_days: length of the window that follows each cut.
        stride_days: days between two cuts.
        windows_at_once: windows made side by side; each needs the memory of a factorization on the driver.
        year_ago: adds the window that follows this day a year ago, where the history reaches back so far.
        grid_days: cuts lie on multiples of so many days, so that nights share them.
        max_examples: rows trained on; windows are thinned by user to fit.
        negative_share: share of the unbought candidates that a booster learns from, uniformly over own and new items.
        draws: boosters of each loss, no two of which learn from the same unbought candidates; their scores are added.
        losses: what is minimised; of several the scores are added. None takes lambdarank, and binary beside it where
            little was bought.
        few_examples: below so many bought examples a model has fewer trees, and is the sum of several.
        few_seeds: boosters that such a model has of each loss.
        placements: what the ranker of a placement has of its own.
    """

    windows: Positive = 4
    few_users: Count = 1_000
    few_users_windows: Positive = 12
    window_days: Positive = 28
    stride_days: Positive = 28
    windows_at_once: Positive = 2
    year_ago: bool = True
    grid_days: Positive = 7
    max_examples: Positive = 2_000_000
    negative_share: Share = 0.2
    draws: Positive = 1
    losses: tuple[Loss, ...] = ()
    few_examples: Count = 20_000
    few_seeds: Positive = 3
    n_estimators: Positive = 130
    learning_rate: PositiveFloat = 0.08
    num_leaves: Positive = 31
    min_data_in_leaf: Positive = 200
    feature_fraction: Share = 0.5
    lambda_l2: Weight = 5.0
    lambdarank_truncation_level: Positive = 20
    placements: dict[str, OwnRanker] = msgspec.field(default_factory=dict)

    def of(self, placement: str) -> Ranker:
        """The settings of a placement's ranker: its own over these."""
        own = self.placements.get(placement, OwnRanker())
        return msgspec.structs.replace(self, **{name: getattr(own, name) for name in OWN if own.has(name)})

    @property
    def drawn_share(self) -> float:
        """Share of the unbought candidates that all draws together take."""
        return self.negative_share * self.draws

    def with_own(self, placement: str, name: str, value: object) -> Ranker:
        """These settings with one more that a placement has of its own."""
        own = msgspec.structs.replace(self.placements.get(placement, OwnRanker()), **{name: value})
        return msgspec.structs.replace(self, placements={**self.placements, placement: own})


OWN = tuple(field.name for field in msgspec.structs.fields(OwnRanker))
"""The settings that a placement's ranker may have of its own."""


def check_rankers(wanted: Ranker, placements: tuple[str, ...]) -> None:
    """Passes where settings of one placement are of one that there is, and nobody draws more than there is.

    Raises:
        ValueError: naming the placement.
    """
    if absent := [name for name in wanted.placements if name not in placements]:
        raise ValueError(f"ranker.placements has {absent}; known are {list(placements)}")
    if greedy := [name for name in placements if wanted.of(name).drawn_share > 1]:
        raise ValueError(f"ranker.negative_share times ranker.draws is above 1 for {greedy}")
