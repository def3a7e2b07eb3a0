"""One list as one DynamoDB item, which any AWS SDK reads without this library.

    pk          S   `<snapshot>#<user id>`; the snapshot that wrote it
    sk          S   placement
    items       L   item ids, best first
    scores      B   one byte a place: score = low + byte / 255 * (high - low)
    low, high   N   lowest and highest score of the list
    reasons     S   one letter a place: the source that proposed the item, by `LETTERS`
    anchors     L   ids of the bought items that explain places; absent where there are none
    anchor_of   B   one byte a place: 0 for none, else 1 + place in `anchors`; two, big-endian, from 256 anchors on
    segment     S   the user's segment; absent where it is empty
    as_of       S   ISO date
    expires_at  N   seconds since 1970, the table's TTL attribute
    snapshot    S   the snapshot that wrote it
    crc         N   CRC-32 of all of it, see `_checksum`

The scores are bytes because a list of numbers takes four bytes a place, and a list of 50 would not fit one write unit.
"""

from __future__ import annotations

import struct
import zlib
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from contracts.errors import InputInvalid, SnapshotCorrupt
from export.format.manifest import Manifest
from export.format.records import MAX_LENGTH, SCORE_STEPS, PackedList, Record, unpack_list
from export.stores.dynamodb.sizes import ELEMENT_OVERHEAD, LIST_OVERHEAD, MAX_ITEM_BYTES, number_bytes
from export.stores.dynamodb.wire import Request

LETTERS: Final = {
    "own": "o", "als": "a", "als_long": "l", "covisit": "b", "content": "n", "category": "c", "popular": "p",
    "segment": "s", "trend": "t", "arrivals": "r",
}  # fmt: skip
"""The letter of each source in `reasons`."""

SOURCES: Final = {letter: source for source, letter in LETTERS.items()}
MAX_BYTE_ANCHORS: Final = 255
ENDS: Final = struct.Struct("<ff")
_json = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class StoredList:
    """One list as it lies in the table. The four lists are parallel, best first.

    Attributes:
        snapshot: the snapshot that wrote it.
        sources: source names.
        anchors: ids of the items that explain, None for none.
        crc: checked.
    """

    snapshot: str
    as_of: str
    segment: str
    items: list[str]
    scores: list[float]
    sources: list[str]
    anchors: list[str | None]
    crc: int


class ItemEncoder:
    """Lists of one snapshot as items."""

    def __init__(self, manifest: Manifest, item_ids: Sequence[str], *, expires_at: int) -> None:
        """An encoder for the snapshot of `manifest`.

        Args:
            manifest: names snapshot, placements, segments and sources.
            item_ids: by item index; what an unused index has is never read.
            expires_at: seconds since 1970.

        Raises:
            InputInvalid: a source has no letter.
        """
        if unknown := [name for name in manifest.reasons if name not in LETTERS]:
            raise InputInvalid(
                f"Sources without a letter: {unknown}", where="candidates.sources", todo="Add one to `LETTERS`."
            )
        self.snapshot = manifest.snapshot_id
        self._manifest = manifest
        self._letters = [LETTERS[name] for name in manifest.reasons]
        self._ids = [name.encode() for name in item_ids]
        self._typed = [b'{"S":%b}' % _json(name) for name in item_ids]
        as_of = manifest.as_of.isoformat()
        self._tail = b',"as_of":{"S":"%b"},"expires_at":{"N":"%d"},"snapshot":{"S":%b},"crc":{"N":"' % (
            as_of.encode(),
            expires_at,
            _json(self.snapshot),
        )
        self._stamp = f"{as_of}\n{expires_at}\n{self.snapshot}"
        self._fixed_bytes = (
            len("pkskas_of") + len(as_of) + len("expires_at") + number_bytes(str(expires_at))
            + len("snapshot") + len(self.snapshot) + len("crc")
        )  # fmt: skip

    def encode(self, record: Record, placement: str, number: int) -> Request:
        """The user's list for a placement, whose index in the record is `number` and which the record has.

        Raises:
            InputInvalid: the item is larger than DynamoDB allows.
        """
        made = unpack_list(record, number, self._manifest.widths, MAX_LENGTH)
        if made is None:
            raise KeyError(placement)
        pk = f"{self.snapshot}#{record.user_id.decode()}"
        segment = self._manifest.segments[record.segment]
        body, crc, size = self._list(made)
        crc = zlib.crc32(f"{pk}\n{placement}\n{segment}\n{self._stamp}".encode(), crc)
        if segment:
            body += b',"segment":{"S":%b}' % _json(segment)
            size += len("segment") + len(segment.encode())
        digits = str(crc)
        size += self._fixed_bytes + len(pk.encode()) + len(placement.encode()) + number_bytes(digits)
        if size > MAX_ITEM_BYTES:
            raise InputInvalid(
                f"The list takes {size:,} bytes, DynamoDB allows {MAX_ITEM_BYTES:,}",
                where=f"{pk!r}, {placement}",
                todo="Make shorter lists, or publish to another store.",
            )
        head = b'{"pk":{"S":%b},"sk":{"S":%b}' % (_json(pk), _json(placement))
        whole = b"".join((head, body, self._tail, digits.encode(), b'"}}'))
        return Request(pk, placement, whole, size, crc)

    def _list(self, made: PackedList) -> tuple[bytes, int, int]:
        """JSON from the comma before `items`, checksum so far, and bytes counted."""
        typed, ids = self._typed, self._ids
        names = [ids[i] for i in made.items]
        body = b',"items":{"L":[%b]}' % b",".join([typed[i] for i in made.items])
        size = len("items") + LIST_OVERHEAD + len(names) * ELEMENT_OVERHEAD + sum(map(len, names))
        if not names:
            return body, zlib.crc32(b""), size
        low, high = (float(np.float32(end)) for end in (min(made.scores), max(made.scores)))
        scale = SCORE_STEPS / (high - low) if high > low else 0.0
        steps = bytes([round((score - low) * scale) for score in made.scores])
        letters = "".join([self._letters[source] for source in made.sources])
        low_text, high_text = _number(low), _number(high)
        body += b',"scores":{"B":"%b"},"low":{"N":"%b"},"high":{"N":"%b"},"reasons":{"S":"%b"}' % (
            b2a_base64(steps, newline=False), low_text.encode(), high_text.encode(), letters.encode(),
        )  # fmt: skip
        size += len("scoreslowhighreasons") + 2 * len(names) + number_bytes(low_text) + number_bytes(high_text)
        table = sorted(set(made.anchors) - {-1})
        anchors = [ids[i] for i in table]
        places = {index: place for place, index in enumerate(table, 1)} | {-1: 0}
        anchor_of = _places([places[i] for i in made.anchors], len(table))
        if table:
            body += b',"anchors":{"L":[%b]},"anchor_of":{"B":"%b"}' % (
                b",".join([typed[i] for i in table]), b2a_base64(anchor_of, newline=False),
            )  # fmt: skip
            size += len("anchorsanchor_of") + LIST_OVERHEAD + len(table) + sum(map(len, anchors)) + len(anchor_of)
        return body, _checksum(names, steps, (low, high), letters, anchors, anchor_of if table else b""), size


def decode(item: Mapping[str, Any]) -> StoredList:
    """The list in an item as a boto3 client returns it.

    Raises:
        SnapshotCorrupt: it is not what was written.
    """
    try:
        made, crc = _decode(item)
    except (KeyError, ValueError, TypeError, IndexError, AttributeError, struct.error, OverflowError) as error:
        raise _damaged(item) from error
    if crc != made.crc:
        raise _damaged(item)
    return made


def _decode(item: Mapping[str, Any]) -> tuple[StoredList, int]:
    pk, sk, segment = item["pk"]["S"], item["sk"]["S"], item.get("segment", {"S": ""})["S"]
    as_of, snapshot = item["as_of"]["S"], item["snapshot"]["S"]
    names = [one["S"] for one in item["items"]["L"]]
    steps = item["scores"]["B"] if names else b""
    letters = item["reasons"]["S"] if names else ""
    anchors = [one["S"] for one in item["anchors"]["L"]] if "anchors" in item else []
    anchor_of = item["anchor_of"]["B"] if anchors else b""
    table: list[str | None] = [None, *anchors]
    explained = [table[place] for place in _read_places(anchor_of, len(anchors))] or [None] * len(names)
    if not len(names) == len(steps) == len(letters) == len(explained):
        raise _damaged(item)
    low, high = (float(np.float32(float(item[end]["N"]))) if names else 0.0 for end in ("low", "high"))
    scores = [low + step * ((high - low) / SCORE_STEPS) for step in steps]
    ids, anchor_ids = [name.encode() for name in names], [name.encode() for name in anchors]
    crc = _checksum(ids, steps, (low, high), letters, anchor_ids, anchor_of) if names else zlib.crc32(b"")
    stamp = f"{pk}\n{sk}\n{segment}\n{as_of}\n{int(item['expires_at']['N'])}\n{snapshot}"
    sources = [SOURCES[letter] for letter in letters]
    made = StoredList(snapshot, as_of, segment, names, scores, sources, explained, int(item["crc"]["N"]))
    return made, zlib.crc32(stamp.encode(), crc)


def _checksum(
    names: Sequence[bytes],
    steps: bytes,
    ends: tuple[float, float],
    letters: str,
    anchors: Sequence[bytes],
    anchor_of: bytes,
) -> int:
    """CRC-32 of the list's own content; the key, segment and stamp are added to it."""
    return zlib.crc32(b"\n".join((*names, b"", *anchors, steps, anchor_of, ENDS.pack(*ends), letters.encode())))


def _number(value: float) -> str:
    """The shortest text that gives the 32-bit float again."""
    return str(np.float32(value) + np.float32(0))


def _places(places: list[int], n_anchors: int) -> bytes:
    return bytes(places) if n_anchors <= MAX_BYTE_ANCHORS else struct.pack(f">{len(places)}H", *places)


def _read_places(data: bytes, n_anchors: int) -> Sequence[int]:
    return data if n_anchors <= MAX_BYTE_ANCHORS else struct.unpack(f">{len(data) // 2}H", data)


def _damaged(item: Mapping[str, Any]) -> SnapshotCorrupt:
    return SnapshotCorrupt(
        "The item is not what was written",
        where=str({name: item.get(name) for name in ("pk", "sk")})[:200],
        todo="Publish the snapshot again under a new night, or roll back.",
    )
