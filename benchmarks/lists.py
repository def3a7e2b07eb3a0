"""A store of synthetic lists, and the same lists in LMDB."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import lmdb
import msgpack  # type: ignore[import-untyped]  # it has no stubs
import numpy as np
import pyarrow as pa

from benchmarks import synthetic
from benchmarks.sizes import SEED, Sizes
from contracts.sections import SOURCE_NAMES
from export.blessing import Blessing, write_blessing
from export.lookup import Lists, TopN
from export.snapshot import write_snapshot
from export.stores.local import LocalStore

LENGTH: Final = 50
BATCH: Final = 5_000
ANCHORED: Final = [SOURCE_NAMES.index("covisit"), SOURCE_NAMES.index("content")]
AT: Final = "2026-01-02T03:04:05+00:00"
PLACEMENT: Final = "home"


@dataclass(frozen=True, slots=True)
class Shop:
    """A store with two nights, the first of them current, the second built and blessed.

    Attributes:
        root: folder of the store's folder.
        build: the second night, as staged.
        blessing: of the second night.
    """

    root: Path
    users: list[str]
    build: Path
    blessing: Path

    @property
    def store(self) -> LocalStore:
        """The store."""
        return LocalStore(self.root / "store")


def make_shop(folder: Path, sizes: Sizes) -> Shop:
    """A shop below `folder`; equal sizes give equal lists."""
    today = dt.datetime.now(dt.UTC).date()
    users = [f"user-{number}" for number in range(sizes.users)]
    shop = Shop(folder, users, folder / "build", folder / "blessing.json")
    for night, seed in ((2, SEED), (1, SEED + 1)):
        _build(shop, sizes, today - dt.timedelta(days=night), seed)
        if night > 1:
            snapshot = shop.store.publish(shop.build, blessing=shop.blessing).snapshot
            shop.store.flip(snapshot, expected=None, by="bench", reason="first", at=AT)
    return shop


def fill_peer(path: Path, shop: Shop) -> lmdb.Environment:
    """The first night's answers by user id, each a MessagePack map of five arrays, whole and as served."""
    lists = Lists(shop.store)
    peer = lmdb.open(str(path), map_size=1 << 32, subdir=False)
    with peer.begin(write=True) as writing:
        for user in shop.users:
            writing.put(user.encode(), msgpack.packb(_plain(lists.get(user, LENGTH, PLACEMENT))))
    return peer


def _plain(made: TopN) -> dict[str, Any]:
    return {"items": made.items, "titles": made.titles, "scores": made.scores, "reasons": made.reasons,
            "sources": made.sources, "segment": made.segment}  # fmt: skip


def tables(n: int) -> tuple[pa.Table, pa.Table]:
    """A catalogue of `n` items, and fallback lists of one placement."""
    items = pa.table(
        {
            "item_idx": pa.array(range(n), pa.int32()),
            "item_id": [f"{number:07d}" for number in range(n)],
            "title": [f"Title of item {number}" for number in range(n)],
            "category": [f"category {number % 50}" for number in range(n)],
            "price": pa.nulls(n, pa.float64()),
            "image_url": pa.nulls(n, pa.string()),
        }
    )
    popular = {"placement": [PLACEMENT], "segment": ["all"], "item_idx": [list(range(min(n, LENGTH)))]}
    return items, pa.table({**popular, "scores": [[1.0] * min(n, LENGTH)]})


def _build(shop: Shop, sizes: Sizes, as_of: dt.date, seed: int) -> None:
    items, fallbacks = tables(sizes.items)
    manifest = write_snapshot(
        shop.build, lists=batches(shop.users, sizes.items, seed), fallbacks=fallbacks, items=items, as_of=as_of,
        shards=8, reasons=SOURCE_NAMES, n_eligible_users=len(shop.users),
    )  # fmt: skip
    blessing = Blessing(as_of=as_of, manifest_sha256=manifest.sha256, verdict="blessed")
    write_blessing(shop.blessing, blessing)


def batches(
    users: list[str], n_items: int, seed: int, *, size: int = BATCH, is_anchored: bool = True
) -> Iterator[pa.RecordBatch]:
    """Lists of popular and rare items, `size` a batch; a fifth of the items with an anchor, or none."""
    random = np.random.default_rng(seed)
    anchored = ANCHORED if is_anchored else []
    for start in range(0, len(users), size):
        part = users[start : start + size]
        n = len(part) * LENGTH
        sources = random.integers(0, len(SOURCE_NAMES), n, dtype=np.int32)
        anchors = np.where(np.isin(sources, anchored), synthetic.skewed(random, n_items, n, 3.0), -1)
        scores = -np.sort(-random.random((len(part), LENGTH), dtype=np.float32), axis=1).ravel()
        offsets = pa.array(np.arange(len(part) + 1, dtype=np.int32) * LENGTH)
        lists = {
            "item_idx": synthetic.skewed(random, n_items, n, 3.0), "scores": scores, "reasons": sources,
            "anchors": anchors.astype(np.int32),
        }  # fmt: skip
        arrays = {name: pa.ListArray.from_arrays(offsets, pa.array(values)) for name, values in lists.items()}
        plain = {"user_id": part, "placement": [PLACEMENT] * len(part), "segment": ["35-44"] * len(part)}
        yield pa.RecordBatch.from_pydict({**plain, **arrays})
