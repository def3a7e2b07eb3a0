"""The settings' section of users whose traffic is no shopper's."""

from __future__ import annotations

from typing import Annotated

import msgspec

from contracts.sections import Positive, PositiveFloat, Section, Share


class Traffic(Section, frozen=True):
    """Limits beyond which a user is left out of what is learnt and counted, and still served.

    Attributes:
        days: recent days whose events are looked at.
        max_events_per_day: events of one user on one day.
        max_items_per_day: distinct items of one user on one day.
        max_events_per_hour: mean over the time between the first and the last event of a day, an hour at least; a day
            whose events have one time says nothing.
        max_catalogue_share: of all known items bought by one user.
        catalogue_from_items: the share counts from so many items bought on.
        quantile: of the users' events in these days, which the factor multiplies.
        quantile_factor: events above so many times the quantile.
        quantile_from_users: the factor counts where so many users had an event.
    """

    days: Positive = 365
    max_events_per_day: Positive = 1000
    max_items_per_day: Positive = 500
    max_events_per_hour: Positive = 600
    max_catalogue_share: Share = 0.6
    catalogue_from_items: Positive = 100
    quantile: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.99
    quantile_factor: PositiveFloat = 20.0
    quantile_from_users: Positive = 100
