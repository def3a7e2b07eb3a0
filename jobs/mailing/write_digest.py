"""Every recipient's list as files for the email team."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from contracts.digest_section import Digest
from contracts.errors import InputInvalid, SnapshotMissing
from contracts.report import JobReport
from contracts.settings import Settings
from export.digest import inputs
from export.digest.audience import Files
from export.digest.campaigns import Campaigns
from export.digest.lines import DigestManifest
from export.digest.writing import Order, write_digest
from export.reading.overlay import Overlay
from export.reading.overlays import NAME as OVERLAY_NAME
from export.reading.overlays import beside
from export.stores.base import Reader, Store
from export.stores.opening import store_of
from jobs.paths import layout_of

S3: Final = "s3://"


@dataclass(frozen=True, slots=True)
class Act:
    """Who writes a digest, and when: for the history of the store, in which its pin stands."""

    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Request:
    """What may be asked for beyond the settings; nothing of it by default.

    Attributes:
        placements: none for those of the settings.
        k: items a recipient, at most; None for the settings'.
        campaign: it keeps its snapshot pinned until it is ended.
        send_on: the day of the mail; None for the day after the lists'.
        files: who is mailed.
        unavailable: file of item ids that cannot be had, beside those of the eligibility overlay.
        region: whose flags of the overlay hold too.
        format: name of a sender's format.
        is_plain: JSON lines are not compressed.
        key: of tracking ids and unsubscribe tokens.
    """

    placements: Sequence[str] = ()
    k: int | None = None
    campaign: str = ""
    send_on: dt.date | None = None
    files: Files | None = None
    unavailable: Path | None = None
    region: str | None = None
    format: str | None = None
    is_plain: bool = False
    key: bytes | None = None


def run(
    settings: Settings,
    *,
    as_of: dt.date | None,
    out: Path | str | None = None,
    request: Request | None = None,
    act: Act | None = None,
) -> JobReport:
    """One digest folder a placement, below `out` or `digests/<as_of>` of the root, from one snapshot.

    Args:
        as_of: the date of the snapshot; None for the one that the campaign has, else the one served now.
        out: each placement has a folder of its name in it. `s3://bucket/prefix` is written below the root first.
        request: what is asked for beyond the settings.
        act: who asks; the snapshot is pinned while it is read, if somebody does.

    Raises:
        SnapshotMissing: the store holds no snapshot of that date.
        InputInvalid: the campaign has a snapshot of another date, or a file or option cannot be used.
        InputMissing: a file is not there.
        StoreUnreachable: the bucket does not answer in time.
    """
    started = time.perf_counter()
    layout, request = layout_of(settings), request or Request()
    store = store_of(settings.store, layout)
    is_remote = str(out).startswith(S3)
    with ExitStack() as stack:
        snapshot = _pinned(stack, store, Campaigns(layout.root / "campaigns", store), request, as_of, act)
        day = snapshot.manifest.as_of
        folder = layout.root / "digests" / day.isoformat() if out is None or is_remote else Path(out)
        made = {
            placement: write_digest(snapshot, folder / placement, order_of(settings, store, request, placement, day))
            for placement in request.placements or default_placements(settings)
        }
    if is_remote:
        _deliver(settings, str(out), {placement: folder / placement for placement in made})
    place = str(out).rstrip("/") if is_remote else str(folder)
    return _report(made, snapshot, place, request, seconds=time.perf_counter() - started)


def default_placements(settings: Settings) -> tuple[str, ...]:
    """The placements that a digest is written for: those of the settings, else `email` if there is one, else all."""
    if settings.digest.placements:
        return settings.digest.placements
    return ("email",) if "email" in settings.placements else tuple(settings.placements)


def end_campaign(settings: Settings, name: str, *, act: Act) -> dict[str, str]:
    """The campaign that was ended, and the snapshot that it has pinned no more.

    Raises:
        InputInvalid: it is no name of a campaign.
        InputMissing: it does not run.
    """
    layout = layout_of(settings)
    store = store_of(settings.store, layout)
    ended = Campaigns(layout.root / "campaigns", store).end(name, by=act.by, at=act.at)
    pointer = store.pointer()
    is_pinned = pointer is not None and ended.snapshot in pointer.pinned
    return {"campaign": name, "snapshot": ended.snapshot, "still_pinned": "yes" if is_pinned else "no"}


def rules_of(settings: Settings, request: Request) -> Digest:
    """The settings' section with what was asked for over it.

    Raises:
        InputInvalid: `k` is below 1 or below `digest.min_items`.
    """
    rules = settings.digest
    k = request.k if request.k is not None else rules.k
    if k < max(rules.min_items, 1):
        raise InputInvalid(f"k is {k}", where="k", todo=f"Ask for at least {max(rules.min_items, 1)} items.")
    compression = "none" if request.is_plain else rules.compression
    return msgspec.structs.replace(rules, k=k, compression=compression)


def snapshot_of(store: Store, as_of: dt.date | None) -> str:
    """The served snapshot where it is of that date or none was named, else the newest of that date in the store.

    Raises:
        SnapshotMissing: there is none.
    """
    pointer = store.pointer()
    names = ([pointer.snapshot] if pointer else []) + (store.snapshots()[::-1] if as_of is not None else [])
    for name in names:
        if as_of is None or name.startswith(as_of.isoformat()):
            return name
    raise SnapshotMissing(
        f"The store holds no snapshot of {as_of}." if as_of is not None else "No snapshot was published yet.",
        where=store.where,
        todo=f"Run `larder night{f' --as-of {as_of}' if as_of is not None else ''}` first.",
    )


def _pinned(
    stack: ExitStack, store: Store, campaigns: Campaigns, request: Request, as_of: dt.date | None, act: Act | None
) -> Reader:
    """The snapshot to read, pinned until the stack is left, or until its campaign is ended if it has a name."""
    running = campaigns.find(request.campaign) if request.campaign else None
    name = running.snapshot if running is not None else snapshot_of(store, as_of)
    if as_of is not None and not name.startswith(as_of.isoformat()):
        raise InputInvalid(
            f"The campaign {request.campaign} reads {name}",
            where="--as-of",
            todo=f"Leave the date out, or end the campaign: larder digest --campaign {request.campaign} --unpin",
        )
    if act is not None:
        campaign = request.campaign or f"writing-{act.by}"
        campaigns.begin(campaign, name, by=act.by, at=act.at)
        if not request.campaign:
            stack.callback(campaigns.end, campaign, by=act.by, at=act.at)
    return store.open(name)


def order_of(settings: Settings, store: Store, request: Request, placement: str, day: dt.date) -> Order:
    """What is asked for, with the newest eligibility overlay that lies beside the store's snapshots.

    Raises:
        InputMissing: the file of unavailable items is not there.
        InputInvalid: it cannot be read, or `k` is out of range.
        SnapshotCorrupt: the overlay is damaged: better no mail than one of items that cannot be had.
    """
    rules = rules_of(settings, request)
    unavailable = inputs.item_ids(request.unavailable) if request.unavailable else frozenset()
    overlay = _overlay(store)
    return Order(
        placement=placement,
        rules=rules,
        send_on=request.send_on or day + dt.timedelta(days=1),
        campaign=request.campaign,
        key=request.key,
        format=request.format,
        unavailable=unavailable | (overlay.excluded(request.region) if overlay is not None else frozenset()),
        overlay=None if overlay is None else overlay.id,
        files=files_of(rules, request.files or Files()),
        more_inputs={"unavailable": request.unavailable} if request.unavailable else {},
    )


def _overlay(store: Store) -> Overlay | None:
    place = beside(store)
    data = None if place is None else place.beside(OVERLAY_NAME)
    return None if data is None else Overlay(data, where=f"{store.where} {OVERLAY_NAME}")


def _deliver(settings: Settings, url: str, folders: dict[str, Path]) -> None:
    """The digests lie in the bucket, each below its placement's name."""
    # Here and not above: a digest on this disk should not wait for boto3.
    from export.digest.delivery import deliver
    from export.stores.aws import client
    from export.stores.objects import Bucket
    from export.stores.retrying import Retrying, Waiting

    section = settings.store
    bucket, _, prefix = url.removeprefix(S3).strip("/").partition("/")
    if not bucket:
        raise InputInvalid(f"{url!r} names no bucket", where="--out", todo="Use s3://bucket or s3://bucket/prefix.")
    below = Bucket(client("s3", section), bucket, f"{prefix}/" if prefix else "", Retrying(url, Waiting()))
    for placement, folder in folders.items():
        objects = below.within(section.deadline_minutes * 60.0)
        deliver(folder, objects, placement, part_bytes=section.part_mebibytes << 20)


def files_of(rules: Digest, given: Files) -> Files:
    """The files given, those of the settings where none are."""
    return Files(
        recipients=given.recipients,
        suppression=given.suppression or tuple(map(Path, rules.suppression)),
        consent=given.consent or (Path(rules.consent) if rules.consent else None),
        addresses=given.addresses,
        sends=given.sends or (Path(rules.sends) if rules.sends else None),
    )


def _counts(manifest: DigestManifest) -> dict[str, int]:
    return {
        "recipients": manifest.n_recipients,
        "rows": manifest.n_rows,
        "items": manifest.n_items,
        "holdout": manifest.n_holdout,
        **{f"dropped_{reason}": n for reason, n in manifest.dropped.items()},
    }


def _rates(manifest: DigestManifest) -> dict[str, float]:
    if manifest.send_memory is None:
        return {}
    memory = manifest.send_memory
    return {"repeat_rate_before": memory.repeat_rate_before, "repeat_rate_after": memory.repeat_rate_after}


def _report(
    made: dict[str, DigestManifest], snapshot: Reader, place: str, request: Request, *, seconds: float
) -> JobReport:
    rows: dict[str, int] = {}
    numbers: dict[str, float] = {}
    for placement, manifest in made.items():
        rows |= {f"{placement}_{name}": n for name, n in _counts(manifest).items()}
        numbers |= {f"{placement}_{name}": x for name, x in _rates(manifest).items()}
    details = {
        "snapshot": snapshot.id,
        **({"campaign": request.campaign} if request.campaign else {}),
        "out": place,
        **_notes(made),
        "folders": {placement: f"{place}/{placement}" for placement in made},
    }
    return JobReport(
        job="write_digest",
        as_of=snapshot.manifest.as_of,
        rows=rows,
        numbers=numbers,
        details=details,
        seconds=seconds,
    )


def _notes(made: dict[str, DigestManifest]) -> dict[str, str]:
    """What the reader of the report must not miss."""
    asked = {one.role for manifest in made.values() for one in manifest.inputs}
    if asked & {"suppression", "consent"}:
        return {}
    return {"note": "no suppression or consent file was given: nobody was left out"}
