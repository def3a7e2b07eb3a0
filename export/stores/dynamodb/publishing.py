"""A build's items written and read back: as many as the manifest says, each the very same, or an error that says which.

Killed anywhere and run again, the same items are written again; what nobody can see yet is never in the way.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from contracts.errors import AccountingError
from export.format.manifest import corrupt
from export.stores.dynamodb import chunks
from export.stores.dynamodb.builds import Build, grouped, in_parallel
from export.stores.dynamodb.items import decode
from export.stores.dynamodb.lists import DROPPED, FILTER_NAME, dropped_request
from export.stores.dynamodb.planning import Plan
from export.stores.dynamodb.service.rate import Rate
from export.stores.dynamodb.service.sizes import MAX_BATCH_KEYS, read_units
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import Request
from export.stores.dynamodb.service.writer import BatchWriter, Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast a table may be written.

    Attributes:
        threads: connections used at once.
        write_units_per_second: the most that is asked of the table; it is asked for less while it throttles.
    """

    threads: int = 8
    write_units_per_second: float = 4000.0

    def writer(self, table: Table) -> BatchWriter:
        """A writer of this pace, with the deadline of the table."""
        rate = Rate(self.write_units_per_second, clock=table.calls.retrying.waiting.clock)
        return BatchWriter(table.send, rate, table.calls, threads=self.threads)


def write(build: Build, plan: Plan, table: Table, lists: Table | None, pace: Pace) -> tuple[Written, Written]:
    """What was written of the lists and of the files, as planned, each item confirmed.

    Args:
        build: whose lists and files are written.
        plan: which of them.
        table: for the files.
        lists: for the lists; None where they are imported.
        pace: threads and rate.

    Raises:
        StoreUnreachable: the deadline passed; the message says how many items were not written.
        AccountingError: lists written and skipped are not those of the manifest.
    """
    files = all_files(build, plan)
    parts = [chunks.requests(build.snapshot, name, data) for name, data in files.items()]
    chunked = pace.writer(table).write(itertools.chain(*parts), expected=sum(map(_n_chunks, files.values())))
    if lists is None:
        return Written(), chunked
    gone = (dropped_request(build.snapshot, user, expires_at=build.expires_at) for user in plan.dropped)
    requests = itertools.chain(gone, build.requests(plan.changed))
    expected = build.n_lists - plan.skipped_lists + len(plan.dropped)
    return pace.writer(lists).write(requests, expected=expected), chunked


def read_back(build: Build, plan: Plan, table: Table, lists: Table, pace: Pace) -> float:
    """Read units spent to find every item of the build again, the very same.

    Raises:
        SnapshotCorrupt: an item or chunk is not there, or not what was written.
        AccountingError: lists read back and skipped are not those of the manifest.
    """

    def check(requests: Sequence[Request]) -> tuple[int, float]:
        return _check(lists, requests)

    for name, data in all_files(build, plan).items():
        if chunks.read(table, build.snapshot, name, len(data)) != data:
            raise corrupt(f"{name} read back differs from the build", table.where)
    n_lists, units = 0, 0.0
    for count, cost in in_parallel(check, grouped(build.requests(plan.changed), MAX_BATCH_KEYS), pace.threads):
        n_lists += count
        units += cost
    if n_lists + plan.skipped_lists != build.n_lists:
        raise AccountingError(
            f"{n_lists:,} lists were read back and {plan.skipped_lists:,} skipped of {build.n_lists:,}",
            where=lists.where,
            todo="Publish again; if it stays so, verify the build.",
        )
    marks = [(f"{build.snapshot}#{user}", DROPPED) for user in plan.dropped]
    if len(lists.get_many(marks, is_consistent=True)) != len(marks):
        raise corrupt("A user that was dropped is not marked so", lists.where)
    return units


def numbers(lists: Written, files: Written, plan: Plan, read_units: float) -> dict[str, float]:
    """What a publish has to say of its cost."""
    return {
        "requests": float(lists.requests + files.requests),
        "bytes": float(lists.n_bytes + files.n_bytes),
        "write_units": float(lists.units + files.units),
        "read_units": read_units + plan.read_units,
        "lists_written": float(lists.items - len(plan.dropped)),
        "lists_skipped": float(plan.skipped_lists),
        "write_units_saved": float(plan.skipped_units),
        "bytes_per_list": lists.n_bytes / max(lists.items, 1),
        "write_units_per_list": lists.units / max(lists.items, 1),
        "items_sent_again": float(lists.retried + files.retried),
    }


def all_files(build: Build, plan: Plan) -> dict[str, bytes]:
    """What is written beside the lists, by name, the filter included where there is one."""
    files = build.files()
    return files if plan.changed is None else {**files, FILTER_NAME: plan.filter()}


def _check(lists: Table, requests: Sequence[Request]) -> tuple[int, float]:
    """How many of these lists were read back, all the same, and the read units."""
    found = lists.get_many([(one.pk, one.sk) for one in requests], is_consistent=True)
    for one in requests:
        item = found.get((one.pk, one.sk))
        if item is None or decode(item).crc != one.crc:
            raise corrupt(f"A list read back differs from the build: {one.sk}", f"{lists.where} {one.pk[:80]}")
    return len(found), sum(read_units(one.n_bytes, is_consistent=True) for one in requests)


def _n_chunks(data: bytes) -> int:
    return chunks.n_chunks(len(data))
