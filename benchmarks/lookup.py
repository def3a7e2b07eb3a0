"""Lookups on the local store: against LMDB with MessagePack, and their worst percent while a snapshot is published."""

from __future__ import annotations

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Final

import lmdb
import msgpack  # type: ignore[import-untyped]  # it has no stubs
import numpy as np

from benchmarks.lists import AT, LENGTH, PLACEMENT, Shop, fill_peer, make_shop
from benchmarks.results import Result, result
from benchmarks.sizes import QUICK, SEED, Sizes, versions
from export.lookup import Lists
from export.stores.local import LocalStore

PAGE: Final = 10
READERS: Final = 4
PER_SECOND: Final = 250
LIMIT_SECONDS: Final = 0.001
SECONDS: Final = 5.0
WARM_UP: Final = 200


def run(sizes: Sizes, stages: tuple[str, ...]) -> list[Result]:
    """The results of `lookup_p50` and `lookup_p99_ms`, those of them that are asked for."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name:
        shop = make_shop(Path(name), sizes)
        made = []
        if "lookup_p50" in stages:
            made.append(_median(shop, sizes, Path(name)))
        if "lookup_p99_ms" in stages:
            made.append(_worst_percent(shop, sizes))
        return made


def _median(shop: Shop, sizes: Sizes, folder: Path) -> Result:
    """Both sides give the same lists of Python values, whole before the clock stops: nothing is left for a later touch.

    These are ids, titles, scores as 64-bit floats, reasons and sources as text. For the peer: it decodes texts that lie
    in one piece, looks at no pointer, checks no sum and makes no choice of list. Against it: it has the bytes of every
    text in every user's record, and no part of a list without the rest, so that ten places cost it all of them.
    """
    lists, peer = Lists(shop.store), fill_peer(folder / "peer.lmdb", shop)
    asked = np.random.default_rng(SEED).integers(0, len(shop.users), len(shop.users)).tolist()
    users = [shop.users[number] for number in asked]
    samples: dict[str, list[float]] = {"ours": [], "peer": []}
    page: list[float] = []
    with peer:
        for _ in range(sizes.repeats):
            samples["ours"].append(_p50(lambda user: lists.get(user, LENGTH, PLACEMENT), users))
            samples["peer"].append(_p50(lambda user: _from_peer(peer, user), users))
            page.append(_p50(lambda user: lists.get(user, PAGE, PLACEMENT), users))
    peers = statistics.median(samples["peer"])
    return result(
        "lookup_p50", samples, peer_name="py-lmdb get + msgpack decode", ratio_is="ours / peer", goal=1.0,
        about=f"median seconds of one lookup; {len(users):,} users, lists of {LENGTH} with titles and reasons, all "
        "places asked for; the peer holds each list as it is served and has no checksum",
        versions=versions("lmdb", "msgpack", "numpy", "msgspec"),
        facts={"of_10_places_against_peer": statistics.median(page) / peers},
    )  # fmt: skip


def _from_peer(peer: lmdb.Environment, user: str) -> Any:
    with peer.begin(buffers=True) as reading:
        return msgpack.unpackb(reading.get(user.encode()))


def _p50(get: Callable[[str], object], users: list[str]) -> float:
    """Median seconds of one call; every user was asked for once before."""
    for user in users:
        get(user)
    return statistics.median(_timed(get, user) for user in users)


def _timed(get: Callable[[str], object], user: str) -> float:
    started = time.perf_counter()
    get(user)
    return time.perf_counter() - started


def _worst_percent(shop: Shop, sizes: Sizes) -> Result:
    seconds = SECONDS / 5 if sizes == QUICK else SECONDS
    samples: list[float] = []
    slowest: list[float] = []
    n_snapshots = 0
    with ProcessPoolExecutor(READERS, mp_context=multiprocessing.get_context("spawn")) as readers:
        for turn in range(sizes.repeats):
            ran = [readers.submit(read, shop.root / "store", shop.users, seconds, seed) for seed in range(READERS)]
            time.sleep(seconds / 4)
            _publish(shop, turn)
            latencies = [one for reader in ran for one in reader.result()[0]]
            n_snapshots = max(n_snapshots, *(reader.result()[1] for reader in ran))
            samples.append(float(np.percentile(latencies, 99)))
            slowest.append(max(latencies))
    return result(
        "lookup_p99_ms", {"ours": samples, "peer": [LIMIT_SECONDS]}, peer_name="the limit, 1 ms",
        ratio_is="ours / peer", goal=1.0,
        about=f"99th percentile, seconds; {READERS} processes of {PER_SECOND} lookups/s of {PAGE} places for "
        f"{seconds:g} s, while a snapshot of {len(shop.users):,} users is published, read back and flipped to",
        versions=versions("numpy", "msgspec"),
        facts={"slowest_ms": max(slowest) * 1000, "snapshots_seen": n_snapshots},
    )  # fmt: skip


def _publish(shop: Shop, turn: int) -> None:
    """The second night published anew and flipped to; the first one is current again before the next turn."""
    store = shop.store
    first = store.snapshots()[0]
    pointer = store.pointer()
    if turn and pointer is not None:
        store.flip(first, expected=pointer, by=f"back-{turn}", reason="again", at=AT)
    second = store.publish(shop.build, blessing=shop.blessing).snapshot
    store.flip(second, expected=store.pointer(), by=f"on-{turn}", reason="again", at=AT)


def read(root: Path, users: list[str], seconds: float, seed: int) -> tuple[list[float], int]:
    """Seconds of each lookup of one paced reader, and how many snapshots its answers came from."""
    lists, random = Lists(LocalStore(root)), np.random.default_rng(seed)
    asked = [users[number] for number in random.integers(0, len(users), WARM_UP + int(seconds * PER_SECOND)).tolist()]
    seen, latencies = set(), []
    for user in asked[:WARM_UP]:
        lists.get(user, PAGE, PLACEMENT)
    started = time.perf_counter()
    for number, user in enumerate(asked[WARM_UP:]):
        time.sleep(max(0.0, started + number / PER_SECOND - time.perf_counter()))
        begun = time.perf_counter()
        seen.add(lists.get(user, PAGE, PLACEMENT).snapshot)
        latencies.append(time.perf_counter() - begun)
    return latencies, len(seen)
