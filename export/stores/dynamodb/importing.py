"""A snapshot's lists in a table of their own, which DynamoDB makes by importing files from S3.

bucket/prefix/imports/<snapshot>/data/part-...    gone again once the snapshot is complete

The import's ARN stands in the catalogue before it is waited for, so that a publisher that is killed finds it again.
One that was killed before that starts the import with the same client token, by which the service knows it for eight
hours; after that, and where an import failed, the unpublished table is dropped and imported anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from botocore.exceptions import ClientError
from msgspec.structs import replace

from contracts.errors import AccountingError, LarderError, StoreUnreachable
from export.stores.dynamodb import bulk, chunks
from export.stores.dynamodb.builds import Build
from export.stores.dynamodb.catalogue import Catalogue, Entry
from export.stores.dynamodb.service.table import Table
from export.stores.objects import Objects
from export.stores.retrying import code_of

IMPORTS: Final = "imports/"
POLL_SECONDS: Final = 5.0
TRIES: Final = 2
Description = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Importing:
    """The import of one snapshot.

    Attributes:
        build: whose lists are imported.
        table: the table to be made; its calls' deadline is that of the whole import.
        objects: where the files lie meanwhile.
        bucket: its name.
        prefix: of the bucket's keys.
        catalogue: keeps the import's ARN.
        part_bytes: larger files are sent in parts of this size.
    """

    build: Build
    table: Table
    objects: Objects
    bucket: str
    prefix: str
    catalogue: Catalogue
    part_bytes: int

    def run(self, entry: Entry) -> tuple[Entry, int]:
        """The entry with its import's ARN, and how many items were imported: all of them.

        Raises:
            StoreUnreachable: the import did not end within the deadline; the next publish waits on.
            AccountingError: fewer items were imported than the build has.
            LarderError: the import failed twice.
        """
        for attempt in range(TRIES):
            if not entry.import_arn:
                entry = self._begun(entry)
            found = self._ended(entry)
            if found["ImportStatus"] == "COMPLETED":
                return entry, self._counted(found)
            drop(self.table)
            entry = self._kept(entry, "")
            if attempt + 1 == TRIES:
                break
        raise LarderError(
            f"The import failed: {found['ImportStatus']}, {found.get('FailureCode')}",
            where=self.table.where,
            todo="Look at the import's log in CloudWatch and the role's rights (docs/iam), then publish again.",
        )

    def clear(self) -> None:
        """The files are gone."""
        clear(self.objects, self.build.snapshot)

    def _begun(self, entry: Entry) -> Entry:
        self.clear()
        with TemporaryDirectory(prefix="larder-") as temporary:
            out = Path(temporary)
            report = bulk.write_files(self.build, out, self.table.name, "GZIP", bulk.ITEMS_PER_FILE)
            for name in report.files:
                self.objects.upload(f"{self._folder}{name}", out / "data" / name, part_bytes=self.part_bytes)
        arn = self._start()
        if arn is None:
            drop(self.table)
            arn = self._start()
        if arn is None:
            raise StoreUnreachable(
                "The table is in use", where=self.table.where, todo="Look who makes it, then publish again."
            )
        return self._kept(entry, arn)

    def _start(self) -> str | None:
        """The ARN of the import, None where there is such a table already."""
        token = f"{self.table.name} {self.build.manifest.sha256}"
        asked: dict[str, Any] = {
            "ClientToken": hashlib.sha256(token.encode()).hexdigest()[:36],
            "S3BucketSource": {"S3Bucket": self.bucket, "S3KeyPrefix": f"{self.prefix}{self._folder}"},
            "InputFormat": "DYNAMODB_JSON",
            "InputCompressionType": "GZIP",
            "TableCreationParameters": {
                "TableName": self.table.name,
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
                "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            },
        }
        try:
            answer = self.table.calls.run("ImportTable", lambda: self.table.client.import_table(**asked))
        except ClientError as error:
            if code_of(error) == "ResourceInUseException":
                return None
            raise LarderError(
                f"ImportTable was refused: {code_of(error)}", where=self.table.where, todo="Look up the service's code."
            ) from None
        return str(answer["ImportTableDescription"]["ImportArn"])

    def _ended(self, entry: Entry) -> Description:
        """What is told of the import once it is over."""
        found: Description = {}

        def look() -> bool:
            answer = self.table.call("describe_import", ImportArn=entry.import_arn)
            found.update(answer["ImportTableDescription"])
            return found["ImportStatus"] not in {"IN_PROGRESS", "CANCELLING"}

        wait_until(self.table, look, "The import has not ended")
        return found

    def _counted(self, found: Description) -> int:
        n = self.build.n_lists + sum(chunks.n_chunks(len(data)) for data in self.build.files().values())
        counts = {name: int(found[name]) for name in ("ProcessedItemCount", "ImportedItemCount", "ErrorCount")}
        if counts != {"ProcessedItemCount": n, "ImportedItemCount": n, "ErrorCount": 0}:
            raise AccountingError(
                f"The import tells of {counts}, the build has {n:,} items", where=self.table.where,
                todo="Drop the table, then publish again.",
            )  # fmt: skip
        return n

    def _kept(self, entry: Entry, arn: str) -> Entry:
        made = replace(entry, import_arn=arn)
        if made != entry and not self.catalogue.replace(entry, made):
            raise StoreUnreachable(
                "Another publisher imports the same snapshot", where=self.table.where, todo="Let it end."
            )
        return made

    @property
    def _folder(self) -> str:
        return f"{IMPORTS}{self.build.snapshot}/data/"


def wait_until(table: Table, is_so: Callable[[], bool], what: str) -> None:
    """Returns once it is so, looked at every few seconds.

    Raises:
        StoreUnreachable: it is not within the table's deadline.
    """
    waiting = table.calls.retrying.waiting
    while not is_so():
        if waiting.clock() + POLL_SECONDS >= table.calls.give_up_at:
            raise StoreUnreachable(what, where=table.where, todo="Run the step again: it goes on from there.")
        waiting.sleep(POLL_SECONDS)


def drop(table: Table) -> None:
    """There is no such table any more."""
    table.drop()
    wait_until(table, lambda: not table.exists(), "The table is still being dropped")


def clear(objects: Objects, snapshot: str = "") -> None:
    """The files of a snapshot's import are gone, or those of every snapshot."""
    names = [entry.name for entry in objects.list(f"{IMPORTS}{snapshot}")]
    if names:
        objects.delete(names)
