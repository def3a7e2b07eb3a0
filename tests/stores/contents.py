"""Everything that lies in a store's place, byte by byte, for tests of what must not be there."""

from __future__ import annotations

from typing import Any

from tests.stores.places import InS3, InTable, OnDisk, Place
from tests.stores.servers import processes


def contents(place: Place) -> dict[str, bytes]:
    """All that the place holds, by name: files, objects and incomplete uploads, or items."""
    if isinstance(place, OnDisk):
        paths = [path for path in sorted(place.root.rglob("*")) if path.is_file()]
        return {str(path.relative_to(place.root)): path.read_bytes() for path in paths}
    if isinstance(place, InS3):
        return _objects(place)
    assert isinstance(place, InTable)
    client = processes.client("dynamodb", place.endpoint)
    pages = client.get_paginator("scan").paginate(TableName=place.table, ConsistentRead=True)
    items: list[dict[str, Any]] = [item for page in pages for item in page["Items"]]
    return {f"{item['pk']['S']} {item['sk']['S']}": repr(sorted(item.items())).encode() for item in items}


def naming(place: Place, user: str) -> list[str]:
    """Names of what has the id somewhere in its bytes or its name."""
    name = user.encode()
    return [where for where, data in contents(place).items() if name in data or user in where]


def _objects(place: InS3) -> dict[str, bytes]:
    client = processes.client("s3", place.endpoint)
    prefix = {"Bucket": processes.BUCKET, "Prefix": f"{place.prefix}/"}
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(**prefix):
        for entry in page.get("Contents", ()):
            body = client.get_object(Bucket=processes.BUCKET, Key=entry["Key"])["Body"].read()
            found[entry["Key"].removeprefix(f"{place.prefix}/")] = body
    for upload in client.list_multipart_uploads(**prefix).get("Uploads", ()):
        found[f"upload {upload['Key']}"] = b""
    return found
