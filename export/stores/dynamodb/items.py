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
    crc         N   CRC-32 of all of it, see `_decode`

The scores are bytes because a list of numbers takes four bytes a place, and a list of 50 would not fit one write unit.
"""

from __future__ import annotations

import struct
import zlib
from binascii import b2a_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from contracts.errors import InputInvalid, SnapshotCorrupt
from export.format.manifest import Manifest
from export.format.records import MAX_LENGTH, SCORE_STEPS, Record, unpack_list
from export.stores.dynamodb.service.sizes import ELEMENT_OVERHEAD, LIST_OVERHEAD, MAX_ITEM_BYTES, number_bytes
from export.stores.dynamodb.service.wire import Request

LETTERS: Final = {
    "own": "o", "als": "a", "als_long": "l", "covisit": "b", "last_basket": "k", "content": "n",
    "category": "c", "popular": "p", "segment": "s", "trend": "t", "arrivals": "r", "explored": "e",
    "pinned": "i",
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


class _Parts(NamedTuple):
    """A list as its attributes say it.

    Attributes:
        names: item ids in UTF-8, best first.
        anchors: ids in UTF-8.
    """

    names: list[bytes]
    steps: bytes
    low: float
    high: float
    letters: str
    anchors: list[bytes]
    anchor_of: bytes

    def checksum(self) -> int:
        """CRC-32 of the list; key, segment and stamp are added to it."""
        ends = ENDS.pack(self.low, self.high)
        parts = (*self.names, b"", *self.anchors, self.steps, self.anchor_of, ends, self.letters.encode())
        return zlib.crc32(b"\n".join(parts))


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
        self._typed = {name.encode(): b'{"S":%b}' % _json(name) for name in item_ids}
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
        parts = self._parts(record, number)
        pk = f"{self.snapshot}#{record.user_id.decode()}"
        segment = self._manifest.segments[record.segment]
        body, crc, size = self._list(parts)
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

    def is_same(self, record: Record, number: int, item: Mapping[str, Any], *, with_scores: bool) -> bool:
        """Whether an earlier snapshot's item shows what this one's would: items, reasons, anchors and segment.

        Args:
            record: the user's record in this snapshot.
            number: index of the placement; the record has its list.
            item: as a boto3 client returns it, checked by `decode`.
            with_scores: the scores must be the same too.
        """
        parts, old = self._parts(record, number), _parts_of(item)
        if not with_scores:
            old = old._replace(steps=parts.steps, low=parts.low, high=parts.high)
        return old == parts and item.get("segment", {"S": ""})["S"] == self._manifest.segments[record.segment]

    def _parts(self, record: Record, number: int) -> _Parts:
        made = unpack_list(record, number, self._manifest.widths, MAX_LENGTH)
        if made is None:
            raise KeyError(number)
        if not made.items:
            return _Parts([], b"", 0.0, 0.0, "", [], b"")
        ids = self._ids
        low, high = (float(np.float32(end)) for end in (min(made.scores), max(made.scores)))
        scale = SCORE_STEPS / (high - low) if high > low else 0.0
        steps = bytes([round((score - low) * scale) for score in made.scores])
        letters = "".join([self._letters[source] for source in made.sources])
        table = sorted(set(made.anchors) - {-1})
        of = {index: place for place, index in enumerate(table, 1)} | {-1: 0}
        anchor_of = _places([of[i] for i in made.anchors], len(table)) if table else b""
        names = [ids[i] for i in made.items]
        return _Parts(names, steps, low, high, letters, [ids[i] for i in table], anchor_of)

    def _list(self, parts: _Parts) -> tuple[bytes, int, int]:
        """JSON from the comma before `items`, checksum of the list, and bytes counted."""
        names, n = parts.names, len(parts.names)
        typed = self._typed
        body = b',"items":{"L":[%b]}' % b",".join([typed[name] for name in names])
        size = len("items") + LIST_OVERHEAD + n * ELEMENT_OVERHEAD + sum(map(len, names))
        if n:
            low, high = _number(parts.low), _number(parts.high)
            body += b',"scores":{"B":"%b"},"low":{"N":"%b"},"high":{"N":"%b"},"reasons":{"S":"%b"}' % (
                b2a_base64(parts.steps, newline=False), low.encode(), high.encode(), parts.letters.encode(),
            )  # fmt: skip
            size += len("scoreslowhighreasons") + 2 * n + number_bytes(low) + number_bytes(high)
        if parts.anchors:
            anchors = parts.anchors
            body += b',"anchors":{"L":[%b]},"anchor_of":{"B":"%b"}' % (
                b",".join([typed[name] for name in anchors]), b2a_base64(parts.anchor_of, newline=False),
            )  # fmt: skip
            size += len("anchorsanchor_of") + LIST_OVERHEAD + len(anchors) * ELEMENT_OVERHEAD
            size += sum(map(len, anchors)) + len(parts.anchor_of)
        return body, parts.checksum(), size


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
    parts = _parts_of(item)
    anchors: list[str | None] = [None, *(name.decode() for name in parts.anchors)]
    explained = [anchors[place] for place in _read_places(parts.anchor_of, len(parts.anchors))]
    names = [name.decode() for name in parts.names]
    explained = explained or [None] * len(names)
    if not len(names) == len(parts.steps) == len(parts.letters) == len(explained):
        raise _damaged(item)
    scores = [parts.low + step * ((parts.high - parts.low) / SCORE_STEPS) for step in parts.steps]
    stamp = f"{pk}\n{sk}\n{segment}\n{as_of}\n{int(item['expires_at']['N'])}\n{snapshot}"
    sources = [SOURCES[letter] for letter in parts.letters]
    made = StoredList(snapshot, as_of, segment, names, scores, sources, explained, int(item["crc"]["N"]))
    return made, zlib.crc32(stamp.encode(), parts.checksum())


def _parts_of(item: Mapping[str, Any]) -> _Parts:
    names = [one["S"].encode() for one in item["items"]["L"]]
    if not names:
        return _Parts([], b"", 0.0, 0.0, "", [], b"")
    low, high = (float(np.float32(float(item[end]["N"]))) for end in ("low", "high"))
    anchors = [one["S"].encode() for one in item["anchors"]["L"]] if "anchors" in item else []
    anchor_of = bytes(item["anchor_of"]["B"]) if anchors else b""
    return _Parts(names, bytes(item["scores"]["B"]), low, high, item["reasons"]["S"], anchors, anchor_of)


def _number(value: float) -> str:
    """The shortest text that gives the 32-bit float again."""
    return str(np.float32(value) + np.float32(0))


def _places(places: list[int], n_anchors: int) -> bytes:
    return bytes(places) if n_anchors <= MAX_BYTE_ANCHORS else struct.pack(f">{len(places)}H", *places)


def _read_places(data: bytes, n_anchors: int) -> Sequence[int]:
    return data if n_anchors <= MAX_BYTE_ANCHORS else struct.unpack(f">{len(data) // 2}H", data)


def _damaged(item: Mapping[str, Any]) -> SnapshotCorrupt:
    return SnapshotCorrupt(
        "The list is damaged: it is not what was written",
        where=str({name: item.get(name) for name in ("pk", "sk")})[:200],
        todo="Publish the snapshot again under a new night, or roll back.",
    )
