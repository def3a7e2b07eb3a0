"""A night's lists as one immutable snapshot directory; the same content gives the same bytes and the same id."""

from __future__ import annotations

import datetime as dt
import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from export import arrow_input
from export import reasons as reason_texts
from export.durable import empty_folder, replace_bytes, sync_file, writing
from export.format import bits, byte_rows
from export.format.fallbacks import Fallbacks, encode_fallbacks
from export.format.items import Item, encode_items
from export.format.manifest import (
    FALLBACKS_NAME,
    FILE_NAME,
    FORMAT_VERSION,
    ITEMS_NAME,
    TWO_STAGE,
    FileEntry,
    Manifest,
    PlacementEntry,
    read_manifest,
    shard_name,
)
from export.format.packing import pack_lists, shard_keys
from export.format.records import Widths
from export.format.spill import ROW, Rows, Spill
from export.verification import file_entry, verify

__all__ = ["Manifest", "read_manifest", "verify", "write_snapshot"]

MAX_SEGMENTS: Final = 65_535
MAX_PLACEMENTS: Final = 255
SPILL_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class _Content:
    """All of a snapshot but the users' lists.

    Attributes:
        known: which item indices are used, shape (n_item_indices,).
        placements: index by name.
    """

    items: dict[int, Item]
    known: npt.NDArray[np.bool_]
    fallbacks: Fallbacks
    placements: dict[str, int]
    reasons: tuple[str, ...]
    widths: Widths


@dataclass(slots=True)
class _Seen:
    """What the batches had.

    Attributes:
        segments: index by name, in the order of their coming.
        lengths: how many lists of each length, by placement.
    """

    segments: dict[str, int] = field(default_factory=dict)
    lengths: dict[int, Counter[int]] = field(default_factory=dict)

    def note(self, rows: arrow_input.ListRows) -> None:
        placements = rows.columns.placements
        for placement in np.flatnonzero(np.bincount(placements)).tolist():
            found, counts = np.unique(rows.columns.lengths[placements == placement], return_counts=True)
            seen = self.lengths.setdefault(placement, Counter())
            seen.update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
        for segment in rows.names:
            self.segments.setdefault(segment, len(self.segments))
        if len(self.segments) > MAX_SEGMENTS:
            raise arrow_input.invalid(f"There are more than {MAX_SEGMENTS} segments", "shop.segment")


def write_snapshot(
    directory: Path,
    *,
    lists: Iterable[pa.RecordBatch],
    fallbacks: pa.Table,
    items: pa.Table,
    as_of: dt.date,
    shards: int,
    reasons: Sequence[str],
    n_eligible_users: int,
    systems: Mapping[str, str] | None = None,
) -> Manifest:
    """A complete snapshot in the folder `directory`, its manifest written last; what lay there before is gone.

    Args:
        lists: one row a (user, placement) in any order: user_id, placement, segment, and the parallel lists item_idx,
            scores, reasons (index into `reasons`), anchors (item index or -1). Memory holds a batch and one shard.
        fallbacks: placement, segment, item_idx, scores; each placement has a row for segment `all`.
        items: item_idx, item_id, title, category, price, image_url; others are left out.
        as_of: the date that the lists are true for.
        shards: files the records are spread over.
        reasons: source names.
        n_eligible_users: users that should be answered.
        systems: whose lists those of a placement are, where it is not the two-stage ones.

    Raises:
        InputInvalid: a table lacks a column or holds a value that cannot be served, or a user has two lists for one
            placement.
        EnvironmentUnfit: the disk is full.
    """
    content = _read_content(fallbacks, items, reasons)
    files, seen, segments = _write_lists(directory, lists, content, shards)
    items_data = encode_items(content.items.items(), len(content.known))
    files[ITEMS_NAME] = _write(directory / ITEMS_NAME, items_data, len(content.items))
    n_lists = sum(map(len, content.fallbacks.values()))
    files[FALLBACKS_NAME] = _write(directory / FALLBACKS_NAME, encode_fallbacks(content.fallbacks), n_lists)
    manifest = _manifest(content, seen, segments, files, as_of, n_eligible_users, systems or {})
    replace_bytes(directory / FILE_NAME, manifest.encode())
    return manifest


def _read_content(fallbacks: pa.Table, items: pa.Table, reasons: Sequence[str]) -> _Content:
    reason_texts.check_known(reasons)
    entries = arrow_input.read_items(items)
    known = np.zeros(max(entries, default=-1) + 1, dtype=bool)
    known[list(entries)] = True
    made = arrow_input.read_fallbacks(fallbacks, known)
    if len(made) > MAX_PLACEMENTS:
        raise arrow_input.invalid(f"There are more than {MAX_PLACEMENTS} placements", "fallback_lists")
    placements = {name: i for i, name in enumerate(sorted(made))}
    widths = Widths(bits.width(len(known)), bits.width(len(reasons)))
    return _Content(entries, known, made, placements, tuple(reasons), widths)


def _manifest(
    content: _Content,
    seen: _Seen,
    segments: tuple[str, ...],
    files: dict[str, FileEntry],
    as_of: dt.date,
    n_eligible_users: int,
    systems: Mapping[str, str],
) -> Manifest:
    shards = [entry.records for name, entry in files.items() if name not in {ITEMS_NAME, FALLBACKS_NAME}]
    placements = {
        name: _placement(seen.lengths.get(i, Counter()), systems.get(name, TWO_STAGE))
        for name, i in content.placements.items()
    }
    return Manifest(
        format_version=FORMAT_VERSION,
        as_of=as_of,
        shards=len(shards),
        item_bits=content.widths.item_bits,
        source_bits=content.widths.source_bits,
        n_eligible_users=n_eligible_users,
        n_users=sum(shards),
        n_items=len(content.items),
        n_item_indices=len(content.known),
        reasons=content.reasons,
        segments=segments,
        placements=placements,
        files=dict(sorted(files.items())),
    ).sealed()


def _placement(lengths: Counter[int], system: str) -> PlacementEntry:
    longest, shortest = max(lengths, default=0), min(lengths, default=0)
    return PlacementEntry(lists=lengths.total(), length=longest, shortest=shortest, system=system)


def _write_lists(
    directory: Path, lists: Iterable[pa.RecordBatch], content: _Content, shards: int
) -> tuple[dict[str, FileEntry], _Seen, tuple[str, ...]]:
    """The shard files, what the batches had, and the segments in the order of their final index."""
    with writing(directory):
        empty_folder(directory)
        folder = empty_folder(directory / ".spill")
        spill = Spill(folder, shards)
        seen = _spill_lists(spill, lists, content)
    segments = tuple(sorted(seen.segments.keys() | {s for made in content.fallbacks.values() for s in made}))
    with writing(directory):
        files = _write_shards(directory, spill, shards, seen, segments)
        shutil.rmtree(folder)
    return files, seen, segments


def _spill_lists(spill: Spill, lists: Iterable[pa.RecordBatch], content: _Content) -> _Seen:
    seen = _Seen()
    for batch in lists:
        for start in range(0, batch.num_rows, SPILL_ROWS):
            part = batch.slice(start, SPILL_ROWS)
            rows = arrow_input.read_lists(part, content.placements, content.known, len(content.reasons))
            seen.note(rows)
            packed = pack_lists(rows.columns, content.widths)
            heads = np.zeros(len(packed), dtype=ROW)
            heads["key"] = shard_keys(rows.ids)
            heads["id_bytes"] = byte_rows.lengths_of(rows.ids)
            heads["segment"] = np.array([seen.segments[name] for name in rows.names], dtype=np.uint16)[rows.segments]
            heads["placement"] = rows.columns.placements
            heads["list_bytes"] = byte_rows.lengths_of(packed)
            spill.add(Rows(heads, rows.ids, packed))
    return seen


def _write_shards(
    directory: Path, spill: Spill, shards: int, seen: _Seen, segments: Sequence[str]
) -> dict[str, FileEntry]:
    final = {name: i for i, name in enumerate(segments)}
    if len(final) > MAX_SEGMENTS:
        raise arrow_input.invalid(f"There are more than {MAX_SEGMENTS} segments", "shop.segment")
    numbers = np.array([final[name] for name in seen.segments], dtype=np.uint16)
    files = {}
    for shard in range(shards):
        path = directory / shard_name(shard)
        with path.open("wb") as file:
            hashed = _Hashed(file)
            users = spill.write_shard(shard, hashed, numbers)
        sync_file(path)
        files[path.name] = FileEntry(bytes=hashed.n_bytes, sha256=hashed.sha256.hexdigest(), records=users)
    return files


class _Hashed:
    """A file that is hashed as it is written, while the bytes are at hand; who publishes it reads it back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.sha256, self.n_bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes | memoryview) -> None:
        self._file.write(data)
        self.sha256.update(data)
        self.n_bytes += len(data)


def _write(path: Path, data: bytes, records: int) -> FileEntry:
    with writing(path):
        path.write_bytes(data)
        sync_file(path)
    return file_entry(path, records)
