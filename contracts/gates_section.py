"""The settings' section of the gates: limits that hold a night."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts.changes_section import Changes
from contracts.parity_section import Parity
from contracts.quality_section import Fairness, Suspicion, Thresholds
from contracts.sections import Count, Section, Share


class Gates(Section, frozen=True):
    """Limits that hold a night.

    Attributes:
        min_coverage_users: share of eligible users with a list or a fallback.
        min_full_lists: share of lists as long as asked.
        max_banned: items in lists that must not be there.
        beat_best_source: whether the two-stage lists are held against single sources, by NDCG at k.
        unearned: what happens where they do not earn their keep. `publish_source` publishes that source's lists instead
            and warns, unless the whole 95 % interval of the paired difference is above zero; `hold` holds the night
            where the whole interval is below zero.
        min_ndcg: per placement, an absolute floor on NDCG at k.
        changes: limits on what changes for the users, with yellow and red.
        thresholds: the success thresholds, and the protocols that gate them.
        fairness: how far quality may differ between groups of users.
        suspicion: quality that is too good to be true.
        parity: the lists in the store beside those made a second time.
    """

    min_coverage_users: Share = 1.0
    min_full_lists: Share = 0.99
    max_banned: Count = 0
    beat_best_source: bool = True
    unearned: Literal["publish_source", "hold"] = "publish_source"
    min_ndcg: dict[str, Share] = msgspec.field(default_factory=dict)
    changes: Changes = Changes()
    thresholds: Thresholds = Thresholds()
    fairness: Fairness = Fairness()
    suspicion: Suspicion = Suspicion()
    parity: Parity = Parity()
