"""One recipient's mail: HTML made from MJML, a plain-text part, and the headers that a mail program asks for.

Titles and ids are a stranger's text. Templates run in a sandbox, everything in the HTML is escaped, and an address that
is not http or https is no link.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from contracts.errors import EnvironmentUnfit, InputInvalid, SettingsError
from export.digest import links
from export.digest.formats.shapes import Campaign, Mailing
from export.digest.lines import Kind, Place
from export.format.items import Item

if TYPE_CHECKING:
    from jinja2 import Environment

UNFOLDED: Final = SMTP.clone(max_line_length=900)
"""Some mail programs do not read a List-Unsubscribe that begins on the next line."""
OURS: Final = Path(__file__).parent / "templates"
SHORT_TITLE: Final = 72
JOINERS: Final = "\u200c\u200d"
HEADLINES: Final[dict[Kind, tuple[str, str]]] = {
    "personal": ("Picked for you", "Chosen from what you like, fresh today."),
    "filled": ("Picked for you", "Chosen from what you like, and what others love."),
    "segment": ("Popular with shoppers like you", "What people with your taste buy most."),
    "popular": ("Popular this month", "What our shoppers buy most."),
}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mail.

    Attributes:
        html: the HTML part.
        text: the plain-text part.
        message: the whole mail as it is sent, CRLF.
    """

    html: str
    text: str
    message: bytes


class Renderer:
    """Renders mails of one campaign; the same list gives the same bytes."""

    def __init__(self, campaign: Campaign, *, shop: str, send_on: dt.date) -> None:
        """Mails of the shop, dated the day `send_on`.

        Raises:
            EnvironmentUnfit: the packages of the extra `email` are not installed.
            SettingsError: there is no https address to unsubscribe at.
        """
        self._campaign, self._shop, self._send_on = campaign, shop, send_on
        own = Path(campaign.mail.templates) if campaign.mail.templates else None
        self._pages = environment([own, OURS] if own else [OURS])
        links.unsubscribe_url(campaign.mail, "token")

    def render(self, mailing: Mailing) -> Rendered:
        """One recipient's mail.

        Raises:
            InputInvalid: a template of the shop's own cannot be rendered.
            SettingsError: sender or subject is not one line of text.
        """
        view = self._view(mailing)
        html = _html(self._rendered("mail.mjml.jinja", view))
        text = self._rendered("mail.txt.jinja", view)
        return Rendered(html, text, self._message(mailing, html, text))

    def _rendered(self, name: str, view: dict[str, Any]) -> str:
        from jinja2 import TemplateError

        try:
            return self._pages.get_template(name).render(view)
        except TemplateError as error:
            raise InputInvalid(
                f"The template cannot be rendered: {type(error).__name__}: {error}",
                where=name,
                todo="Correct the template in the folder that digest.mail.templates names.",
            ) from error

    def _view(self, mailing: Mailing) -> dict[str, Any]:
        campaign, chosen = self._campaign, mailing.chosen
        rows = zip(chosen.places, mailing.items, chosen.tracking_ids, strict=True)
        items = [self._item(*row) for row in rows]
        headline, intro = HEADLINES[chosen.kind]
        alone = len(items) % 2  # an odd list has its best item alone on top
        return {
            "shop": clean(self._shop),
            "subject": clean(campaign.mail.subject),
            "headline": headline,
            "intro": intro,
            "preheader": " · ".join(str(item["short_title"]) for item in items[:3]),
            "items": items,
            "rows": [items[:alone]] * alone + [items[i : i + 2] for i in range(alone, len(items), 2)],
            "accent": campaign.mail.accent,
            "as_of": f"{campaign.as_of:%-d %B %Y}",
            "unsubscribe_url": links.unsubscribe_url(campaign.mail, campaign.token(chosen.user_id)),
        }

    def _item(self, place: Place, item: Item, tracking_id: str | None) -> dict[str, str | None]:
        mail = self._campaign.mail
        title = clean(item.title or "") or f"Item {clean(item.item_id)}"
        url = links.web_url(links.item_url(self._campaign.item_url, item.item_id))
        return {
            "title": title,
            "short_title": shortened(title),
            "initial": next((c.upper() for c in title if c.isalnum()), "·"),
            "reason": sentence(clean(place.reason)),
            "price": None if item.price is None else mail.price_format.format(price=item.price),
            "image_url": links.web_url(item.image_url),
            "url": links.tracked(url, mail.tracking_parameter, tracking_id),
        }

    def _message(self, mailing: Mailing, html: str, text: str) -> bytes:
        mail, chosen = self._campaign.mail, mailing.chosen
        mark = hashlib.blake2b(f"{self._campaign.snapshot}\n{text}".encode(), digest_size=16).hexdigest()
        message = EmailMessage(policy=SMTP)
        domain = mail.sender.rpartition("@")[2].strip("> ") or "localhost"
        headers = {
            "From": mail.sender,
            "To": chosen.email or "undisclosed-recipients:;",
            "Subject": mail.subject,
            "Date": dt.datetime.combine(self._send_on, dt.time(6), dt.UTC),
            "Message-ID": f"<{mark}@{domain}>",
            **links.unsubscribe_headers(mail, self._campaign.token(chosen.user_id)),
        }
        try:
            for name, value in headers.items():
                message[name] = value
        except ValueError as error:
            raise SettingsError(
                f"A header cannot be written: {error}", where="digest.mail", todo="Give sender and subject in one line."
            ) from error
        message.set_content(text, cte="quoted-printable")
        message.add_alternative(html, subtype="html", cte="quoted-printable")
        message.set_boundary(f"larder-{mark}")
        return message.as_bytes(policy=UNFOLDED)


def environment(folders: Sequence[Path]) -> Environment:
    """Templates of the folders, the first that has one of a name: sandboxed, escaped but for `.txt`, strict.

    Raises:
        EnvironmentUnfit: jinja2 is not installed.
    """
    try:
        from jinja2 import FileSystemLoader, StrictUndefined
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError as error:
        raise _unfit("jinja2") from error
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader([str(folder) for folder in folders]),
        autoescape=lambda name: name is None or not name.endswith(".txt.jinja"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def clean(text: str) -> str:
    """The text in one line, without control characters; letters that join others keep their joiners."""
    kept = (c if c.isprintable() or c in JOINERS else " " for c in unicodedata.normalize("NFC", text))
    return " ".join("".join(kept).split())


def sentence(text: str) -> str:
    """The text with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def shortened(title: str) -> str:
    """The title, cut at a word where it is longer than a card has room for."""
    if len(title) <= SHORT_TITLE:
        return title
    head = title[: SHORT_TITLE - 1]
    words = head.rpartition(" ")[0]
    return f"{(words if len(words) > SHORT_TITLE // 2 else head).rstrip(' ,;:.-')}…"


def _html(mjml: str) -> str:
    try:
        from mjml import mjml2html
    except ImportError as error:
        raise _unfit("mjml-python") from error
    try:
        return str(mjml2html(mjml, disable_comments=True, fonts={}))
    except ValueError as error:
        raise InputInvalid(
            f"The template is no MJML: {error}", where="mail.mjml.jinja", todo="Correct the shop's own template."
        ) from error


def _unfit(package: str) -> EnvironmentUnfit:
    return EnvironmentUnfit(
        f"The package {package} is not installed", where="the Python environment", todo="Install larder[email]."
    )
