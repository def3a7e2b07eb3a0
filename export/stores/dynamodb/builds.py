"""A build as the items that it becomes in the table."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from contracts.errors import SnapshotCorrupt
from export.format.items import ItemDictionary
from export.format.manifest import FALLBACKS_NAME, FILE_NAME, ITEMS_NAME, Manifest, corrupt
from export.format.records import Record, key_hash
from export.format.shards import ShardFile
from export.stores.dynamodb.items import ItemEncoder
from export.stores.dynamodb.service.wire import Request

T = TypeVar("T")
R = TypeVar("R")
FILES: Final = (ITEMS_NAME, FALLBACKS_NAME)


class Build:
    """A snapshot directory, whose bytes were found to agree with its manifest."""

    def __init__(self, directory: Path, manifest: Manifest, *, expire_days: int) -> None:
        """The build in `directory`; its items expire so many days after the end of the snapshot's date.

        Raises:
            InputInvalid: a source has no letter, or a placement no name.
            SnapshotCorrupt: the item dictionary differs from the manifest.
        """
        self.manifest, self.snapshot = manifest, manifest.snapshot_id
        self.placements = list(manifest.placements)
        self.n_lists = sum(made.lists for made in manifest.placements.values())
        self._directory = directory
        end = dt.datetime.combine(manifest.as_of, dt.time(), tzinfo=dt.UTC) + dt.timedelta(days=1 + expire_days)
        self.expires_at = int(end.timestamp())
        ids = item_ids(ItemDictionary(directory / ITEMS_NAME), manifest, str(directory / ITEMS_NAME))
        self.encoder = ItemEncoder(manifest, ids, expires_at=self.expires_at)

    def records(self) -> Iterator[Record]:
        """Every user's record.

        Raises:
            SnapshotCorrupt: one is damaged.
        """
        for name in self.manifest.shard_names:
            path = self._directory / name
            entry = self.manifest.files[path.name]
            yield from ShardFile(path, self.manifest.widths, expected_bytes=entry.bytes).records()

    def requests(self, changed: Collection[int] | None) -> Iterator[Request]:
        """The lists as items, of all users or of those with these key hashes."""
        for record in self.records():
            if changed is None or key_hash(record.user_id) in changed:
                yield from self.of(record)

    def of(self, record: Record) -> Iterator[Request]:
        """One user's lists as items."""
        return (self.encoder.encode(record, self.placements[number], number) for number in record.lists)

    def files(self) -> dict[str, bytes]:
        """What is written beside the lists, by name."""
        files = {name: (self._directory / name).read_bytes() for name in FILES}
        return {**files, FILE_NAME: self.manifest.encode()}


def item_ids(items: ItemDictionary, manifest: Manifest, where: str) -> list[str]:
    """Item ids by index, empty for an unused one.

    Raises:
        SnapshotCorrupt: there are not as many items as the manifest says.
    """
    ids, n = [""] * items.n, 0
    for index in range(items.n):
        try:
            ids[index] = items.get(index).item_id
        except SnapshotCorrupt:
            continue  # unused, or damaged: then the count tells
        n += 1
    if n != manifest.n_items:
        raise corrupt(f"The dictionary has {n} items, the manifest says {manifest.n_items}", where)
    return ids


def grouped(parts: Iterable[T], n: int) -> Iterator[list[T]]:
    """The parts in their order, `n` at a time."""
    source = iter(parts)
    while group := list(islice(source, n)):
        yield group


def in_parallel(work: Callable[[T], R], parts: Iterable[T], threads: int) -> Iterator[R]:
    """`work` of each part, in order, by several threads that run a little ahead of the reader."""
    running: list[Future[R]] = []
    with ThreadPoolExecutor(threads, thread_name_prefix="larder-read") as pool:
        try:
            for part in parts:
                running.append(pool.submit(work, part))
                if len(running) > 2 * threads:
                    yield running.pop(0).result()
            while running:
                yield running.pop(0).result()
        finally:
            pool.shutdown(cancel_futures=True)
