"""A snapshot's files as binary items of at most 320 KiB, each with its own checksum.

pk `larder#<snapshot>#<file>#<number>`, sk `chunk`: data B, crc N
"""

from __future__ import annotations

import zlib
from binascii import b2a_base64
from collections.abc import Iterator
from typing import Final

from contracts.errors import SnapshotCorrupt
from export.stores.dynamodb.service.sizes import number_bytes
from export.stores.dynamodb.service.table import Table
from export.stores.dynamodb.service.wire import Key, Request

CHUNK_BYTES: Final = 320 * 1024
PER_READ: Final = 40
"""A batch answers at most 16 MB."""


def n_chunks(n_bytes: int) -> int:
    """Chunks of a file; an empty one has one too."""
    return max(1, -(-n_bytes // CHUNK_BYTES))


def keys(snapshot: str, name: str, n_bytes: int) -> list[Key]:
    """Keys of a file's chunks."""
    return [(f"larder#{snapshot}#{name}#{number:05d}", "chunk") for number in range(n_chunks(n_bytes))]


def requests(snapshot: str, name: str, data: bytes) -> Iterator[Request]:
    """The chunks of a file, ready to be written."""
    for number, (pk, sk) in enumerate(keys(snapshot, name, len(data))):
        part = data[number * CHUNK_BYTES : (number + 1) * CHUNK_BYTES]
        crc = zlib.crc32(part)
        body = b'{"pk":{"S":"%b"},"sk":{"S":"%b"},"data":{"B":"%b"},"crc":{"N":"%d"}}' % (
            pk.encode(), sk.encode(), b2a_base64(part, newline=False), crc,
        )  # fmt: skip
        n_bytes = len("pkskdatacrc") + len(pk) + len(sk) + len(part) + number_bytes(str(crc))
        yield Request(pk, sk, body, n_bytes, crc)


def read(table: Table, snapshot: str, name: str, n_bytes: int) -> bytes:
    """A file's bytes, of which only each chunk's checksum was compared.

    Raises:
        SnapshotCorrupt: a chunk is not there or not what was written, or the file has another size.
    """
    wanted = keys(snapshot, name, n_bytes)
    parts = []
    for start in range(0, len(wanted), PER_READ):
        some = wanted[start : start + PER_READ]
        found = table.get_many(some, is_consistent=True)
        for key in some:
            item = found.get(key)
            if item is None or "data" not in item or zlib.crc32(item["data"]["B"]) != int(item["crc"]["N"]):
                raise _damaged(table, key)
            parts.append(item["data"]["B"])
    data = b"".join(parts)
    if len(data) != n_bytes:
        raise _damaged(table, wanted[0])
    return data


def _damaged(table: Table, key: Key) -> SnapshotCorrupt:
    return SnapshotCorrupt(
        "A chunk of a file is not what was written",
        where=f"{table.where} {key[0]}",
        todo="Do not serve this snapshot: publish it again, or roll back.",
    )
