"""The manifest of a snapshot: what it holds and the checksum of every file. Written last."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Final

import msgspec

from contracts.errors import SnapshotCorrupt, SnapshotMissing
from export.format.records import Widths

FORMAT_VERSION: Final = 2
FILE_NAME: Final = "manifest.json"
ITEMS_NAME: Final = "items.bin"
FALLBACKS_NAME: Final = "fallbacks.msgpack"
TWO_STAGE: Final = "two_stage"
EVERYONE: Final = "all"
"""The segment whose fallback list is the popular one."""


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One file of a snapshot.

    Attributes:
        bytes: its size.
        sha256: of its bytes, hexadecimal.
        records: users in a shard, items in the dictionary, lists in the fallbacks.
    """

    bytes: int
    sha256: str
    records: int


class PlacementEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """One placement of a snapshot.

    Attributes:
        lists: users with a list of their own.
        length: items of the longest list.
        shortest: items of the shortest list.
        system: whose lists they are: `two_stage`, or the source that was published instead.
    """

    lists: int
    length: int
    shortest: int
    system: str = TWO_STAGE


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a snapshot holds.

    Attributes:
        n_eligible_users: users that should have a list or a fallback.
        n_users: users with a record.
        n_items: items in the dictionary.
        n_item_indices: one more than the highest item index.
        reasons: source names by their index in the records.
        segments: segment names by their index in the records.
        placements: in the order of their index in the records.
        sha256: of the manifest itself, encoded with this field empty.
        origin_sha256: of the manifest that was blessed, where users were erased since; empty where none were.
        n_erased: users erased since. The counts are those of what is left, `length` and `shortest` are bounds.
    """

    format_version: int
    as_of: dt.date
    shards: int
    item_bits: int
    source_bits: int
    n_eligible_users: int
    n_users: int
    n_items: int
    n_item_indices: int
    reasons: tuple[str, ...]
    segments: tuple[str, ...]
    placements: dict[str, PlacementEntry]
    files: dict[str, FileEntry]
    sha256: str = ""
    origin_sha256: str = ""
    n_erased: int = 0

    @property
    def origin(self) -> str:
        """The hash of the manifest as it was blessed: the same whoever was erased since."""
        return self.origin_sha256 or self.sha256

    @property
    def snapshot_id(self) -> str:
        """The date and the first 12 hex digits of the hash of what was blessed."""
        return f"{self.as_of.isoformat()}-{self.origin[:12]}"

    @property
    def shard_names(self) -> list[str]:
        """The shards' file names by their number; one that was rewritten has a part of its hash in it."""
        found = {name.partition(".")[0]: name for name in self.files}
        return [found[shard_name(number).partition(".")[0]] for number in range(self.shards)]

    @property
    def widths(self) -> Widths:
        """Bits of the packed fields."""
        return Widths(self.item_bits, self.source_bits)

    @property
    def n_bytes(self) -> int:
        """Size of the snapshot without the manifest."""
        return sum(entry.bytes for entry in self.files.values())

    def encode(self) -> bytes:
        """The bytes of the file."""
        fields = msgspec.to_builtins(self)
        if not self.origin_sha256:
            del fields["origin_sha256"], fields["n_erased"]
        return msgspec.json.format(msgspec.json.encode(fields), indent=2) + b"\n"

    def sealed(self) -> Manifest:
        """The same manifest with its own hash filled in."""
        blank = msgspec.structs.replace(self, sha256="")
        return msgspec.structs.replace(blank, sha256=hashlib.sha256(blank.encode()).hexdigest())


def shard_name(shard: int) -> str:
    """File name of a shard as it is built."""
    return f"shard-{shard:05d}.bin"


def read_manifest(directory: Path) -> Manifest:
    """The manifest of the snapshot in `directory`, checked against its own hash.

    Raises:
        SnapshotMissing: there is no manifest.
        SnapshotCorrupt: it is not the manifest that was written, or its format is unknown.
    """
    path = directory / FILE_NAME
    try:
        raw = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SnapshotMissing(
            "The snapshot has no manifest", where=str(path), todo="Name a published snapshot, or publish one."
        ) from error
    return decode_manifest(raw, path)


def decode_manifest(raw: bytes, path: Path | str) -> Manifest:
    """The manifest in the bytes of its file at `path`, checked against its own hash.

    Raises:
        SnapshotCorrupt: it is not the manifest that was written, or its format is unknown.
    """
    try:
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise corrupt(f"The manifest cannot be read: {error}", path) from error
    if manifest.format_version != FORMAT_VERSION:
        raise corrupt(f"The manifest has format {manifest.format_version}, this reads {FORMAT_VERSION}", path)
    if manifest.sealed().encode() != raw:
        raise corrupt("The manifest does not have the hash that it names", path)
    return manifest


def corrupt(what: str, path: Path | str) -> SnapshotCorrupt:
    """The error for bytes that differ from what was promised."""
    return SnapshotCorrupt(
        what, where=str(path), todo="Do not serve this snapshot: build and publish it again, or roll back."
    )
