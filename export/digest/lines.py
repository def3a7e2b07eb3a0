"""What a digest's files hold, one struct a kind of line; the JSON Schema is made of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from export.format.items import Item
from export.format.manifest import FileEntry

FORMAT_VERSION: Final = 2
Kind = Literal["personal", "filled", "segment", "popular"]


def _told(text: str) -> msgspec.Meta:
    return msgspec.Meta(description=text)


class Slot(msgspec.Struct, frozen=True, kw_only=True):
    """One place of a list."""

    rank: Annotated[int, _told("1 is best.")]
    item_id: str
    title: Annotated[str | None, _told("Null where the shop gave none.")]
    score: Annotated[
        float, _told("Of the snapshot's list, comparable within it only; an item that sank keeps its own.")
    ]
    source: Annotated[str, _told("The source that is the reason.")]
    reason: Annotated[str, _told("The sentence for the shopper.")]
    tracking_id: Annotated[str | None, _told("Of this slot; null where no key was given.")]


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """A line of lists and holdout."""

    user_id: str
    placement: str
    snapshot: str
    as_of: dt.date
    list: Annotated[
        Kind, _told("Whose list it is; `filled` is the user's own with items of the fallback list behind it.")
    ]
    items: Sequence[Slot]


class CatalogueItem(msgspec.Struct, frozen=True, kw_only=True):
    """A line of items."""

    item_id: str
    title: str | None
    category: str | None
    price: Annotated[float | None, _told("The catalogue's of that night.")]
    image_url: str | None
    url: Annotated[str | None, _told("Of the item's page; null where `digest.item_url` is not set.")]


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the digest was joined with."""

    role: Literal["recipients", "suppression", "consent", "addresses", "sends", "unavailable"]
    name: str
    sha256: str
    users_matched: Annotated[int | None, _told("Users of the digest who stand in it; null where it lists no users.")]


class SendMemory(msgspec.Struct, frozen=True, kw_only=True):
    """Slots that repeat what was mailed to the recipient before and not clicked, as a share of all slots."""

    days: int
    repeat_rate_before: Annotated[float, _told("Had the mailed items not sunk.")]
    repeat_rate_after: float
    later_sends: Annotated[int, _told("Sends on the day of this mail or later, left out of account.")]


class DigestManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest holds. n_considered = n_recipients + n_holdout + the sum of dropped."""

    format_version: int = FORMAT_VERSION
    snapshot: str
    as_of: dt.date
    expires_at: Annotated[dt.datetime, _told("UTC; do not mail these lists from then on.")]
    placement: str
    campaign: str
    send_on: Annotated[dt.date, _told("The day that send memory counts back from.")]
    k: int
    min_items: int
    short_lists: str
    n_considered: int
    n_recipients: int
    recipients: Annotated[dict[str, int], _told("By whose list they got.")]
    dropped: Annotated[dict[str, int], _told("By reason; nobody is counted twice.")]
    holdout_share: float
    n_holdout: int
    n_rows: Annotated[int, _told("Slots of the recipients.")]
    n_items: Annotated[int, _told("Items in lists and holdout.")]
    unavailable_slots: Annotated[
        int, _told("Among the best k of own lists: the item cannot be had, another took its place.")
    ]
    overlay: Annotated[str | None, _told("The eligibility overlay that was applied.")]
    send_memory: SendMemory | None
    key_name: Annotated[str | None, _told("Of the key of tracking ids and tokens; null without one.")]
    inputs: list[Input]
    files: Annotated[
        dict[str, FileEntry], _told("`records` are recipients in *.jsonl, rows in *.csv, items in items.*")
    ]


@dataclass(frozen=True, slots=True)
class Place:
    """One place of a chosen list, before it is written; `index` is the item's, -1 where the store does not know it."""

    item_id: str
    title: str | None
    score: float
    source: str
    reason: str
    index: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """One user's list, best first.

    Attributes:
        email: empty where no addresses were given.
        tracking_ids: one a place, all None without a key.
    """

    user_id: str
    email: str
    kind: Kind
    places: Sequence[Place]
    tracking_ids: Sequence[str | None]

    def recipient(self, *, placement: str, snapshot: str, as_of: dt.date) -> Recipient:
        """The line of this list."""
        pairs = zip(self.places, self.tracking_ids, strict=True)
        slots = [
            Slot(
                rank=rank,
                item_id=place.item_id,
                title=place.title,
                score=place.score,
                source=place.source,
                reason=place.reason,
                tracking_id=tracking_id,
            )
            for rank, (place, tracking_id) in enumerate(pairs, start=1)
        ]
        return Recipient(
            user_id=self.user_id, placement=placement, snapshot=snapshot, as_of=as_of, list=self.kind, items=slots
        )


def catalogue_item(item: Item, url: str | None) -> CatalogueItem:
    """The line of an item."""
    return CatalogueItem(
        item_id=item.item_id,
        title=item.title,
        category=item.category,
        price=item.price,
        image_url=item.image_url,
        url=url,
    )


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of the lines and the manifest; `files` says which file has which."""
    kinds = {"lists.jsonl": Recipient, "holdout.jsonl": Recipient, "items.jsonl": CatalogueItem,
             "manifest.json": DigestManifest}  # fmt: skip
    _, parts = msgspec.json.schema_components(set(kinds.values()), ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A Larder digest",
        "description": "Each line of a .jsonl file is one object; a .jsonl.zst file is the same compressed.",
        "files": {name: {"$ref": f"#/$defs/{kind.__name__}"} for name, kind in kinds.items()},
        "$defs": parts,
    }
