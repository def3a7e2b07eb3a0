"""The one place where clients of AWS are made: default credential chain, explicit timeouts, no retries of their own."""

from __future__ import annotations

import logging
import threading
from functools import cache
from typing import Any, Final, Literal

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError

from contracts.errors import SettingsError
from contracts.store_section import Store

TALKATIVE: Final = ("boto3", "botocore", "urllib3")
"""At DEBUG they log what they sign: the session token and the key id."""
_MAKING: Final = threading.Lock()
"""A session makes one client at a time; the clients may be used at once."""


@cache
def session() -> Any:
    """The one session of this process: it finds and refreshes the credentials, and reads AWS's models once."""
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
    return boto3.session.Session()


def client(
    service: Literal["s3", "dynamodb"],
    section: Store,
    *,
    timeout_seconds: float | None = None,
    connections: int = 16,
) -> Any:
    """A client of a service, thread-safe. Credentials come from the default chain and are never looked at.

    Args:
        service: its name.
        section: region, endpoint and timeouts.
        timeout_seconds: to connect and to read, instead of the section's two.
        connections: kept open for further calls.

    Raises:
        SettingsError: region or endpoint is not usable.
    """
    config = Config(
        connect_timeout=timeout_seconds or section.connect_timeout_seconds,
        read_timeout=timeout_seconds or section.read_timeout_seconds,
        retries={"total_max_attempts": 1, "mode": "standard"},  # export.stores.retrying owns retries
        max_pool_connections=connections,
        tcp_keepalive=True,
        user_agent_extra="larder",
        # Another server than AWS has no name for each bucket.
        s3={"addressing_style": "path" if section.endpoint else "auto"},
    )
    try:
        with _MAKING:
            return session().client(
                service, region_name=section.region or None, endpoint_url=section.endpoint or None, config=config
            )
    except (BotoCoreError, ValueError) as error:
        raise SettingsError(
            f"No client of {service} can be made: {type(error).__name__}",
            where="store.region, store.endpoint",
            todo="Give the region and, for another server than AWS, its URL.",
        ) from None
