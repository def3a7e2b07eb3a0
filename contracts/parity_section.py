"""The settings' section of the parity check."""

from __future__ import annotations

from contracts.sections import Count, Section


class Parity(Section, frozen=True):
    """How many lists in the store are made a second time before they are served.

    Attributes:
        users: drawn by a hash of seed, date and id; 0 checks none.
        max_users_differing: more users whose list differs beyond the tolerance hold the flip.
    """

    users: Count = 1000
    max_users_differing: Count = 0
