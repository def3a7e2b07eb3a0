"""Items and keys as they go over the wire, encoded before they reach the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

Key = tuple[str, str]
"""Partition key and sort key."""

_json: Final = msgspec.json.Encoder().encode


class Request(NamedTuple):
    """One item to put, or one key to delete.

    Attributes:
        body: typed JSON of the item, or of the key where it is deleted.
        n_bytes: what DynamoDB counts for the item.
        crc: the checksum in the item, 0 where it has none.
    """

    pk: str
    sk: str
    body: bytes
    n_bytes: int
    crc: int = 0
    is_delete: bool = False


def delete_request(key: Key, n_bytes: int = 1) -> Request:
    """The request to delete an item of so many bytes."""
    return Request(*key, _json(typed_key(key)), n_bytes, is_delete=True)


def typed_key(key: Key) -> dict[str, dict[str, str]]:
    """A key as the client takes it."""
    return {"pk": {"S": key[0]}, "sk": {"S": key[1]}}


def batch_body(table: str, batch: Sequence[Request]) -> bytes:
    """The body of a BatchWriteItem call."""
    parts = [
        (b'{"DeleteRequest":{"Key":%b}}' if one.is_delete else b'{"PutRequest":{"Item":%b}}') % one.body
        for one in batch
    ]
    return b'{"RequestItems":{%b:[%b]}}' % (_json(table), b",".join(parts))


def request_key(request: dict[str, Any]) -> Key:
    """The key in an entry of UnprocessedItems."""
    key = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return key["pk"]["S"], key["sk"]["S"]
