"""`personalize`: one JSON object a user, as a batch inference job writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from export.digest.formats.shapes import Campaign, Mailing, Shape


def _entry(mailing: Mailing) -> object:
    places = mailing.chosen.places
    return {
        "input": {"userId": mailing.chosen.user_id},
        "output": {
            "recommendedItems": [place.item_id for place in places],
            "scores": [place.score for place in places],
        },
        "error": None,
    }


def _request(_campaign: Campaign, entries: Sequence[msgspec.Raw]) -> object:
    return entries[0] if entries else None


PERSONALIZE: Final = Shape(name="personalize", entry=_entry, request=_request)
