"""The settings' section of outcomes: what the shop tells of lists that were shown, and when an estimate is refused."""

from __future__ import annotations

from contracts.sections import Count, Positive, Section, Share


class Outcomes(Section, frozen=True):
    """How far back the feed is joined, and limits of the outcome report and of off-policy estimates.

    Attributes:
        log_days: an outcome is joined with snapshots of so many days before it landed.
        again_days: a row that landed before is looked for in so many days before and after.
        max_users: users whose outcomes are read into a report, by a stable hash.
        min_overlap: share of the logged slots that the other policy could show; below it there is no estimate.
        min_support: share of what the other policy shows that the logging policy could show, by the mean weight.
        min_effective_slots: effective sample size, in slots.
        min_rewards: logged rewards in slots that the other policy could show.
    """

    log_days: Count = 35
    again_days: Count = 7
    max_users: Positive = 50_000
    min_overlap: Share = 0.1
    min_support: Share = 0.9
    min_effective_slots: Count = 300
    min_rewards: Count = 20
