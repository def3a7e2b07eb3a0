"""`klaviyo`: bodies of profile bulk import jobs; the list is a property of the profile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from export.digest.formats.shapes import Campaign, Mailing, Shape

MAX_PROFILES: Final = 10_000
MAX_BYTES: Final = 5_000_000


def _entry(mailing: Mailing) -> object:
    campaign = mailing.campaign
    return {
        "type": "profile",
        "attributes": {
            "external_id": mailing.chosen.user_id,
            "properties": {
                f"{campaign.placement}_list": {
                    "list": mailing.chosen.kind,
                    "snapshot": campaign.snapshot,
                    "as_of": campaign.as_of,
                    "expires_at": campaign.expires_at,
                    "items": mailing.products(),
                }
            },
        },
    }


def _request(_campaign: Campaign, entries: Sequence[msgspec.Raw]) -> object:
    return {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": entries}}}}


KLAVIYO: Final = Shape(name="klaviyo", entry=_entry, request=_request, max_entries=MAX_PROFILES, max_bytes=MAX_BYTES)
