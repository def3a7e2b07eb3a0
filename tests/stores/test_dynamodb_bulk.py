from __future__ import annotations

import gzip
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import PublishRefused
from export.format.manifest import Manifest, read_manifest
from export.stores.dynamodb.builds import Build
from export.stores.dynamodb.bulk import ImportManifest, write_import
from export.stores.dynamodb.items import decode
from export.stores.dynamodb.service.sizes import item_bytes
from export.stores.dynamodb.service.strict import check_item
from tests.stores.conftest import bless
from tests.stores.servers import processes

Make = Callable[..., ImportManifest]


@pytest.fixture
def make(tmp_path: Path, build: Callable[..., Manifest]) -> Make:
    """Writes the import files of the hand-made shop to `out`."""

    def run(**more: Any) -> ImportManifest:
        manifest = build(tmp_path / "build")
        blessing = bless(tmp_path / "blessing.json", manifest)
        given = {"blessing": blessing, "table": "larder", "expire_days": 30, **more}
        return write_import(tmp_path / "build", tmp_path / "out", **given)

    return run


@pytest.mark.parametrize("compression", ["GZIP", "NONE"])
def test_every_item_is_a_line_and_every_file_is_counted(tmp_path: Path, make: Make, compression: str) -> None:
    """Four lists and three chunks in files of three lines; counts, sizes and hashes are those of the disk."""
    report = make(compression=compression, items_per_file=3)
    lines = []
    for name, entry in report.files.items():
        raw = (tmp_path / "out" / "data" / name).read_bytes()
        assert (entry.bytes, entry.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
        text = gzip.decompress(raw) if compression == "GZIP" else raw
        assert len(text.splitlines()) == entry.items
        lines += text.splitlines()
    items = [json.loads(line)["Item"] for line in lines]
    assert [entry.items for entry in report.files.values()] == [3, 3, 1]
    assert (report.lists, report.items, report.item_bytes) == (4, 7, sum(map(item_bytes, items)))
    assert report.table == f"larder-{report.snapshot}"
    for item in items:
        check_item(item)
    written = json.loads((tmp_path / "out" / "import.json").read_bytes())
    assert (written["snapshot"], written["items"]) == (report.snapshot, 7)


def test_the_same_build_gives_the_same_bytes(make: Make) -> None:
    """Gzip carries no time."""
    assert make() == make()


def test_only_a_blessed_build_is_written(tmp_path: Path, make: Make) -> None:
    """Without a blessing there is no file at all."""
    with pytest.raises(PublishRefused):
        make(blessing=tmp_path / "absent.json")
    assert not (tmp_path / "out").exists()


def test_a_table_imported_from_the_files_holds_every_list(tmp_path: Path, make: Make, moto_server: str) -> None:
    """The service's own import, from a bucket: each list is found under its key and is what the build says."""
    report = make()
    s3, client = (processes.client(name, moto_server) for name in ("s3", "dynamodb"))
    prefix, name = f"import-{os.getpid()}/data/", f"{report.table}-{os.getpid()}"
    for path in sorted((tmp_path / "out" / "data").iterdir()):
        s3.put_object(Bucket=processes.BUCKET, Key=f"{prefix}{path.name}", Body=path.read_bytes())
    started = client.import_table(
        S3BucketSource={"S3Bucket": processes.BUCKET, "S3KeyPrefix": prefix}, InputFormat="DYNAMODB_JSON",
        InputCompressionType=report.compression,
        TableCreationParameters={
            "TableName": name, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        },
    )["ImportTableDescription"]["ImportArn"]  # fmt: skip
    deadline = time.monotonic() + 30
    while (found := client.describe_import(ImportArn=started)["ImportTableDescription"])["ImportStatus"] != "COMPLETED":
        assert found["ImportStatus"] == "IN_PROGRESS", found
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stored = client.scan(TableName=name)["Items"]
    # The stand-in's import spells NUL, which one of the users has, in another way.
    lists = {
        (one["pk"]["S"], one["sk"]["S"]): decode(one).crc
        for one in stored
        if "items" in one and "\\u0000" not in one["pk"]["S"]
    }
    made = Build(tmp_path / "build", read_manifest(tmp_path / "build"), expire_days=30)
    assert lists == {(one.pk, one.sk): one.crc for one in made.requests(None) if "\0" not in one.pk}
    assert (len(lists), len(stored)) == (3, report.items)
