"""Bytes of a user's packed list, its share of the index included, against the bits it needs and against JSON."""

from __future__ import annotations

import gzip
import json
import statistics
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks import synthetic
from benchmarks.lists import LENGTH
from benchmarks.results import Result, result
from benchmarks.sizes import SEED, Sizes, versions
from contracts.sections import SOURCE_NAMES
from export.format import bits
from export.format.packing import Columns, join_records, pack_lists
from export.format.records import Widths
from export.format.shards import index_bytes

N_USERS: Final = 2_000
N_ITEMS: Final = 1_000_000
STEPS: Final = 255
ANCHORED: Final = 0.2
SCORE_AND_REASON_BITS: Final = 16


def run(sizes: Sizes, stages: Sequence[str]) -> list[Result]:
    """The results of `payload_bytes` and `payload_bytes_json`, those of them that are asked for."""
    lists, few = _lists(N_ITEMS), _lists(sizes.items)
    ours, small = _bytes(lists, N_ITEMS), _bytes(few, sizes.items)
    about = (
        f"bytes a user, not seconds: a list of {LENGTH} different items of {N_ITEMS:,}, no anchors; checksum, user id "
        "and index in it"
    )
    small_name, own = f"of_{sizes.items}_items", versions("numpy", "pyarrow")
    as_columns = _json_bytes(lists, is_rows=False)
    made = [
        result(
            "payload_bytes", {"ours": [ours], "peer": [_needed(N_ITEMS)]}, peer_name="bits of item, score, reason byte",
            ratio_is="ours / peer", goal=1.15, about=about, versions=own,
            facts={small_name: small / _needed(sizes.items), "bytes_with_anchors": _bytes(_anchored(lists), N_ITEMS)},
        ),
        result(
            "payload_bytes_json", {"ours": [ours], "peer": [_json_bytes(lists)]}, peer_name="JSON + gzip",
            ratio_is="ours / peer", goal=0.6, about=f"{about}; the peer has an object of item index, score byte and "
            "reason index an item, and no id and no index", versions=own,
            facts={small_name: small / _json_bytes(few), "of_one_array_a_column": ours / as_columns},
        ),
    ]  # fmt: skip
    return [one for one in made if one.stage in stages]


def _lists(n_items: int) -> Columns:
    """A list a user, some items in many of them; scores are whole score bytes, so that the peer loses none."""
    random = np.random.default_rng(SEED)
    size = N_USERS * LENGTH
    drawn = synthetic.skewed(random, n_items, size * 10, 3.0).reshape(N_USERS, -1).tolist()
    scores = -np.sort(-random.integers(0, STEPS + 1, (N_USERS, LENGTH)), axis=1)
    scores[:, [0, -1]] = STEPS, 0
    return Columns(
        placements=np.zeros(N_USERS, dtype=np.uint8),
        lengths=np.full(N_USERS, LENGTH, dtype=np.int64),
        items=np.array([list(dict.fromkeys(items))[:LENGTH] for items in drawn], dtype=np.int32).ravel(),
        scores=scores.ravel().astype(np.float32),
        sources=random.integers(0, len(SOURCE_NAMES), size, dtype=np.int32),
        anchors=np.full(size, -1, dtype=np.int32),
    )


def _anchored(lists: Columns) -> Columns:
    """The lists with an item of the list before as anchor of a fifth of the places."""
    has_anchor = np.random.default_rng(SEED).random(len(lists.items)) < ANCHORED
    anchors: npt.NDArray[np.int32] = np.where(has_anchor, np.roll(lists.items, LENGTH), np.int32(-1))
    return Columns(lists.placements, lists.lengths, lists.items, lists.scores, lists.sources, anchors)


def _bytes(lists: Columns, n_items: int) -> float:
    ids = pa.array([f"user-{number:06d}".encode() for number in range(N_USERS)], pa.large_binary())
    packed = pack_lists(lists, Widths(bits.width(n_items), bits.width(len(SOURCE_NAMES))))
    none, one = np.zeros(N_USERS, dtype=np.uint16), np.ones(N_USERS, dtype=np.uint8)
    return (len(join_records(ids, none, one, packed)) + index_bytes(N_USERS)) / N_USERS


def _needed(n_items: int) -> float:
    return LENGTH * (bits.width(n_items) + SCORE_AND_REASON_BITS) / 8


def _json_bytes(lists: Columns, *, is_rows: bool = True) -> float:
    """Mean bytes of a user's list as compact JSON, one object an item or one array a column, compressed alone."""
    names, columns = ("item", "score", "reason"), (lists.items, lists.scores.astype(np.int64), lists.sources)
    users = zip(*(column.reshape(-1, LENGTH).tolist() for column in columns), strict=True)
    sizes = []
    for user in users:
        rows = [dict(zip(names, row, strict=True)) for row in zip(*user, strict=True)]
        text = json.dumps(rows if is_rows else dict(zip(names, user, strict=True)), separators=(",", ":"))
        sizes.append(len(gzip.compress(text.encode(), mtime=0)))
    return statistics.fmean(sizes)
