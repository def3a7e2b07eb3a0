"""What a format is, and what it is given of each recipient."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from contracts.digest_section import Mail
from contracts.errors import InputInvalid
from export.digest import keys, links
from export.digest.lines import Chosen
from export.digest.tables import Lines
from export.format.items import Item


@dataclass(frozen=True, slots=True)
class Campaign:
    """What is the same for every recipient."""

    name: str
    placement: str
    snapshot: str
    as_of: dt.date
    expires_at: dt.datetime
    item_url: str
    mail: Mail
    key: bytes | None

    def tracking_ids(self, user_id: str, item_ids: Sequence[str]) -> list[str | None]:
        """One a place, best first; all None without a key."""
        if self.key is None:
            return [None] * len(item_ids)
        about = (self.name, self.snapshot, self.placement, user_id)
        return list(keys.tracking_ids(self.key, about, item_ids))

    def token(self, user_id: str) -> str:
        """The recipient's unsubscribe token.

        Raises:
            InputInvalid: no key was given.
        """
        if self.key is None:
            raise InputInvalid(
                "There is no key for tracking ids and unsubscribe tokens",
                where="the variable DIGEST_KEY",
                todo="Set it to some 64 hex digits, such as those of `openssl rand -hex 32`, and keep it.",
            )
        return keys.unsubscribe_token(self.key, user_id)


@dataclass(frozen=True, slots=True)
class Mailing:
    """One recipient's list with what the catalogue says of its items."""

    campaign: Campaign
    chosen: Chosen
    items: Sequence[Item]

    def products(self) -> list[dict[str, Any]]:
        """One object a place, best first; what is not known is left out."""
        rows = zip(self.chosen.places, self.items, self.chosen.tracking_ids, strict=True)
        made = []
        for rank, (place, item, tracking_id) in enumerate(rows, start=1):
            url = links.item_url(self.campaign.item_url, item.item_id)
            facts = {
                "rank": rank,
                "item_id": item.item_id,
                "title": item.title,
                "reason": place.reason,
                "price": item.price,
                "image_url": item.image_url,
                "url": links.tracked(url, self.campaign.mail.tracking_parameter, tracking_id),
                "tracking_id": tracking_id,
            }
            made.append({name: value for name, value in facts.items() if value is not None})
        return made


@dataclass(frozen=True, slots=True)
class Shape:
    """One sender's format.

    Attributes:
        entry: what is made of one recipient.
        request: the line made of the encoded entries.
        max_entries: entries a line, at most.
        max_bytes: bytes a line, at most.
        needs_addresses: mail addresses must be given.
    """

    name: str
    entry: Callable[[Mailing], object]
    request: Callable[[Campaign, Sequence[msgspec.Raw]], object]
    max_entries: int = 1
    max_bytes: int = 2**63
    needs_addresses: bool = False


class Batches:
    """Recipients gathered into lines of a shape.

    Attributes:
        n: recipients written.
    """

    def __init__(self, shape: Shape, campaign: Campaign, lines: Lines) -> None:
        """Writes to `lines`."""
        self._shape, self._campaign, self._lines = shape, campaign, lines
        self._empty = len(msgspec.json.encode(shape.request(campaign, ())))
        self._entries: list[msgspec.Raw] = []
        self._bytes = self._empty
        self.n = 0

    def add(self, mailing: Mailing) -> None:
        """One recipient.

        Raises:
            InputInvalid: the recipient alone is more than a line may hold.
        """
        data = msgspec.json.encode(self._shape.entry(mailing))
        size = len(data) + 1
        if self._empty + size > self._shape.max_bytes:
            raise InputInvalid(
                f"A recipient takes {size:,} bytes, {self._shape.name} allows {self._shape.max_bytes:,} a request",
                where=self._shape.name,
                todo="Lower digest.k.",
            )
        if len(self._entries) == self._shape.max_entries or self._bytes + size > self._shape.max_bytes:
            self.flush()
        self._entries.append(msgspec.Raw(data))
        self._bytes += size
        self.n += 1

    def flush(self) -> None:
        """What was gathered is written."""
        if self._entries:
            self._lines.write(self._shape.request(self._campaign, self._entries))
        self._entries, self._bytes = [], self._empty
