"""One digest: recipients' lists, the items in them, the holdout, a manifest, and `_SUCCESS` when all of it is there.

lists.jsonl.zst, lists.csv       one recipient a line; one row a recipient and rank
holdout.jsonl.zst, holdout.csv   the same for those who are kept from the mail
items.jsonl.zst, items.csv       the items of both, once each
<format>.jsonl.zst               the lists again in a sender's format, where one is asked for
schema.json                      JSON Schema of the lines and the manifest
manifest.json                    snapshot, counts, sizes, SHA-256; written after all of the above
_SUCCESS                         empty, written last
"""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.digest_section import Digest
from contracts.errors import InputInvalid
from export.digest import keys, links
from export.digest.ahead import read_ahead
from export.digest.audience import TOO_FEW_ITEMS, Audience, Files
from export.digest.choosing import Chooser
from export.digest.formats.registry import SHAPES, shape_of
from export.digest.formats.shapes import Campaign, Shape
from export.digest.lines import DigestManifest, SendMemory, catalogue_item, schema
from export.digest.output import HOLDOUT, LISTS, Output, Tally
from export.digest.tables import ITEM_COLUMNS, csv_table, item_row, json_lines, lines_name
from export.durable import empty_folder, replace_bytes, replace_json, writing
from export.format.manifest import FileEntry
from export.stores.base import Reader
from export.verification import file_entry

ITEMS: Final = "items"
MANIFEST: Final = "manifest.json"
SCHEMA: Final = "schema.json"
SUCCESS: Final = "_SUCCESS"
SORTING: Final = ".sorting"
NOBODY_DROPPED: Final = Files()
KINDS: Final = ("personal", "filled", "segment", "popular")


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Attributes:
        placement: one that the snapshot has.
        rules: the settings' section `digest`.
        send_on: the day of the mail, which send memory counts back from.
        campaign: part of the tracking ids; empty for none.
        key: of tracking ids and unsubscribe tokens; without it there are none.
        format: name of a sender's format, beside the plain files.
        unavailable: ids of items that cannot be had.
        overlay: id of the eligibility overlay that is part of `unavailable`.
        files: who is mailed.
        more_inputs: files behind `unavailable`, by role, for the manifest.
    """

    placement: str
    rules: Digest
    send_on: dt.date
    campaign: str = ""
    key: bytes | None = None
    format: str | None = None
    unavailable: Collection[str] = frozenset()
    overlay: str | None = None
    files: Files = NOBODY_DROPPED
    more_inputs: Mapping[str, Path] = field(default_factory=dict)

    def campaign_of(self, snapshot: Reader) -> Campaign:
        """What is the same for every recipient of the snapshot."""
        as_of = snapshot.manifest.as_of
        day_end = dt.datetime.combine(as_of, dt.time(), dt.UTC) + dt.timedelta(days=1)
        return Campaign(
            name=self.campaign,
            placement=self.placement,
            snapshot=snapshot.id,
            as_of=as_of,
            expires_at=day_end + dt.timedelta(hours=self.rules.expires_after_hours),
            item_url=self.rules.item_url,
            mail=self.rules.mail,
            key=self.key,
        )

    def shape(self) -> Shape | None:
        """The sender's format, None where none is asked for.

        Raises:
            InputInvalid: there is no such format, or it needs addresses and none are given.
        """
        shape = shape_of(self.format) if self.format else None
        if shape is not None and shape.needs_addresses and self.files.addresses is None:
            raise InputInvalid(
                f"The format {shape.name} needs mail addresses",
                where="addresses",
                todo="Give a file with the columns user_id and email.",
            )
        return shape


def write_digest(snapshot: Reader, out: Path, order: Order) -> DigestManifest:
    """The digest of one snapshot in `out`; the same snapshot, order and files give the same bytes.

    Args:
        snapshot: all of it comes from this one, whatever the pointer does meanwhile.
        out: made if absent; `_SUCCESS` is taken away first and comes back last.
        order: what is asked for.

    Raises:
        InputMissing: a file is not there.
        InputInvalid: a file cannot be read, there is no such placement or format, or it lacks a key or addresses.
        SnapshotCorrupt: a record or item is damaged: a page may answer with a fallback, a mail cannot be taken back.
        EnvironmentUnfit: the disk is full.
    """
    rules, shape, campaign = order.rules, order.shape(), order.campaign_of(snapshot)
    chooser = Chooser(snapshot, order.placement, rules, send_on=order.send_on, unavailable=order.unavailable)
    _begin(out)
    audience = Audience(snapshot, order.files, out / SORTING)
    with Output(
        out, campaign, shape, compression=rules.compression, salt=rules.holdout_salt, share=rules.holdout_share
    ) as output:
        for candidate, known in read_ahead(snapshot, audience.candidates()):
            output.take(candidate, chooser.choose_from(known, candidate.sends), chooser)
    shutil.rmtree(out / SORTING)
    n_items = _write_items(out, snapshot, output.mailed.item_ids | output.held.item_ids, rules)
    replace_json(out / SCHEMA, schema())
    manifest = _manifest(
        order, campaign, chooser, audience, output, n_items, _entries(out, rules, shape, output, n_items)
    )
    replace_json(out / MANIFEST, manifest)
    replace_bytes(out / SUCCESS, b"")
    return manifest


def _begin(out: Path) -> None:
    """The folder without the sign of the last good run, and without files that this run might not write."""
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / SUCCESS).unlink(missing_ok=True)
        for stem in (LISTS, HOLDOUT, ITEMS, *SHAPES):
            for name in (f"{stem}.csv", f"{stem}.jsonl", f"{stem}.jsonl.zst"):
                (out / name).unlink(missing_ok=True)
        empty_folder(out / SORTING)


def _write_items(out: Path, snapshot: Reader, used: Collection[str], rules: Digest) -> int:
    """Items written, by id."""
    items = sorted((item for item in snapshot.items() if item.item_id in used), key=lambda item: item.item_id)
    with json_lines(out, ITEMS, rules.compression) as lines, csv_table(out / f"{ITEMS}.csv", ITEM_COLUMNS) as table:
        for item in items:
            line = catalogue_item(item, links.item_url(rules.item_url, item.item_id))
            lines.write(line)
            table.write(item_row(line))
    return len(items)


def _entries(out: Path, rules: Digest, shape: Shape | None, output: Output, n_items: int) -> dict[str, FileEntry]:
    records = {lines_name(ITEMS, rules.compression): n_items, f"{ITEMS}.csv": n_items, SCHEMA: 1}
    for stem, tally in ((LISTS, output.mailed), (HOLDOUT, output.held)):
        records |= {lines_name(stem, rules.compression): tally.kinds.total(), f"{stem}.csv": tally.n_rows}
    if shape is not None:
        records[lines_name(shape.name, rules.compression)] = output.mailed.kinds.total()
    return {name: file_entry(out / name, n) for name, n in sorted(records.items())}


def _manifest(
    order: Order,
    campaign: Campaign,
    chooser: Chooser,
    audience: Audience,
    output: Output,
    n_items: int,
    files: dict[str, FileEntry],
) -> DigestManifest:
    rules, mailed = order.rules, output.mailed
    dropped = audience.dropped + Counter({TOO_FEW_ITEMS: output.n_short})
    return DigestManifest(
        snapshot=campaign.snapshot,
        as_of=campaign.as_of,
        expires_at=campaign.expires_at,
        placement=order.placement,
        campaign=order.campaign,
        send_on=order.send_on,
        k=rules.k,
        min_items=rules.min_items,
        short_lists=rules.short_lists,
        n_considered=audience.n_considered,
        n_recipients=mailed.kinds.total(),
        recipients={kind: mailed.kinds[kind] for kind in KINDS},
        dropped=dict(sorted(dropped.items())),
        holdout_share=rules.holdout_share,
        n_holdout=output.held.kinds.total(),
        n_rows=mailed.n_rows,
        n_items=n_items,
        unavailable_slots=chooser.unavailable_slots,
        overlay=order.overlay,
        send_memory=_memory(rules, mailed, chooser) if order.files.sends is not None else None,
        key_name=None if order.key is None else keys.key_name(order.key),
        inputs=audience.inputs(order.more_inputs),
        files=files,
    )


def _memory(rules: Digest, mailed: Tally, chooser: Chooser) -> SendMemory:
    slots = max(mailed.n_rows, 1)
    return SendMemory(
        days=rules.memory_days,
        repeat_rate_before=round(mailed.repeats_before / slots, 6),
        repeat_rate_after=round(mailed.repeats / slots, 6),
        later_sends=chooser.later_sends,
    )
