"""The objects below one prefix of a bucket: bodies sent with their SHA-256, calls tried again within a deadline."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from contracts.errors import InputInvalid, LarderError, StoreUnreachable
from export.stores.bodies import absent, sha256_of, whole
from export.stores.retrying import Calls, Retrying, Truncated, code_of

LOG: Final = logging.getLogger("larder.store")
ABSENT: Final = {"NoSuchKey", "404", "NotFound"}
CONDITION_FAILED: Final = {"PreconditionFailed", "412"}
MAX_DELETED: Final = 1000
MAX_PARTS: Final = 10_000
CHUNK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as listed: its name below the prefix, its size, and when it was last written, seconds since 1970."""

    name: str
    bytes: int
    modified: float


class Objects:
    """The objects of a bucket below a prefix, for one piece of work."""

    def __init__(self, client: Any, bucket: str, prefix: str, calls: Calls) -> None:
        """Objects whose names begin with `prefix`, which is empty or ends with a slash."""
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self.calls: Final = calls

    def where(self, name: str) -> str:
        """The address of an object, for messages."""
        return f"s3://{self._bucket}/{self._prefix}{name}"

    def get(self, name: str, etag: str = "") -> tuple[bytes, str] | None:
        """The object's bytes and its ETag, or None where there is none.

        Args:
            name: below the prefix.
            etag: bytes are empty where the object still has this ETag.
        """
        condition = {"IfNoneMatch": etag} if etag else {}

        def call() -> tuple[bytes, str]:
            answer = self._client.get_object(**self._key(name), ChecksumMode="ENABLED", **condition)
            return whole(answer), answer["ETag"]

        try:
            return self.calls.run("GetObject", call)
        except ClientError as error:
            if code_of(error) in {"304", "NotModified"}:
                return b"", etag
            if code_of(error) in ABSENT:
                return None
            raise self._unexpected("GetObject", name, error) from None

    def get_range(self, name: str, start: int, stop: int) -> bytes:
        """Bytes `start` to `stop`, the latter not included, of an object: one request.

        Raises:
            SnapshotMissing: there is no such object.
            ClientError: it is shorter.
        """

        def call() -> bytes:
            data = whole(self._client.get_object(**self._key(name), Range=f"bytes={start}-{stop - 1}"))
            if len(data) != stop - start:
                raise Truncated
            return data

        try:
            return self.calls.run("GetObject", call)
        except ClientError as error:
            if code_of(error) in ABSENT:
                raise absent(self.where(name)) from None
            raise self._unexpected("GetObject", name, error) from None

    def etag(self, name: str) -> str | None:
        """The ETag of an object that is not empty, None where there is none."""

        def call() -> str:
            # Not HeadObject: a refused one has no body, so that an expired token and a throttled call look alike.
            answer = self._client.get_object(**self._key(name), Range="bytes=0-0")
            whole(answer)
            return str(answer["ETag"])

        try:
            return self.calls.run("GetObject", call)
        except ClientError as error:
            if code_of(error) in ABSENT:
                return None
            raise self._unexpected("GetObject", name, error) from None

    def put(self, name: str, data: bytes, *, replaces: str | None) -> bool:
        """Whether the object now holds `data`; False, and nothing done, where another is there than expected.

        False also where the reply of a put that was made got lost, and its second try found the object changed.

        Args:
            name: below the prefix.
            data: the whole body.
            replaces: ETag of the object that there must be, "" where there must be none, None to put in any case.
        """
        condition: dict[str, str] = {}
        if replaces is not None:
            condition = {"IfMatch": replaces} if replaces else {"IfNoneMatch": "*"}
        body = {"Body": data, "ChecksumSHA256": sha256_of(data)}
        try:
            self.calls.run("PutObject", lambda: self._client.put_object(**self._key(name), **body, **condition))
        except ClientError as error:
            if code_of(error) in CONDITION_FAILED or (replaces and code_of(error) in ABSENT):
                return False
            raise self._unexpected("PutObject", name, error) from None
        return True

    def upload(self, name: str, path: Path, *, part_bytes: int) -> None:
        """The object holds the file, sent in parts where it is larger than one; what is incomplete is aborted."""
        part_bytes = max(part_bytes, -(-path.stat().st_size // MAX_PARTS))
        if path.stat().st_size <= part_bytes:
            self.put(name, path.read_bytes(), replaces=None)
            return
        start = {**self._key(name), "ChecksumAlgorithm": "SHA256"}
        upload = self._run("CreateMultipartUpload", name, **start)["UploadId"]
        try:
            parts = list(self._send_parts(name, upload, path, part_bytes))
            self._complete(name, upload, parts, path.stat().st_size)
        except BaseException:
            self._abort(name, upload)
            raise

    def _send_parts(self, name: str, upload: str, path: Path, part_bytes: int) -> Iterator[dict[str, Any]]:
        with path.open("rb") as file:
            for number, data in enumerate(iter(lambda: file.read(part_bytes), b""), start=1):
                checksum = sha256_of(data)
                part = {"UploadId": upload, "PartNumber": number, "Body": data, "ChecksumSHA256": checksum}
                etag = self._run("UploadPart", name, **self._key(name), **part)["ETag"]
                yield {"PartNumber": number, "ETag": etag, "ChecksumSHA256": checksum}

    def _complete(self, name: str, upload: str, parts: Sequence[dict[str, Any]], n_bytes: int) -> None:
        def call() -> None:
            self._client.complete_multipart_upload(
                **self._key(name), UploadId=upload, MultipartUpload={"Parts": list(parts)}
            )

        try:
            self.calls.run("CompleteMultipartUpload", call)
        except ClientError as error:
            # The reply of the first try may be what got lost; the object is read back and hashed later in any case.
            if code_of(error) != "NoSuchUpload" or [e.bytes for e in self.list(name) if e.name == name] != [n_bytes]:
                raise self._unexpected("CompleteMultipartUpload", name, error) from None

    def download(self, name: str, path: Path) -> None:
        """The file holds the object's bytes.

        Raises:
            SnapshotMissing: there is no such object.
        """

        def call() -> None:
            answer = self._client.get_object(**self._key(name), ChecksumMode="ENABLED")
            with path.open("wb") as file:
                n_bytes = sum(file.write(chunk) for chunk in answer["Body"].iter_chunks(CHUNK))
            if n_bytes != answer["ContentLength"]:
                raise Truncated

        try:
            self.calls.run("GetObject", call)
        except ClientError as error:
            if code_of(error) in ABSENT:
                raise absent(self.where(name)) from None
            raise self._unexpected("GetObject", name, error) from None

    def list(self, below: str, *, after: str = "") -> Iterator[Entry]:
        """The objects whose names begin with `below`, ascending; those after the name `after` only, where given."""
        more: dict[str, str] = {"StartAfter": f"{self._prefix}{after}"} if after else {}
        while True:
            asked = {"Bucket": self._bucket, "Prefix": f"{self._prefix}{below}", **more}
            answer = self._run("ListObjectsV2", below, **asked)
            for found in answer.get("Contents", ()):
                name = found["Key"].removeprefix(self._prefix)
                yield Entry(name, found["Size"], found["LastModified"].timestamp())
            if not answer.get("IsTruncated"):
                return
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def delete(self, names: Sequence[str]) -> None:
        """None of the objects is there any more.

        Raises:
            StoreUnreachable: some could not be deleted; how many is said.
        """
        for start in range(0, len(names), MAX_DELETED):
            keys = [{"Key": f"{self._prefix}{name}"} for name in names[start : start + MAX_DELETED]]
            asked = {"Bucket": self._bucket, "Delete": {"Objects": keys, "Quiet": True}}
            failed = self._run("DeleteObjects", names[start], **asked).get("Errors", ())
            if failed:
                raise StoreUnreachable(
                    f"{len(failed)} of {len(keys)} objects were not deleted: {failed[0].get('Code')}",
                    where=self.where(names[start]),
                    todo="Run the step again; grant s3:DeleteObject if it is refused.",
                )

    def abort_uploads(self, below: str, *, before: float) -> int:
        """How many incomplete uploads of names that begin with `below`, begun before a time, were aborted."""
        n = 0
        asked = {"Bucket": self._bucket, "Prefix": f"{self._prefix}{below}"}
        for found in self._run("ListMultipartUploads", below, **asked).get("Uploads", ()):
            begun: dt.datetime = found["Initiated"]
            if begun.timestamp() < before:
                self._abort(found["Key"].removeprefix(self._prefix), found["UploadId"])
                n += 1
        return n

    def _abort(self, name: str, upload: str) -> None:
        """Aborts an upload; one that cannot be is left to the next retention, and said."""
        try:
            self._run("AbortMultipartUpload", name, **self._key(name), UploadId=upload)
        except LarderError as error:
            LOG.warning("an incomplete upload of %s is left behind: %s", self.where(name), error.what)

    def _run(self, call: str, name: str, **asked: Any) -> dict[str, Any]:
        method = getattr(self._client, _METHODS[call])
        try:
            answer: dict[str, Any] = self.calls.run(call, lambda: method(**asked))
        except ClientError as error:
            raise self._unexpected(call, name, error) from None
        return answer

    def _key(self, name: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._prefix}{name}"}

    def _unexpected(self, call: str, name: str, error: ClientError) -> LarderError:
        kind = InputInvalid if code_of(error) == "NoSuchBucket" else LarderError
        return kind(
            f"{call} was answered with {code_of(error)}",
            where=self.where(name),
            todo="See that the settings' store.bucket, prefix and region name an existing bucket.",
        )


_METHODS: Final = {
    "CreateMultipartUpload": "create_multipart_upload",
    "UploadPart": "upload_part",
    "AbortMultipartUpload": "abort_multipart_upload",
    "ListMultipartUploads": "list_multipart_uploads",
    "ListObjectsV2": "list_objects_v2",
    "DeleteObjects": "delete_objects",
}


@dataclass(frozen=True, slots=True)
class Bucket:
    """Where objects lie, and how calls to it are tried again. Safe to share between threads.

    Attributes:
        client: a boto3 S3 client that does not retry by itself.
        prefix: empty, or ends with a slash.
    """

    client: Any
    name: str
    prefix: str
    retrying: Retrying

    def within(self, seconds: float, *, in_turn: bool = False) -> Objects:
        """The objects, for work that ends within so many seconds; `in_turn` as in `Retrying.within`."""
        return Objects(self.client, self.name, self.prefix, self.retrying.within(seconds, in_turn=in_turn))
