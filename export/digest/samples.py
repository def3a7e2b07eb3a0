"""Mails that show whether the template holds: the hard cases, then ordinary recipients, and a page of them all."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from export.digest.ahead import read_ahead
from export.digest.audience import Candidate
from export.digest.choosing import Choice, Chooser
from export.digest.formats.shapes import Campaign, Mailing
from export.digest.lines import Chosen
from export.digest.rendering import OURS, Rendered, Renderer, clean, environment
from export.durable import replace_bytes
from export.format.items import Item
from export.stores.base import Reader

MAX_SCANNED: Final = 5_000
NEW_USER: Final = "someone-new"
LONGEST, NO_IMAGE, COLD, RIGHT_TO_LEFT, HOSTILE = (
    "longest title", "no image", "cold-start user", "right-to-left text", "hostile title",
)  # fmt: skip
ORDINARY: Final = "ordinary"
MADE_UP: Final = {
    RIGHT_TO_LEFT: "قميص قطني أبيض بأكمام طويلة، مقاس كبير (XL)",
    HOSTILE: "<script>alert(\"x\")</script><img src=x onerror=alert(1)> {{ 7*7 }} & 'more'",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One mail to look at.

    Attributes:
        case: why it was chosen.
        is_made_up: the case's title stands in for the real one, because the lists that were scanned have none such.
    """

    case: str
    mailing: Mailing
    is_made_up: bool = False


def mailing_of(chooser: Chooser, campaign: Campaign, user_id: str, choice: Choice, *, email: str = "") -> Mailing:
    """The choice with its items and tracking ids; a user with too short a list has it as a popular one."""
    ids = campaign.tracking_ids(user_id, [place.item_id for place in choice.places])
    chosen = Chosen(user_id, email, choice.kind or "popular", choice.places, ids)
    return Mailing(campaign, chosen, [chooser.item(place) for place in choice.places])


def pick(snapshot: Reader, chooser: Chooser, campaign: Campaign, n: int) -> list[Sample]:
    """At most `n` mails: each hard case once, then the first ordinary recipients, in the order of the scan.

    Raises:
        SnapshotCorrupt: a record or item is damaged.
    """
    tests: dict[str, Callable[[Mailing], bool]] = {
        NO_IMAGE: lambda mailing: any(not item.image_url for item in mailing.items),
        RIGHT_TO_LEFT: lambda mailing: any(_is_right_to_left(item.title) for item in mailing.items),
        HOSTILE: lambda mailing: any(_is_hostile(item.title) for item in mailing.items),
    }
    found: dict[str, Mailing] = {}
    ordinary: list[Mailing] = []
    longest, length = None, 0
    for mailing in _scan(snapshot, chooser, campaign):
        if (longer := max(len(item.title or "") for item in mailing.items)) > length:
            longest, length = mailing, longer
        for case in [case for case, holds in tests.items() if case not in found and holds(mailing)]:
            found[case] = mailing
        if len(ordinary) < n:
            ordinary.append(mailing)
    if longest is None:
        return []
    found[LONGEST] = longest
    new = next(name for i in range(n + 2) if snapshot.find(name := NEW_USER + "-" * i) is None)
    cold = chooser.choose(new)
    if cold.kind is not None:
        found[COLD] = mailing_of(chooser, campaign, new, cold)
    samples = [
        Sample(case, found[case])
        if case in found
        else Sample(case, _made_up(ordinary[0], MADE_UP[case]), is_made_up=True)
        for case in (LONGEST, NO_IMAGE, COLD, RIGHT_TO_LEFT, HOSTILE)
        if case in found or case in MADE_UP
    ]
    shown = {sample.mailing.chosen.user_id for sample in samples if not sample.is_made_up}
    others = (Sample(ORDINARY, mailing) for mailing in ordinary if mailing.chosen.user_id not in shown)
    return [*samples, *others][:n]


def write_samples(out: Path, samples: Sequence[Sample], renderer: Renderer, *, shop: str, campaign: Campaign) -> None:
    """`index.html` in `out`, and beside it `mail-01.html`, `.eml` and `.txt` for each sample."""
    rows = []
    for number, sample in enumerate(samples, start=1):
        stem = f"mail-{number:02d}"
        write_mail(out, stem, renderer.render(sample.mailing))
        chosen = sample.mailing.chosen
        rows.append({
            "stem": stem, "case": sample.case, "is_made_up": sample.is_made_up, "user_id": clean(chosen.user_id),
            "kind": chosen.kind, "n": len(chosen.places), "is_hard": sample.case != ORDINARY,
        })  # fmt: skip
    page = environment([OURS]).get_template("index.html.jinja").render(
        shop=clean(shop), rows=rows, snapshot=campaign.snapshot, placement=campaign.placement,
        as_of=f"{campaign.as_of:%-d %B %Y}", accent=campaign.mail.accent,
    )  # fmt: skip
    replace_bytes(out / "index.html", page.encode())


def write_mail(out: Path, stem: str, mail: Rendered) -> None:
    """The mail as `.html`, `.txt` and `.eml`."""
    replace_bytes(out / f"{stem}.html", mail.html.encode())
    replace_bytes(out / f"{stem}.txt", mail.text.encode())
    replace_bytes(out / f"{stem}.eml", mail.message)


def _scan(snapshot: Reader, chooser: Chooser, campaign: Campaign) -> Iterator[Mailing]:
    scanned = (Candidate(user, "", []) for user in islice(snapshot.user_ids(), MAX_SCANNED))
    for candidate, known in read_ahead(snapshot, scanned):
        choice = chooser.choose_from(known)
        if choice.kind is not None:
            yield mailing_of(chooser, campaign, candidate.user_id, choice)


def _made_up(mailing: Mailing, title: str) -> Mailing:
    first: Item = msgspec.structs.replace(mailing.items[0], title=title)
    return Mailing(mailing.campaign, mailing.chosen, [first, *mailing.items[1:]])


def _is_right_to_left(title: str | None) -> bool:
    return any(unicodedata.bidirectional(c) in {"R", "AL"} for c in title or "")


def _is_hostile(title: str | None) -> bool:
    return any(mark in (title or "") for mark in ("<", ">", '"', "{{"))
