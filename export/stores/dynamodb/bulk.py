"""A build as files that DynamoDB imports into a table of its own: DYNAMODB_JSON, one item a line, gzip or plain.

An import is charged by the gigabyte and not by the write unit, and its table is dropped as a whole. The items are those
that `TableStore` writes, under the same keys, so that the same readers read them.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import msgspec

from contracts.errors import AccountingError
from export.blessing import check_blessed
from export.durable import empty_folder, replace_json, sync_file, sync_folder, writing
from export.format.manifest import corrupt, read_manifest
from export.stores.dynamodb import chunks
from export.stores.dynamodb.builds import Build, grouped
from export.stores.dynamodb.service.wire import Request
from export.verification import verify

Compression = Literal["GZIP", "NONE"]
MANIFEST_NAME: Final = "import.json"
ITEMS_PER_FILE: Final = 100_000


class ImportFile(msgspec.Struct, frozen=True, kw_only=True):
    """One data file: items, size and SHA-256 as it lies on the disk."""

    items: int
    bytes: int
    sha256: str


class ImportManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be imported; the file is written last.

    Attributes:
        snapshot: also the end of the table's name.
        compression: as `ImportTable` calls it.
        lists: items that are lists; the others are the snapshot's files in chunks.
        item_bytes: of all items, as DynamoDB counts them.
        files: by name, below `data/`.
    """

    snapshot: str
    manifest_sha256: str
    table: str
    compression: Compression
    lists: int
    items: int
    item_bytes: int
    files: dict[str, ImportFile]


def write_import(
    build: Path,
    out: Path,
    *,
    blessing: Path,
    table: str,
    expire_days: int,
    compression: Compression = "GZIP",
    items_per_file: int = ITEMS_PER_FILE,
) -> ImportManifest:
    """The files of a build in `out`, complete when `import.json` is there; the same build gives the same bytes.

    Args:
        build: a snapshot directory.
        out: made anew by this call; `data/` in it is what `ImportTable` is pointed at.
        blessing: the gates' verdict on the build.
        table: name of the tables, before `-<snapshot>`.
        expire_days: days from the end of the snapshot's date to the TTL of its items.
        compression: of the data files.
        items_per_file: items of a data file.

    Raises:
        PublishRefused: no blessing names these bytes.
        SnapshotCorrupt: the build differs from its manifest.
        InputInvalid: a list is larger than an item may be.
        AccountingError: there are not as many lists as the manifest says.
    """
    manifest = read_manifest(build)
    check_blessed(blessing, manifest)
    if verify(build) != manifest:
        raise corrupt("The build changed while it was published", build)
    made = Build(build, manifest, expire_days=expire_days)
    report = write_files(made, empty_folder(out), f"{table}-{made.snapshot}", compression, items_per_file)
    replace_json(out / MANIFEST_NAME, report)
    return report


def write_files(made: Build, out: Path, table: str, compression: Compression, items_per_file: int) -> ImportManifest:
    """The data files below `data/` of the empty folder `out`, of a build that is blessed and whole."""
    data = out / "data"
    files, n_items, n_bytes = dict[str, ImportFile](), 0, 0
    with writing(out):
        data.mkdir()
        for number, group in enumerate(grouped(_requests(made), items_per_file)):
            path = data / f"part-{number:05d}.json{'.gz' if compression == 'GZIP' else ''}"
            files[path.name] = _write(path, group, compression)
            n_items += len(group)
            n_bytes += sum(one.n_bytes for one in group)
        sync_folder(data)
    n_lists = n_items - sum(chunks.n_chunks(len(content)) for content in made.files().values())
    if n_lists != made.n_lists:
        raise AccountingError(
            f"{n_lists:,} lists were written of {made.n_lists:,}", where=str(out), todo="Verify the build."
        )
    return ImportManifest(
        snapshot=made.snapshot, manifest_sha256=made.manifest.sha256, table=table, compression=compression,
        lists=n_lists, items=n_items, item_bytes=n_bytes, files=files,
    )  # fmt: skip


def _requests(build: Build) -> Iterator[Request]:
    files = (chunks.requests(build.snapshot, name, data) for name, data in build.files().items())
    return chain(chain.from_iterable(files), build.requests(None))


def _write(path: Path, items: Iterable[Request], compression: Compression) -> ImportFile:
    n = 0
    with path.open("wb") as file:
        # Neither a name nor a time in the head: the same items are the same bytes.
        packed = gzip.GzipFile("", "wb", fileobj=file, mtime=0) if compression == "GZIP" else file
        target = cast("BinaryIO", packed)
        for one in items:
            target.write(b'{"Item":%b}\n' % one.body)
            n += 1
        if compression == "GZIP":
            target.close()
    sync_file(path)
    content = path.read_bytes()
    return ImportFile(items=n, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
