"""Addresses that a mail carries: item pages with the slot's tracking id, and how to unsubscribe."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from contracts.digest_section import Mail
from contracts.errors import SettingsError


def web_url(text: str | None) -> str | None:
    """The text where it is an http or https address, else None: whatever else it is, it must not be a link."""
    if not text or not text.isprintable() or any(c in text for c in " \"'<>\\`"):
        return None
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in {"http", "https"} and parts.hostname else None


def item_url(template: str, item_id: str) -> str | None:
    """The address of an item's page, None where the settings have no template; the id is percent-encoded."""
    return template.replace("{item_id}", quote(item_id, safe="")) if template else None


def tracked(url: str | None, parameter: str, tracking_id: str | None) -> str | None:
    """The address with the slot's tracking id as a parameter of its query."""
    if url is None or not parameter or tracking_id is None:
        return url
    page, mark, fragment = url.partition("#")
    return f"{page}{'&' if '?' in page else '?'}{quote(parameter)}={tracking_id}{mark}{fragment}"


def unsubscribe_url(mail: Mail, token: str) -> str:
    """Where the recipient unsubscribes.

    Raises:
        SettingsError: the settings have no https address for it.
    """
    url = web_url(mail.unsubscribe_url.replace("{token}", token))
    if url is None or not url.startswith("https://") or "{token}" not in mail.unsubscribe_url:
        raise SettingsError(
            "There is no https address to unsubscribe at",
            where="digest.mail.unsubscribe_url",
            todo='Set it, such as "https://shop.example/unsubscribe?t={token}".',
        )
    return url


def unsubscribe_headers(mail: Mail, token: str) -> dict[str, str]:
    """List-Unsubscribe and List-Unsubscribe-Post, for the mail program's own button.

    Raises:
        SettingsError: the settings have no https address for it.
    """
    ways = [f"<{unsubscribe_url(mail, token)}>"]
    if mail.unsubscribe_address:
        ways.append(f"<mailto:{quote(mail.unsubscribe_address, safe='@+')}?subject={token}>")
    return {"List-Unsubscribe": ", ".join(ways), "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
