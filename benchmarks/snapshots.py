"""Builds of a packed snapshot from arrays: users a second of one core, against MessagePack with zstd."""

from __future__ import annotations

import datetime as dt
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgpack  # type: ignore[import-untyped]  # it has no stubs
import numpy as np
import pyarrow as pa
import zstandard

from benchmarks.lists import LENGTH, batches, tables
from benchmarks.results import Result, result
from benchmarks.sizes import SEED, Sizes, versions
from contracts.sections import SOURCE_NAMES
from export.arrow_input import LIST_COLUMNS
from export.format import bits
from export.format.packing import Columns, join_records, pack_lists
from export.format.records import Widths
from export.snapshot import write_snapshot

USERS_A_USER: Final = 10
BATCH: Final = 100_000
PART: Final = 4_096
SHARDS: Final = 8
GOAL_USERS_PER_SECOND: Final = 500_000


@dataclass(frozen=True, slots=True)
class Night:
    """What a snapshot is built from; `plain` has no anchors, `anchored` has them at a fifth of the places."""

    items: pa.Table
    fallbacks: pa.Table
    plain: list[pa.RecordBatch]
    anchored: list[pa.RecordBatch]

    @property
    def n_users(self) -> int:
        """Users, each with one list."""
        return sum(batch.num_rows for batch in self.plain)


def run(sizes: Sizes, stages: Sequence[str]) -> list[Result]:
    """The results of `snapshot_build` and `snapshot_build_rate`, those of them that are asked for."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name:
        made = _rates(_night(sizes), sizes, Path(name))
    return [one for one in made if one.stage in stages]


def _night(sizes: Sizes) -> Night:
    users = [f"user-{number}" for number in range(sizes.users * USERS_A_USER)]
    plain, anchored = (
        list(batches(users, sizes.items, SEED, size=BATCH, is_anchored=is_anchored)) for is_anchored in (False, True)
    )
    return Night(*tables(sizes.items), plain, anchored)


def _build(night: Night, lists: list[pa.RecordBatch], folder: Path) -> None:
    write_snapshot(
        folder / "build", lists=lists, fallbacks=night.fallbacks, items=night.items, as_of=dt.date(2026, 11, 24),
        shards=SHARDS, reasons=SOURCE_NAMES, n_eligible_users=night.n_users,
    )  # fmt: skip


def _rates(night: Night, sizes: Sizes, folder: Path) -> list[Result]:
    samples: dict[str, list[float]] = {"ours": [], "peer": []}
    anchored, records = [], []
    for _ in range(sizes.repeats):
        samples["ours"].append(_cpu_seconds(lambda: _build(night, night.plain, folder)))
        samples["peer"].append(_cpu_seconds(lambda: _build_peer(night.plain, folder / "peer")))
        records.append(_cpu_seconds(lambda: _records(night.plain, sizes.items)))
        anchored.append(_cpu_seconds(lambda: _build(night, night.anchored, folder)))
    n = night.n_users
    about = (
        f"CPU seconds of a build of {n:,} users with lists of {LENGTH} from Arrow arrays, {sizes.items:,} items, "
        f"{SHARDS} shards: values checked, keys, checksums, SHA-256 and a flush to the disk in it"
    )
    rates = {
        "users_per_second": n / statistics.median(samples["ours"]),
        "records_alone_users_per_second": n / statistics.median(records),
        "with_anchors_users_per_second": n / statistics.median(anchored),
    }
    own = versions("numpy", "pyarrow", "msgpack", "zstandard")
    return [
        result(
            "snapshot_build", samples, peer_name="msgpack + zstd a user, one file", ratio_is="peer / ours", goal=10.0,
            about=about + "; the peer checks nothing and has no keys", versions=own,
            facts={**rates, "peer_users_per_second": n / statistics.median(samples["peer"])},
        ),
        result(
            "snapshot_build_rate", {"ours": samples["ours"], "peer": [n / GOAL_USERS_PER_SECOND]},
            peer_name=f"the limit, {GOAL_USERS_PER_SECOND:,} users/s", ratio_is="ours / peer", goal=1.0, about=about,
            versions=own, facts=rates,
        ),
    ]  # fmt: skip


def _records(lists: list[pa.RecordBatch], n_items: int) -> None:
    """What the peer does: arrays to bytes, here with the ids and checksums in them."""
    widths = Widths(bits.width(n_items), bits.width(len(SOURCE_NAMES)))
    for batch in lists:
        for start in range(0, batch.num_rows, PART):
            part = batch.slice(start, PART)
            n = part.num_rows
            items, scores, sources, anchors = (part[name].flatten().to_numpy() for name in LIST_COLUMNS)
            lengths = np.full(n, LENGTH, dtype=np.int64)
            columns = Columns(np.zeros(n, dtype=np.uint8), lengths, items, scores, sources, anchors)
            ids = part["user_id"].cast(pa.large_binary())
            join_records(ids, np.zeros(n, dtype=np.uint16), np.ones(n, dtype=np.uint8), pack_lists(columns, widths))


def _cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def _lists(batch: pa.RecordBatch) -> Iterator[list[list[float]]]:
    """Items, scores and reasons of each user; made one at a time, which is twice as fast as a batch at a time."""
    columns = (batch[name].flatten().to_numpy().reshape(-1, LENGTH) for name in ("item_idx", "scores", "reasons"))
    return ([column.tolist() for column in user] for user in zip(*columns, strict=True))


def _build_peer(lists: list[pa.RecordBatch], path: Path) -> None:
    """Each user's items, scores and reasons as one compressed MessagePack array, then where each begins."""
    pack, compress = msgpack.Packer(use_single_float=True).pack, zstandard.ZstdCompressor().compress
    lengths: dict[str, int] = {}
    with path.open("wb") as file:
        for batch in lists:
            payloads = [compress(pack(one)) for one in _lists(batch)]
            file.writelines(payloads)
            lengths.update(zip(batch["user_id"].to_pylist(), map(len, payloads), strict=True))
        file.write(pack(lengths))
