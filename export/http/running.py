"""The server process: a socket, an application, and an end."""

from __future__ import annotations

import gc
import ipaddress
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import Final

import uvicorn
from fastapi import FastAPI

from contracts.errors import EnvironmentUnfit, InputInvalid

CONNECTIONS: Final = 1000
GRACE_SECONDS: Final = 10
KEEP_ALIVE_SECONDS: Final = 75
"""Longer than the minute after which load balancers close a connection, so that it is never closed under a request."""


class _Server(uvicorn.Server):
    """Tells when it accepts requests."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Starts accepting requests."""
        await super().startup(sockets)
        self._on_ready()


def check_exposed(host: str, api_key: str | None) -> None:
    """Passes where only this machine can ask, or an API key is asked for.

    Raises:
        InputInvalid: others could ask without a key.
    """
    if api_key is None and not _is_loopback(host):
        raise InputInvalid(
            f"Everybody who reaches {host} could read every user's list",
            where="--host",
            todo="Set SERVE_API_KEY, or serve on 127.0.0.1 behind something that checks who asks.",
        )


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens.

    Raises:
        EnvironmentUnfit: the port is taken, or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((host, port))
        made.listen(CONNECTIONS)
    except OSError as error:
        made.close()
        raise EnvironmentUnfit(
            f"{host}:{port} cannot be listened on: {error.strerror}", where="--port", todo="Choose another port."
        ) from error
    return made


def run(app: FastAPI, listener: socket.socket, *, on_ready: Callable[[], None]) -> None:
    """Serves until the process is told to end (SIGTERM, SIGINT); requests under way are answered first."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, limit_concurrency=CONNECTIONS, server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS, timeout_keep_alive=KEEP_ALIVE_SECONDS, lifespan="off",
    )  # fmt: skip
    server = _Server(config, on_ready)

    def end(_number: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    # The server raises the signal that ended it once more, after it restored the handler that was there before.
    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    gc.collect()
    gc.freeze()  # what was imported is never garbage: looking through it again and again is what slow requests wait for
    try:
        server.run(sockets=[listener])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
