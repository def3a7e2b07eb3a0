"""Refuses what S3 refuses and the servers at hand let pass, request by request as it would go over the wire."""

from __future__ import annotations

import base64
import hashlib
import re
import zlib
from collections import defaultdict
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree as ET

MEBIBYTE: Final = 1 << 20
MAX_PUT_BYTES: Final = 5 << 30
MIN_PART_BYTES: Final = 5 * MEBIBYTE
MAX_PARTS: Final = 10_000
MAX_KEY_BYTES: Final = 1024
MAX_DELETED: Final = 1000
MAX_METADATA_BYTES: Final = 2048
BUCKET: Final = re.compile(r"(?!xn--|sthree-)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?<!-s3alias)")
ONE_RANGE: Final = re.compile(r"bytes=(\d+)-(\d+)")
ETAG: Final = re.compile(r'"[0-9a-f]{32}(-\d+)?"')
CHECKSUMS: Final = {
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
}


class Refused(AssertionError):
    """S3 would answer this request with an error."""


class Strict:
    """The rules, and the parts of the uploads that were seen."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        self._parts: dict[str, dict[int, int]] = defaultdict(dict)

    def attach(self, client: Any) -> None:
        """From now on every request of the client is checked before it is sent."""
        client.meta.events.register("before-sign.s3", self._check, unique_id="strict-s3")

    def _check(self, request: Any, operation_name: str, **_: Any) -> None:
        path = unquote(urlsplit(request.url).path).lstrip("/")
        bucket, _, key = path.partition("/")
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        headers = {name.lower(): _text(value) for name, value in request.headers.items()}
        body = _body(request.data)
        refuse(not BUCKET.fullmatch(bucket), f"InvalidBucketName: {bucket}")
        refuse(len(key.encode()) > MAX_KEY_BYTES, "KeyTooLongError")
        refuse(".." in key.split("/"), "a key that clients take for a path")
        metadata = sum(len(name) + len(value) for name, value in headers.items() if name.startswith("x-amz-meta-"))
        refuse(metadata > MAX_METADATA_BYTES, "MetadataTooLarge")
        _check_condition(headers, operation_name)
        _check_checksum(headers, body, operation_name)
        check = getattr(self, f"_check_{operation_name}", None)
        if check is not None:
            check(headers, query, body)

    def _check_GetObject(  # noqa: N802
        self, headers: dict[str, str], _: dict[str, str], __: bytes
    ) -> None:
        if "range" in headers:
            span = ONE_RANGE.fullmatch(headers["range"])
            refuse(span is None or int(span[1]) > int(span[2]), f"InvalidRange: {headers['range']}")

    def _check_ListObjectsV2(self, _: dict[str, str], query: dict[str, str], __: bytes) -> None:  # noqa: N802
        refuse(int(query.get("max-keys", "1000")) > MAX_DELETED, "more than 1000 keys are never listed")

    def _check_DeleteObjects(self, _: dict[str, str], __: dict[str, str], body: bytes) -> None:  # noqa: N802
        n = len(_all(body, "Object"))
        refuse(not 0 < n <= MAX_DELETED, f"MalformedXML: {n} keys")

    def _check_UploadPart(self, _: dict[str, str], query: dict[str, str], body: bytes) -> None:  # noqa: N802
        number = int(query["partNumber"])
        refuse(not 1 <= number <= MAX_PARTS, f"InvalidArgument: part {number}")
        self._parts[query["uploadId"]][number] = len(body)

    def _check_CompleteMultipartUpload(  # noqa: N802
        self, _: dict[str, str], query: dict[str, str], body: bytes
    ) -> None:
        sent, parts = self._parts[query["uploadId"]], _all(body, "Part")
        numbers = [int(_one(part, "PartNumber")) for part in parts]
        refuse(numbers != sorted(set(numbers)) or not numbers, "InvalidPartOrder")
        refuse(not set(numbers) <= set(sent), "InvalidPart")
        refuse(any(sent[number] < MIN_PART_BYTES for number in numbers[:-1]), "EntityTooSmall")
        refuse(not all(_one(part, "ChecksumSHA256") for part in parts), "InvalidRequest: a part without its checksum")


def refuse(is_wrong: bool, why: str) -> None:  # noqa: FBT001  it reads as a sentence
    """Raises where S3 would."""
    if is_wrong:
        raise Refused(why)


def _check_condition(headers: dict[str, str], operation: str) -> None:
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    refuse(match is not None and none_match is not None, "NotImplemented: both conditions")
    if operation == "PutObject":
        refuse(none_match not in {None, "*"}, f"NotImplemented: If-None-Match {none_match}")
        refuse(match is not None and not ETAG.fullmatch(match), f"InvalidArgument: If-Match {match}")


def _check_checksum(headers: dict[str, str], body: bytes, operation: str) -> None:
    for name, made in CHECKSUMS.items():
        given = headers.get(name)
        refuse(given is not None and base64.b64encode(made(body)).decode() != given, f"BadDigest: {name}")
    is_body = operation in {"PutObject", "UploadPart", "DeleteObjects"}
    refuse(is_body and not any(name in headers for name in (*CHECKSUMS, "content-md5")), "a body without a checksum")
    refuse(len(body) > MAX_PUT_BYTES, "EntityTooLarge")


def _body(data: Any) -> bytes:
    if data is None:
        return b""
    if isinstance(data, str):
        return data.encode()
    if isinstance(data, bytes | bytearray):
        return bytes(data)
    at = data.tell()
    read: bytes = data.read()
    data.seek(at)
    return read


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _all(body: bytes, name: str) -> list[ET.Element]:
    root = ET.fromstring(body)  # noqa: S314  our own request
    return [found for found in root.iter() if found.tag.rpartition("}")[2] == name]


def _one(parent: ET.Element, name: str) -> str:
    found = [child.text or "" for child in parent if child.tag.rpartition("}")[2] == name]
    return found[0] if found else ""
