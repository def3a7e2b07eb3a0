"""A night's lists as one immutable snapshot directory; the same content gives the same bytes and the same id."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from export import arrow_input, reasons as reason_texts
from export.durable import empty_folder, replace_bytes, sync_file
from export.format import bits
from export.format.fallbacks import Fallbacks, encode_fallbacks
from export.format.items import encode_items
from export.format.manifest import (
    FALLBACKS_NAME,
    FILE_NAME,
    FORMAT_VERSION,
    ITEMS_NAME,
    FileEntry,
    Manifest,
    PlacementEntry,
    read_manifest,
    shard_name,
)
from export.format.records import Widths, key_hash, pack_lists
from export.format.spill import ROW, Rows, Spill
from export.verification import file_entry, verify

__all__ = ["Manifest", "read_manifest", "verify", "write_snapshot"]

MAX_SEGMENTS: Final = 65_535
MAX_PLACEMENTS: Final = 255
SPILL_ROWS: Final = 32_768


@dataclass(slots=True)
class _Seen:
    """What the batches had, by the order of their coming."""

    segments: dict[str, int] = field(default_factory=dict)
    lists: dict[str, int] = field(default_factory=dict)
    longest: dict[str, int] = field(default_factory=dict)
    shortest: dict[str, int] = field(default_factory=dict)

    def note(self, rows: arrow_input.ListRows) -> None:
        for name, length in zip(rows.placements, rows.columns.lengths.tolist(), strict=True):
            self.lists[name] = self.lists.get(name, 0) + 1
            self.longest[name] = max(self.longest.get(name, 0), length)
            self.shortest[name] = min(self.shortest.get(name, length), length)
        for segment in rows.segments:
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
) -> Manifest:
    """A complete snapshot in `directory`, its manifest written last; what lay there before is gone.

    Args:
        directory: made by this call.
        lists: one row a (user, placement) in any order: user_id, placement, segment, and the parallel lists item_idx, scores,
            reasons (index into `reasons`), anchors (item index or -1). Memory holds some batches and one shard.
        fallbacks: placement, segment, item_idx, scores; each placement has a row for segment `all`.
        items: item_idx, item_id, title, category, price, image_url; others are left out.
        as_of: the date that the lists are true for.
        shards: files the records are spread over.
        reasons: source names.
        n_eligible_users: users that should be answered.

    Raises:
        InputInvalid: a table lacks a column or holds a value that cannot be served, or a user has two lists for one placement.
    """
    reason_texts.check_known(reasons)
    entries = arrow_input.read_items(items)
    n = max(entries, default=-1) + 1
    known = np.zeros(n, dtype=bool)
    known[list(entries)] = True
    fallback_lists = arrow_input.read_fallbacks(fallbacks, known)
    placements = {name: i for i, name in enumerate(sorted(fallback_lists))}
    if len(placements) > MAX_PLACEMENTS:
        raise arrow_input.invalid(f"There are more than {MAX_PLACEMENTS} placements", "fallback_lists")
    widths = Widths(bits.width(n), bits.width(len(reasons)))
    empty_folder(directory)
    folder = empty_folder(directory / ".spill")
    spill = Spill(folder, shards)
    seen = _spill_lists(spill, lists, placements, known, widths, len(reasons))
    segments = tuple(sorted(seen.segments.keys() | {s for made in fallback_lists.values() for s in made}))
    files = _write_shards(directory, spill, shards, seen, segments)
    shutil.rmtree(folder)
    files[ITEMS_NAME] = _write(directory / ITEMS_NAME, encode_items(entries.items(), n), len(entries))
    files[FALLBACKS_NAME] = _write_fallbacks(directory / FALLBACKS_NAME, fallback_lists)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        as_of=as_of,
        shards=shards,
        item_bits=widths.item_bits,
        source_bits=widths.source_bits,
        n_eligible_users=n_eligible_users,
        n_users=sum(files[shard_name(shard)].records for shard in range(shards)),
        n_items=len(entries),
        n_item_indices=n,
        reasons=tuple(reasons),
        segments=segments,
        placements={name: _placement(seen, name) for name in placements},
        files=dict(sorted(files.items())),
    ).sealed()
    replace_bytes(directory / FILE_NAME, manifest.encode())
    return manifest


def _placement(seen: _Seen, name: str) -> PlacementEntry:
    return PlacementEntry(
        lists=seen.lists.get(name, 0), length=seen.longest.get(name, 0), shortest=seen.shortest.get(name, 0)
    )


def _spill_lists(
    spill: Spill,
    lists: Iterable[pa.RecordBatch],
    placements: dict[str, int],
    known: np.ndarray[tuple[int], np.dtype[np.bool_]],
    widths: Widths,
    n_reasons: int,
) -> _Seen:
    seen = _Seen()
    for batch in lists:
        for start in range(0, batch.num_rows, SPILL_ROWS):
            rows = arrow_input.read_lists(batch.slice(start, SPILL_ROWS), placements, known, n_reasons)
            seen.note(rows)
            packed = pack_lists(rows.columns, widths)
            heads = np.zeros(len(packed), dtype=ROW)
            heads["hash"] = [key_hash(name) for name in rows.ids]
            heads["id_bytes"] = [len(name) for name in rows.ids]
            heads["segment"] = [seen.segments[name] for name in rows.segments]
            heads["placement"] = rows.columns.placements
            heads["list_bytes"] = [len(data) for data in packed]
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
            users = spill.write_shard(shard, file, numbers)
        sync_file(path)
        files[path.name] = file_entry(path, users)
    return files


def _write_fallbacks(path: Path, fallbacks: Fallbacks) -> FileEntry:
    return _write(path, encode_fallbacks(fallbacks), sum(map(len, fallbacks.values())))


def _write(path: Path, data: bytes, records: int) -> FileEntry:
    path.write_bytes(data)
    sync_file(path)
    return file_entry(path, records)
