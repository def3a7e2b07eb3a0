"""`larder serve` under a fixed schedule of requests, with a flip in the middle."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import numpy as np

from benchmarks.lists import AT, Shop, make_shop
from benchmarks.load import Load, run_load
from benchmarks.results import Result, result
from benchmarks.sizes import QUICK, SEED, Sizes, versions

PER_SECOND: Final = 500
SECONDS: Final = 8.0
LIMIT_SECONDS: Final = 0.020


def run(sizes: Sizes) -> Result:
    """The result of the stage `http_p99_ms`."""
    with tempfile.TemporaryDirectory(prefix="larder-bench-") as name:
        shop = make_shop(Path(name), sizes)
        nights = [shop.store.snapshots()[0], shop.store.publish(shop.build, blessing=shop.blessing).snapshot]
        with _serving(shop.root) as (url, pid):
            before = _cpu_seconds(pid)
            loads = [_load(shop, url, sizes, nights[(turn + 1) % 2]) for turn in range(sizes.repeats)]
            spent = _cpu_seconds(pid) - before
    samples = [float(np.percentile(load.latencies, 99)) for load in loads]
    return result(
        "http_p99_ms", {"ours": samples, "peer": [LIMIT_SECONDS]}, peer_name="the limit, 20 ms",
        ratio_is="ours / peer", goal=1.0,
        about=f"99th percentile, seconds from the scheduled time; {PER_SECOND} requests/s in an open loop, "
        f"{len(loads[0].latencies):,} requests a run, 10 places, {len(shop.users):,} users, a flip in the middle; "
        "server and load share the cores",
        versions=versions("fastapi", "uvicorn", "msgspec"),
        facts={
            "server_cpu_ms_a_request": spent / sum(len(load.latencies) for load in loads) * 1000,
            "errors": float(sum(load.n_errors for load in loads)),
            "p50_ms": float(np.median([np.median(load.latencies) for load in loads])) * 1000,
            "slowest_ms": max(max(load.latencies) for load in loads) * 1000,
            "snapshots_seen": float(min(len(load.tags) for load in loads)),
        },
    )  # fmt: skip


def _load(shop: Shop, url: str, sizes: Sizes, next_night: str) -> Load:
    seconds = SECONDS / 8 if sizes == QUICK else SECONDS
    random = np.random.default_rng(SEED)
    numbers = random.integers(0, len(shop.users), int(seconds * PER_SECOND)).tolist()
    paths = [f"/v1/users/{shop.users[number]}/lists/home" for number in numbers]

    def flip() -> None:
        store = shop.store
        store.flip(next_night, expected=store.pointer(), by=next_night, reason="in the middle", at=AT)

    parts = urlsplit(url)
    return asyncio.run(
        run_load(parts.hostname or "", parts.port or 80, paths, per_second=PER_SECOND, in_the_middle=flip)
    )


def _cpu_seconds(pid: int) -> float:
    """Processor seconds that a process spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def _serving(root: Path) -> Iterator[tuple[str, int]]:
    """The URL of a server and the id of its process, which ends with the block."""
    command = [sys.executable, "-m", "jobs.cli", "--root", str(root), "serve", "--port", "0", "--per-second", "0"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LARDER_", "SERVE_"))}
    with subprocess.Popen(command, env=kept, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        try:
            line = process.stderr.readline() if process.stderr else ""
            if not line.startswith("serving "):
                raise RuntimeError(f"the server did not start: {line}")
            yield line.split()[1], process.pid
        finally:
            process.terminate()
