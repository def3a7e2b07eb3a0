"""`braze`: bodies of requests that set users' attributes, 75 users each; the list is a nested attribute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from export.digest.formats.shapes import Campaign, Mailing, Shape

MAX_USERS: Final = 75


def _entry(mailing: Mailing) -> object:
    campaign = mailing.campaign
    return {
        "external_id": mailing.chosen.user_id,
        "_update_existing_only": True,
        f"{campaign.placement}_list": {
            "list": mailing.chosen.kind,
            "snapshot": campaign.snapshot,
            "as_of": campaign.as_of,
            "expires_at": campaign.expires_at,
            "items": mailing.products(),
        },
    }


def _request(_campaign: Campaign, entries: Sequence[msgspec.Raw]) -> object:
    return {"attributes": entries}


BRAZE: Final = Shape(name="braze", entry=_entry, request=_request, max_entries=MAX_USERS, max_bytes=4_000_000)
