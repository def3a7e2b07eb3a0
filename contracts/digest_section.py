"""The settings' section of the email team: what its files hold, who is mailed, and the mail."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from contracts.sections import Count, Positive, Section, Share


class Mail(Section, frozen=True):
    """The mail that `larder digest preview` shows, and what a sender needs beside the lists.

    Attributes:
        sender: the From header.
        template: name of the sender's own template, for the format that asks for one.
        templates: folder of the shop's own `mail.mjml.jinja` or `mail.txt.jinja`; empty takes ours.
        unsubscribe_url: https; `{token}` stands for the recipient's token.
        unsubscribe_address: mailbox for the same, beside the URL.
        tracking_parameter: of the links in a mail; it carries the slot's tracking id. Empty for none.
        price_format: how a price is written.
        accent: colour of headings and links.
    """

    sender: str = "Shop <mail@shop.example>"
    subject: str = "Picked for you"
    template: str = "digest"
    templates: str = ""
    unsubscribe_url: str = ""
    unsubscribe_address: str = ""
    tracking_parameter: str = "slot"
    price_format: Annotated[str, msgspec.Meta(pattern=r"^[^{}]*\{price(:,?\.\df)?\}[^{}]*$")] = "{price:,.2f}"
    accent: Annotated[str, msgspec.Meta(pattern="^#[0-9a-fA-F]{6}$")] = "#1f6f50"


class Digest(Section, frozen=True):
    """The email team's files.

    Attributes:
        placements: written by default; none takes `email` where the settings have such a placement, else all.
        k: items a recipient, at most.
        min_items: fewer is a short list.
        short_lists: a short list is filled up from the fallback list, replaced by it, or its recipient dropped.
        holdout_share: share of the recipients who are kept from the mail, to measure what it does.
        holdout_salt: another one draws another group.
        memory_days: so long an item that was mailed and not clicked sinks in its recipient's list.
        expires_after_hours: after the end of the day the lists are as of.
        compression: of the JSON lines.
        suppression: files of users who get no mail; a file's name is the reason.
        consent: file of the users who may be mailed; empty asks for none.
        sends: file of what was mailed.
        item_url: of an item's page; `{item_id}` stands for its id.
    """

    placements: tuple[str, ...] = ()
    k: Positive = 10
    min_items: Positive = 1
    short_lists: Literal["fill", "replace", "drop"] = "fill"
    holdout_share: Share = 0.0
    holdout_salt: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] = "digest"
    memory_days: Count = 28
    expires_after_hours: Positive = 48
    compression: Literal["zstd", "none"] = "zstd"
    suppression: tuple[str, ...] = ()
    consent: str = ""
    sends: str = ""
    item_url: str = ""
    mail: Mail = Mail()
