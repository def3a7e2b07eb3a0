"""Requests to an application in this process, without a socket."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from fastapi import FastAPI


class Asking:
    """Asks an application; its unexpected errors come back as 500."""

    def __init__(self, app: FastAPI) -> None:
        """Asks `app`."""
        self._app = app

    def request(self, method: str, url: str, **request: Any) -> httpx.Response:
        """The response to one request, as httpx makes it."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                return await client.request(method, url, **request)

        return asyncio.run(ask())

    def get(self, url: str, **request: Any) -> httpx.Response:
        """The response to GET."""
        return self.request("GET", url, **request)

    def post(self, url: str, **request: Any) -> httpx.Response:
        """The response to POST."""
        return self.request("POST", url, **request)
