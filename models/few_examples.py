"""How a ranker learns from few purchases: fewer trees, every loss, several seeds."""

from __future__ import annotations

from typing import Final, NamedTuple

from contracts.settings import Loss, Ranker

MIN_SHARE: Final = 0.3


class Recipe(NamedTuple):
    """What a model is made of: one booster a loss and seed, whose scores are added.

    Attributes:
        losses: what is minimised, LightGBM's words.
        rounds: trees of each booster.
        seeds: boosters of each loss, which differ in the features drawn for each tree.
    """

    losses: tuple[Loss, ...]
    rounds: int
    seeds: int


def recipe_of(n_bought: int, settings: Ranker) -> Recipe:
    """The recipe for so many bought examples; from `few_examples` on it is the settings' own.

    Below, the trees fall with the root of their number, as the error of a learnt gain grows with it, but not under
    `MIN_SHARE` of the settings'. One booster of little data is mostly its own chance: the sum of boosters of several
    seeds and of two losses errs less than each (Breiman 1996, Bagging Predictors).

    Args:
        n_bought: examples that were bought.
        settings: of the placement's ranker; losses that they name hold in any case.
    """
    if n_bought >= settings.few_examples:
        return Recipe(settings.losses or ("lambdarank",), settings.n_estimators, 1)
    share = max((n_bought / settings.few_examples) ** 0.5, MIN_SHARE)
    rounds = max(round(settings.n_estimators * share), 1)
    return Recipe(settings.losses or ("lambdarank", "binary"), rounds, settings.few_seeds)
