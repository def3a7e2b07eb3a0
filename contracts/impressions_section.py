"""The settings' section of impressions: what the ranker learns from the log of what was shown."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts.sections import Positive, Section, Share


class Impressions(Section, frozen=True):
    """How windows with logged impressions become examples. Without a log nothing of it counts.

    Attributes:
        enabled: whether the log is learnt from.
        unshown_share: kept share of the candidates that a user with impressions was neither shown nor bought. They are
            no evidence, but a ranker that sees none of them learns to avoid whatever is shown; together they count
            for as much as ranker.negative_share of them.
        click_gain: worth of a candidate that was shown and clicked or carted, and not bought, in purchases. 0 leaves
            such candidates out.
        min_examination: lower limit of the examination of a position.
        min_clicks: a position with fewer comparable clicks takes the examination of the nearest one that has them.
    """

    enabled: bool = True
    unshown_share: Share = 0.1
    click_gain: Share = 0.2
    min_examination: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    min_clicks: Positive = 50
