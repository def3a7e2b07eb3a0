"""Requests at fixed times, whether or not the earlier ones were answered: a slow server cannot slow the load down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

CONNECTIONS: Final = 32
OK: Final = b"HTTP/1.1 200"
TIMEOUT_SECONDS: Final = 10.0


@dataclass(slots=True)
class Load:
    """What came of it.

    Attributes:
        latencies: seconds from each request's scheduled time to the end of its answer.
        n_errors: requests without a whole answer of status 200.
        tags: ETags of the answers.
    """

    latencies: list[float] = field(default_factory=list)
    n_errors: int = 0
    tags: set[bytes] = field(default_factory=set)


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def run_load(
    host: str, port: int, paths: Sequence[str], *, per_second: float, in_the_middle: Callable[[], None]
) -> Load:
    """GET of each path, one every 1 / `per_second` seconds; `in_the_middle` is called in a thread at half time.

    Waiting for one of the kept connections counts as latency.
    """
    load, loop = Load(), asyncio.get_running_loop()
    idle: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
    for _ in range(CONNECTIONS):
        idle.put_nowait(await asyncio.open_connection(host, port))
    started = loop.time() + 0.05
    running = []
    for number, path in enumerate(paths):
        due = started + number / per_second
        await asyncio.sleep(max(0.0, due - loop.time()))
        running.append(asyncio.create_task(_ask(load, idle, host, port, path, due)))
        if number == len(paths) // 2:
            running.append(asyncio.create_task(asyncio.to_thread(in_the_middle)))
    await asyncio.gather(*running)
    while not idle.empty():
        idle.get_nowait()[1].close()
    return load


async def _ask(load: Load, idle: asyncio.LifoQueue[Connection], host: str, port: int, path: str, due: float) -> None:
    reader, writer = await idle.get()
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            await reader.readexactly(int(fields[b"content-length"]))
    except (OSError, asyncio.IncompleteReadError, KeyError, TimeoutError):
        load.n_errors += 1
        writer.close()
        reader, writer = await asyncio.open_connection(host, port)
    else:
        load.n_errors += not head.startswith(OK)
        load.tags.add(fields.get(b"etag", b""))
        load.latencies.append(asyncio.get_running_loop().time() - due)
    idle.put_nowait((reader, writer))
