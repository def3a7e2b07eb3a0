"""The store in DynamoDB: snapshots side by side in one table, complete when the catalogue says so.

pk `<snapshot>#<user id>`            one item a list, sk placement        export.stores.dynamodb.items
pk `larder#<snapshot>#<file>#...`    the snapshot's files in chunks       export.stores.dynamodb.chunks
pk `larder#snapshots`                the catalogue                        export.stores.dynamodb.catalogue
pk `larder#pointer`, `#history`      the whole state, and the moves       export.stores.dynamodb.cell
pk `larder#beside`                   small objects beside the snapshots
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from contracts.errors import InputInvalid, SnapshotCorrupt, SnapshotMissing
from export.blessing import check_blessed
from export.format.fallbacks import decode_fallbacks
from export.format.items import ItemDictionary
from export.format.manifest import (
    FALLBACKS_NAME,
    FILE_NAME,
    ITEMS_NAME,
    Manifest,
    corrupt,
    decode_manifest,
    read_manifest,
)
from export.stores.base import Published
from export.stores.dynamodb import checking, chunks, erasing, importing, publishing
from export.stores.dynamodb.builds import Build
from export.stores.dynamodb.catalogue import Catalogue, Entry
from export.stores.dynamodb.cell import TableCell
from export.stores.dynamodb.importing import Importing
from export.stores.dynamodb.lists import ListTable, open_lists
from export.stores.dynamodb.options import Options
from export.stores.dynamodb.planning import Plan, plan
from export.stores.dynamodb.progress import Progress, possible_base
from export.stores.dynamodb.reader import TableReader
from export.stores.dynamodb.retention import Retention
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.writer import Written
from export.stores.pointers import MovedStore
from export.stores.sameness import check_same
from export.verification import verify

BESIDE: Final = "larder#beside"
MAX_BESIDE_BYTES: Final = 380 * 1024


class TableStore(MovedStore):
    """Snapshots in one table. Any number of processes may use it at once."""

    def __init__(self, table: Table, reading: Table, options: Options) -> None:
        """The store in `table`.

        Args:
            table: for whoever writes, with patient timeouts.
            reading: the same for lookups, with short ones.
            options: deadlines, pace and what is written.
        """
        self._table, self._reading, self._options = table, reading, options
        self._catalogue = Catalogue(table, seconds=options.move_seconds)
        self._marked: tuple[float, int] | None = None
        self._lock: Final = threading.Lock()
        self.cell = TableCell(table, seconds=options.move_seconds)
        self._quick_cell = TableCell(reading, seconds=options.read_seconds)

    def check_present(self, snapshot: str) -> None:
        """Passes where the store has the complete snapshot.

        Raises:
            SnapshotMissing: it does not.
        """
        self._entry(snapshot)

    def snapshots(self) -> list[str]:
        """Ids of the complete snapshots, oldest date first."""
        return sorted(entry.snapshot for entry in self._catalogue.entries() if entry.phase == "complete")

    def mark(self) -> Hashable:
        """The pointer's version, asked for again once the pointer's cache is over."""
        clock = self._reading.calls.retrying.waiting.clock
        with self._lock:
            asked = clock()
            if self._marked is None or asked - self._marked[0] >= self._options.pointer_cache_seconds:
                self._marked = asked, self._quick_cell.version()
            return self._marked[1]

    def open(self, snapshot: str) -> TableReader:
        """The snapshot, its item dictionary, fallback lists and filters in memory."""
        entry = self._entry(snapshot)
        table = self._table.within(self._options.move_seconds)
        manifest = self._manifest(table, entry)
        files = {name: self._file(table, manifest, name) for name in (ITEMS_NAME, FALLBACKS_NAME)}
        where = f"{self.where}/{snapshot}/"
        items = ItemDictionary(f"{where}{ITEMS_NAME}", files[ITEMS_NAME])
        fallbacks = decode_fallbacks(files[FALLBACKS_NAME], f"{where}{FALLBACKS_NAME}")
        lists = self._lists(table, entry, manifest, self._options.read_seconds)
        catalogue = Catalogue(self._reading, seconds=self._options.read_seconds)
        return TableReader(manifest, items, fallbacks, lists, catalogue)

    def verify(self, snapshot: str) -> Manifest:
        """The manifest of a snapshot, every list and file of which was read back and agrees with it."""
        entry = self._entry(snapshot)
        table = self._table.within(self._options.publish_seconds)
        manifest = self._manifest(table, entry)
        for name in (ITEMS_NAME, FALLBACKS_NAME):
            self._file(table, manifest, name)
        lists = self._lists(table, entry, manifest, self._options.publish_seconds)
        checking.check_lists(lists, manifest, erasing.erased(table, snapshot), self._options.pace.threads)
        return manifest

    def publish(self, build: Path, *, blessing: Path) -> Published:
        """The snapshot built in `build`, written, read back and counted; not yet current."""
        manifest = read_manifest(build)
        check_blessed(blessing, manifest)
        bounded = self._table.bounded(self._options.publish_seconds)
        return TableStore(bounded, self._reading, self._options).publish_blessed(build, manifest)

    def publish_blessed(self, build: Path, manifest: Manifest) -> Published:
        """`publish` of what is blessed, within the deadline of the table."""
        erasures = self.check_publishable(manifest.snapshot_id)
        if verify(build) != manifest:
            raise SnapshotCorrupt(
                "The build changed while it was published", where=str(build), todo="Publish again when it is finished."
            )
        table = self._table.within(self._options.publish_seconds)
        made = Build(build, manifest, expire_days=self._options.expire_days)
        progress = Progress(self._catalogue, replace(self._wanted(manifest), erasures=erasures), self.where)
        entry = progress.begin(self._base(table, manifest), lambda left: self._wipe(table, left))
        if entry.phase == "complete" and self._lost_users(table, entry, manifest):
            return Published(manifest.snapshot_id, self.verify(manifest.snapshot_id), is_new=False)
        planned = self._planned(table, made, entry)
        lists, files, is_new, n_imported = Written(), Written(), entry.phase != "complete", 0
        own = table.named(entry.table)
        if is_new:
            imported = self._importing(made, own)
            lists, files = publishing.write(made, planned, table, None if imported else own, self._options.pace)
            if imported is not None:
                entry, n_imported = imported.run(entry)
        with self.unless_erased(manifest.snapshot_id, erasures):
            read_units = publishing.read_back(made, planned, table, own, self._options.pace)
        if is_new:
            self.check_publishable(manifest.snapshot_id, erasures=erasures)
            is_new = progress.complete(entry, filter_bytes=len(planned.filter()))
            if imported is not None:
                imported.clear()
        numbers = publishing.numbers(lists, files, planned, read_units) | {"items_imported": float(n_imported)}
        return Published(manifest.snapshot_id, manifest, is_new=is_new, numbers=numbers)

    def remove(self, names: list[str], *, at: str, grace_seconds: float) -> None:
        """The snapshots are in the store no more; their items go as soon as no kept snapshot needs them."""
        retention = Retention(self._table.within(self._options.publish_seconds), self._catalogue, self._options.pace)
        retention.leave(names)
        retention.leave_incomplete(at=at, grace_seconds=grace_seconds)
        retention.delete()
        self._clear_imports()

    def take_out(self, users: Mapping[str, str]) -> dict[str, int]:
        """Users taken out of each snapshot, by id."""
        table = self._table.within(self._options.publish_seconds)
        if self._options.imports is not None:
            importing.clear(self._options.imports.within(self._options.publish_seconds))
        return erasing.take_out(table, self._catalogue, users, seconds=self._options.move_seconds)

    def sweep(self, check_mine: Callable[[], None]) -> None:
        """An item that was deleted is gone at once."""

    def beside(self, name: str) -> bytes | None:
        """A small object beside the snapshots, None where there is none."""
        item = self._reading.within(self._options.read_seconds).get((BESIDE, name), is_consistent=True)
        return None if item is None else bytes(item["data"]["B"])

    def beside_mark(self, name: str) -> Hashable:
        """Its hash."""
        item = self._reading.within(self._options.read_seconds).get((BESIDE, name), is_consistent=True)
        return None if item is None else item["sha256"]["S"]

    def put_beside(self, name: str, data: bytes) -> None:
        """The small object holds `data`.

        Raises:
            InputInvalid: it is larger than an item may be.
        """
        if len(data) > MAX_BESIDE_BYTES:
            raise InputInvalid(
                f"{name} has {len(data):,} bytes, the limit is {MAX_BESIDE_BYTES:,}", where=self.where,
                todo="List fewer items.",
            )  # fmt: skip
        key = {"pk": {"S": BESIDE}, "sk": {"S": name}, "sha256": {"S": hashlib.sha256(data).hexdigest()}}
        self._table.within(self._options.move_seconds).put({**key, "data": {"B": data}})

    def _importing(self, made: Build, own: Table) -> Importing | None:
        bucket = self._options.imports
        if bucket is None or own.name == self._table.name:
            return None
        objects = bucket.within(self._options.publish_seconds)
        return Importing(made, own, objects, bucket.name, bucket.prefix, self._catalogue, self._options.part_bytes)

    def _clear_imports(self) -> None:
        """Files of imports are gone whose snapshot nobody publishes any more."""
        if self._options.imports is None:
            return
        objects = self._options.imports.within(self._options.publish_seconds)
        incoming = {entry.snapshot for entry in self._catalogue.entries() if entry.phase == "incoming"}
        for name in {one.name.split("/")[1] for one in objects.list(importing.IMPORTS)} - incoming:
            importing.clear(objects, name)

    def _wipe(self, table: Table, entry: Entry) -> None:
        own = table.named(entry.table)
        if own.name == self._table.name:
            erasing.wipe(own, entry.snapshot, self._options.pace)
            return
        importing.drop(own)
        self._catalogue.replace(entry, replace(entry, import_arn=""))

    def _lost_users(self, table: Table, entry: Entry, manifest: Manifest) -> bool:
        """Whether users were erased from the complete snapshot, which is the one of the build but for them."""
        n = erasing.erased(table, entry.snapshot)[checking.USERS]
        check_same(self._manifest(table, entry), manifest, self.where, n_noted=n)
        return n > 0

    def _entry(self, snapshot: str) -> Entry:
        entry = self._catalogue.get(snapshot) if snapshot else None
        if entry is None or entry.phase != "complete":
            raise SnapshotMissing(
                f"Snapshot {snapshot!r} is not in the store", where=self.where, todo="Name one that `status` lists."
            )
        return entry

    def _manifest(self, table: Table, entry: Entry) -> Manifest:
        where = f"{self.where}/{entry.snapshot}/{FILE_NAME}"
        manifest = decode_manifest(chunks.read(table, entry.snapshot, FILE_NAME, entry.manifest_bytes), where)
        if manifest.sha256 != entry.manifest_sha256:
            raise corrupt("The manifest is not the one that was published", where)
        return manifest

    def _file(self, table: Table, manifest: Manifest, name: str) -> bytes:
        entry = manifest.files[name]
        data = chunks.read(table, manifest.snapshot_id, name, entry.bytes)
        if hashlib.sha256(data).hexdigest() != entry.sha256:
            raise corrupt("The file differs from the manifest", f"{self.where}/{manifest.snapshot_id}/{name}")
        return data

    def _wanted(self, manifest: Manifest) -> Entry:
        name = manifest.snapshot_id
        return Entry(
            snapshot=name, phase="incoming", manifest_sha256=manifest.sha256, manifest_bytes=len(manifest.encode()),
            generations=(name,), table=self._table_of(name), as_of=manifest.as_of.isoformat(),
        )  # fmt: skip

    def _table_of(self, snapshot: str) -> str:
        return self._table.name if self._options.imports is None else f"{self._table.name}-{snapshot}"

    def _base(self, table: Table, manifest: Manifest) -> Entry | None:
        if self._options.changed_only == "off":
            return None
        days = self._options.full_every_days
        base = possible_base(self._catalogue, self.pointer(), manifest, days=days)
        if base is None or list(self._manifest(table, base).placements) != list(manifest.placements):
            return None
        return base

    def _planned(self, table: Table, made: Build, entry: Entry) -> Plan:
        if len(entry.generations) == 1:
            return Plan()
        base = self._catalogue.get(entry.generations[1])
        if base is None:
            raise corrupt(f"The lists of {entry.generations[1]} are gone", self.where)
        manifest = self._manifest(table, base)
        lists = self._lists(table, base, manifest, self._options.publish_seconds)
        how = self._options.changed_only
        return plan(made, lists, manifest.n_users, "exact" if how == "off" else how, self._options.pace.threads)

    def _lists(self, table: Table, entry: Entry, manifest: Manifest, seconds: float) -> ListTable:
        reading = self._reading if seconds == self._options.read_seconds else self._table
        return open_lists(table, reading, self._catalogue, entry, manifest.placements, seconds=seconds)
