"""Mails of the digest as they will look, rendered to files."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from pathlib import Path
from typing import Final

import msgspec

from contracts.digest_section import Mail
from contracts.errors import InputInvalid
from contracts.report import JobReport
from contracts.settings import Settings
from export.digest.choosing import Chooser
from export.digest.rendering import Renderer
from export.digest.samples import mailing_of, pick, write_mail, write_samples
from export.digest.writing import Order
from export.stores.base import Reader
from export.stores.opening import store_of
from jobs.mailing.write_digest import Request, default_placements, order_of, snapshot_of
from jobs.paths import layout_of

PREVIEW_KEY: Final = b"of previews only"
EXAMPLE_URL: Final = "https://unsubscribe.example/{token}"


def run(
    settings: Settings,
    *,
    as_of: dt.date | None,
    user: str | None = None,
    sample: int = 0,
    out: Path | None = None,
    request: Request | None = None,
) -> JobReport:
    """One user's mail as `mail.html`, `mail.txt` and `mail.eml`, or so many mails and an index of them.

    What stands for a key and an address to unsubscribe at, where there is none, is said in the report.

    Args:
        as_of: the date of the snapshot; None for the one served now.
        user: any text; one whom the snapshot does not know gets the fallback list.
        sample: mails of an index page, instead of one user's.
        out: `previews` of the root by default.

    Raises:
        SnapshotMissing: the store holds no snapshot of that date.
        InputInvalid: the list of the user is too short to be mailed, or an option cannot be used.
    """
    started = time.perf_counter()
    layout, request = layout_of(settings), request or Request()
    store, folder = store_of(settings.store, layout), out or layout.root / "previews"
    snapshot = store.open(snapshot_of(store, as_of))
    as_of, placement = snapshot.manifest.as_of, (*request.placements, *default_placements(settings))[0]
    order, notes = _preview_order(order_of(settings, store, request, placement, as_of))
    if user is not None:
        n, page = _write_one(folder, settings, snapshot, order, user), "mail.html"
    else:
        n, page = _write_sample(folder, settings, snapshot, order, sample), "index.html"
    details = {"snapshot": snapshot.id, "placement": placement, "open": str(folder / page), **notes}
    seconds = time.perf_counter() - started
    return JobReport(job="preview_mail", as_of=as_of, rows={"mails": n}, details=details, seconds=seconds)


def _preview_order(order: Order) -> tuple[Order, dict[str, str]]:
    """The order with stand-ins for what a preview does without, and what they are."""
    notes: dict[str, str] = {}
    rules, key = order.rules, order.key
    if key is None:
        key, notes["key"] = PREVIEW_KEY, "none given: tracking ids and tokens are not those of a mail"
    if not rules.mail.unsubscribe_url:
        mail: Mail = msgspec.structs.replace(rules.mail, unsubscribe_url=EXAMPLE_URL)
        rules = msgspec.structs.replace(rules, mail=mail)
        notes["unsubscribe_url"] = "digest.mail.unsubscribe_url is not set: an example stands for it"
    if not rules.item_url:
        notes["item_url"] = "digest.item_url is not set: items have no links"
    return dataclasses.replace(order, rules=rules, key=key), notes


def _chooser(snapshot: Reader, order: Order) -> Chooser:
    return Chooser(snapshot, order.placement, order.rules, send_on=order.send_on, unavailable=order.unavailable)


def _write_one(folder: Path, settings: Settings, snapshot: Reader, order: Order, user: str) -> int:
    chooser, campaign = _chooser(snapshot, order), order.campaign_of(snapshot)
    choice = chooser.choose(user)
    if choice.kind is None:
        raise InputInvalid(
            f"{user!r} would get no mail: the list has {len(choice.places)} items",
            where=snapshot.id,
            todo=f"Lower digest.min_items ({order.rules.min_items}), or change digest.short_lists.",
        )
    renderer = Renderer(campaign, shop=settings.shop.name, send_on=order.send_on)
    write_mail(folder, "mail", renderer.render(mailing_of(chooser, campaign, user, choice)))
    return 1


def _write_sample(folder: Path, settings: Settings, snapshot: Reader, order: Order, n: int) -> int:
    campaign, shop = order.campaign_of(snapshot), settings.shop.name
    samples = pick(snapshot, _chooser(snapshot, order), campaign, n)
    if not samples:
        raise InputInvalid("No user has a list that would be mailed", where=snapshot.id, todo="Lower digest.min_items.")
    renderer = Renderer(campaign, shop=shop, send_on=order.send_on)
    write_samples(folder, samples, renderer, shop=shop, campaign=campaign)
    return len(samples)
