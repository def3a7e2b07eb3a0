from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from botocore.client import BaseClient

from export.lookup import Lists
from export.reading.overlays import beside
from export.stores.base import Store
from export.stores.objects import Objects
from export.stores.s3 import S3Store
from export.stores.state import Channels
from tests.stores import nights, places
from tests.stores.nights import AT, Night
from tests.stores.places import InS3, InTable, Place
from tests.stores.servers import processes

FOLDER: Final = Path(__file__).parents[2] / "docs" / "iam"
ROLES: Final = ("loader", "publisher", "reader", "eraser")
LISTED: Final = {"ListObjectsV2": "s3:ListBucket", "ListMultipartUploads": "s3:ListBucketMultipartUploads"}
PARTS: Final = {"CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"}
Use = tuple[str, str]
"""An action and the resource that it is used on."""


@contextmanager
def used(place: Place) -> Iterator[set[Use]]:
    """A block whose calls are listed as a policy names them."""
    seen: set[Use] = set()
    real = BaseClient._make_api_call

    def call(client: Any, operation: str, asked: dict[str, Any]) -> Any:
        seen.update(_uses(place, operation, asked))
        return real(client, operation, asked)

    with mock.patch.object(BaseClient, "_make_api_call", call):
        yield seen


def _uses(place: Place, operation: str, asked: dict[str, Any]) -> Iterator[Use]:
    if isinstance(place, InTable):
        yield f"dynamodb:{operation}", "arn:aws:dynamodb:REGION:ACCOUNT:table/TABLE"
        return
    assert isinstance(place, InS3)
    keys = [one["Key"] for one in asked.get("Delete", {}).get("Objects", ())] or [asked.get("Key", "")]
    for key in keys:
        name = key.replace(f"{place.prefix}/", "larder/", 1)
        if operation in LISTED:
            assert asked["Prefix"].startswith(f"{place.prefix}/")
            yield LISTED[operation], "arn:aws:s3:::BUCKET"
        elif operation in PARTS:
            yield "s3:PutObject", f"arn:aws:s3:::BUCKET/{name}"
        else:
            yield f"s3:{operation.replace('DeleteObjects', 'DeleteObject')}", f"arn:aws:s3:::BUCKET/{name}"


def load(place: Place, store: Store, made: list[Night]) -> None:
    """What a loader does, a large file and one that fails included."""
    nights.publish(store, made[0])
    nights.publish(store, made[1])
    nights.publish(store, made[1])
    if isinstance(place, InS3) and isinstance(store, S3Store):
        objects = store._bucket.within(60)
        path = made[0].build / "items.bin"
        with mock.patch.object(Objects, "_complete", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
            objects.upload("snapshots/x/big", path, part_bytes=100)
        assert list(objects.list("snapshots/x/")) == []


def move(_: Place, store: Store, made: list[Night]) -> None:
    """What a publisher does."""
    nights.flip(store, made[0])
    nights.flip(store, made[1])
    who = {"by": "x", "reason": "x", "at": AT}
    store.rollout(Channels(shadow=made[0].id), **who)
    store.pin(made[0].id, **who)
    store.unpin(made[0].id, **who)
    store.rollback(**who)
    store.release(**who)
    assert len(store.history()) == 7
    place = beside(store)
    if place is not None:
        place.put_beside("overlay.bin", b"x")
        assert place.beside("overlay.bin") == b"x"


def read(_: Place, store: Store, made: list[Night]) -> None:
    """What a reader does, `larder status` and `larder doctor` included."""
    assert Lists(store).get(nights.USERS[0], 3, "home").items == made[0].items(nights.USERS[0])
    assert len(list(store.open(made[0].id).user_ids())) == len(nights.USERS)
    assert store.snapshots()[:1] == [made[0].id]
    assert len(store.history(2)) == 2
    store.verify(made[0].id)


def erase(place: Place, store: Store, made: list[Night]) -> None:
    """What retention does, and the erasure of a user; the night that it retains was made by others."""
    helper = place.store()
    nights.run(helper, made[2])
    if isinstance(place, InS3):
        key = f"{place.prefix}/snapshots/y/big"
        processes.client("s3", place.endpoint).create_multipart_upload(Bucket=processes.BUCKET, Key=key)
    with used(place) as mine:
        assert store.retain(keep=0, grace_seconds=0, by="e", at="2099-01-01T00:00:00Z") == [made[1].id]
        assert store.erase({nights.USERS[1]: "hash"}, by="e", reason="x", at="2099-01-01T00:00:00Z")
    ERASED.clear()
    ERASED.update(mine)


ERASED: set[Use] = set()
WORK: Final[dict[str, Callable[[Place, Store, list[Night]], None]]] = {
    "loader": load, "publisher": move, "reader": read, "eraser": erase,
}  # fmt: skip


def allowed(statements: list[dict[str, Any]]) -> set[Use]:
    """Actions and resource patterns that a policy grants."""
    granted = set()
    for one in statements:
        assert one["Effect"] == "Allow"
        actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
        resources = one["Resource"] if isinstance(one["Resource"], list) else [one["Resource"]]
        granted |= {(action, resource) for action in actions for resource in resources}
    return granted


@pytest.mark.parametrize("kind", [kind for kind in places.KINDS if kind != "local"])
def test_each_policy_grants_what_its_role_uses_and_nothing_else(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Every call of a night, by role: granted; every grant: used. No action is a pattern."""
    place = places.new_place(kind, request, tmp_path)()
    made = [nights.night(tmp_path, day) for day in (1, 2, 3)]
    for role in ROLES:
        granted = allowed(json.loads((FOLDER / f"{kind}-{role}.json").read_text())["Statement"])
        assert not any("*" in action for action, _ in granted)
        with used(place) as seen:
            WORK[role](place, place.store(), made)
        uses = ERASED if role == "eraser" else seen
        matches = {
            use: {grant for grant in granted if grant[0] == use[0] and fnmatch.fnmatchcase(use[1], grant[1])}
            for use in uses
        }
        assert [use for use, found in matches.items() if not found] == [], role
        assert granted == set().union(*matches.values()), role
