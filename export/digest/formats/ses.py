"""`ses`: bodies of SendBulkEmail requests, 50 recipients each, with the data of the sender's own template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from export.digest import links
from export.digest.formats.shapes import Campaign, Mailing, Shape

MAX_DESTINATIONS: Final = 50


def _entry(mailing: Mailing) -> object:
    campaign = mailing.campaign
    token = campaign.token(mailing.chosen.user_id)
    data = {
        "list": mailing.chosen.kind,
        "unsubscribe_url": links.unsubscribe_url(campaign.mail, token),
        "items": mailing.products(),
    }
    headers = links.unsubscribe_headers(campaign.mail, token)
    return {
        "Destination": {"ToAddresses": [mailing.chosen.email]},
        "ReplacementEmailContent": {
            "ReplacementTemplate": {"ReplacementTemplateData": msgspec.json.encode(data).decode()}
        },
        "ReplacementHeaders": [{"Name": name, "Value": value} for name, value in headers.items()],
    }


def _request(campaign: Campaign, entries: Sequence[msgspec.Raw]) -> object:
    return {
        "FromEmailAddress": campaign.mail.sender,
        "DefaultContent": {"Template": {"TemplateName": campaign.mail.template, "TemplateData": '{"items":[]}'}},
        "DefaultEmailTags": [{"Name": "snapshot", "Value": campaign.snapshot}],
        "BulkEmailEntries": entries,
    }


SES: Final = Shape(
    name="ses", entry=_entry, request=_request, max_entries=MAX_DESTINATIONS, max_bytes=10_000_000, needs_addresses=True
)
