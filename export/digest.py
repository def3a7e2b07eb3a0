"""What the email team reads: recipients' lists, the items in them, a manifest, and `_SUCCESS` when all of it is there.

lists.jsonl      one recipient a line, with the list
lists.csv        one row a recipient and rank
items.jsonl      one item a line, only those in the lists
items.csv        the same
manifest.json    snapshot, counts, sizes, SHA-256
_SUCCESS         empty, written last
"""

from __future__ import annotations

import csv
import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from contracts.errors import SnapshotCorrupt
from export.durable import replace_bytes, replace_json, replacing
from export.format.items import Item
from export.format.manifest import FileEntry
from export.lookup import HasRoot, Lists, TopN
from export.open_snapshot import OpenSnapshot
from export.recipients import all_lists, pinned_lists, user_ids
from export.verification import file_entry

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
LIST_COLUMNS: Final = ("user_id", "rank", "item_id", "title", "source", "reason", "list")
ITEM_COLUMNS: Final = ("item_id", "title", "category", "price", "image_url")
MANIFEST: Final = "manifest.json"
SUCCESS: Final = "_SUCCESS"


class DigestManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a digest holds.

    Attributes:
        recipients: recipients by whose list they got: `personal`, `segment`, `popular`.
        n_rows: items over all recipients.
        files: by name; `records` counts recipients in lists.jsonl, rows in lists.csv and items in the others.
    """

    format_version: int = 1
    snapshot: str
    as_of: dt.date
    placement: str
    k: int
    n_recipients: int
    recipients: dict[str, int]
    n_rows: int
    n_items: int
    files: dict[str, FileEntry]


def write_digest(
    store: HasRoot | Path, out: Path, *, placement: str, k: int, recipients: Iterable[str] | None = None
) -> DigestManifest:
    """The digest of the current snapshot in `out`; the same snapshot and recipients give the same bytes.

    Args:
        store: a store, its folder, or a snapshot directory.
        out: made if absent; `_SUCCESS` is taken away first and comes back last.
        placement: one that the snapshot has.
        k: items a recipient, at most.
        recipients: user ids; None for all users of the snapshot. One without a list gets a fallback list, labelled.

    Raises:
        SnapshotMissing: no snapshot was published yet.
        SnapshotCorrupt: a record or item is damaged.
        InputInvalid: `k` or `placement` is wrong.
    """
    lists = pinned_lists(store)
    snapshot = lists.check(k, placement)
    users = user_ids(snapshot) if recipients is None else sorted(set(recipients))
    _begin(out)
    kinds, used = _write_lists(out, lists, users, k, placement)
    _write_items(out, snapshot, used)
    n_rows, n_items = sum(used.values()), len(used)
    records = {"lists.jsonl": len(users), "lists.csv": n_rows, "items.jsonl": n_items, "items.csv": n_items}
    manifest = DigestManifest(
        snapshot=snapshot.id,
        as_of=snapshot.manifest.as_of,
        placement=placement,
        k=k,
        n_recipients=len(users),
        recipients={kind: kinds[kind] for kind in ("personal", "segment", "popular")},
        n_rows=n_rows,
        n_items=n_items,
        files={name: file_entry(out / name, n) for name, n in records.items()},
    )
    replace_json(out / MANIFEST, manifest)
    replace_bytes(out / SUCCESS, b"")
    return manifest


def _begin(out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / SUCCESS).unlink(missing_ok=True)


def _refuse_damage(lists: Lists) -> None:
    """A page may answer with a fallback; a mail that cannot be taken back may not."""
    if lists.counts["corrupt_records"] or lists.counts["corrupt_items"]:
        raise SnapshotCorrupt(
            "The snapshot has damaged records",
            where=str(lists.current().directory),
            todo="Send nothing from it: roll back, or publish the night again.",
        )


def _write_lists(
    out: Path, lists: Lists, users: Sequence[str], k: int, placement: str
) -> tuple[Counter[str], Counter[str]]:
    """Recipients by kind of list, and how often each item id was used."""
    kinds, used = Counter[str](), Counter[str]()
    with (
        replacing(out / "lists.jsonl") as jsonl_path,
        replacing(out / "lists.csv") as csv_path,
        jsonl_path.open("wb") as jsonl,
        csv_path.open("w", encoding="utf-8", newline="") as text,
    ):
        rows = _csv(text, LIST_COLUMNS)
        for made in all_lists(lists, users, k, placement):
            jsonl.write(msgspec.json.encode(_recipient(made)) + b"\n")
            rows.writerows(map(_safe, _list_rows(made)))
            kinds[made.source] += 1
            used.update(made.items)
    _refuse_damage(lists)
    return kinds, used


def _recipient(made: TopN) -> dict[str, Any]:
    parallel = zip(made.items, made.titles, made.scores, made.sources, made.reasons, strict=True)
    return {
        "user_id": made.user_id,
        "placement": made.placement,
        "snapshot": made.snapshot,
        "as_of": made.as_of,
        "list": made.source,
        "items": [
            {"rank": rank, "item_id": item, "title": title, "score": score, "source": source, "reason": reason}
            for rank, (item, title, score, source, reason) in enumerate(parallel, start=1)
        ],
    }


def _list_rows(made: TopN) -> Iterator[tuple[object, ...]]:
    parallel = zip(made.items, made.titles, made.sources, made.reasons, strict=True)
    for rank, (item, title, source, reason) in enumerate(parallel, start=1):
        yield made.user_id, rank, item, title, source, reason, made.source


def _write_items(out: Path, snapshot: OpenSnapshot, used: Counter[str]) -> None:
    items = sorted((item for item in snapshot.items() if item.item_id in used), key=lambda item: item.item_id)
    lines = [msgspec.json.encode(_item(item)) + b"\n" for item in items]
    replace_bytes(out / "items.jsonl", b"".join(lines))
    with replacing(out / "items.csv") as path, path.open("w", encoding="utf-8", newline="") as text:
        _csv(text, ITEM_COLUMNS).writerows(_safe(_item(item).values()) for item in items)


def _item(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in ITEM_COLUMNS}


def _csv(text: IO[str], columns: Sequence[str]) -> Any:  # the csv module has no public writer type
    writer = csv.writer(text, lineterminator="\r\n")  # so that a lone CR or LF in a cell is quoted too
    writer.writerow(columns)
    return writer


def _safe(cells: Iterable[object]) -> list[str]:
    """The cells as text that no spreadsheet takes for a formula: one that begins so gets an apostrophe before it."""
    texts = ["" if cell is None else str(cell) for cell in cells]
    return [f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in texts]
