from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.errors import LarderError, SnapshotCorrupt, SnapshotMissing, StoreUnreachable
from export.stores.objects import Bucket, Objects
from export.stores.retrying import Retrying, Waiting
from export.stores.s3 import S3Store
from tests.stores import nights, places
from tests.stores.nights import AT, USERS, Night
from tests.stores.places import InS3
from tests.stores.servers import processes
from tests.stores.servers.faults import FAULTS, Time, answered, injected, reply_lost, watched
from tests.stores.servers.strict_s3 import Refused, Strict

PART = 5 << 20
FILES = ["fallbacks.msgpack", "items.bin", "shard-00000.bin", "shard-00001.bin"]
BIG = bytes(range(256)) * (2 * PART // 256 + 4)


@pytest.fixture
def new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], InS3]:
    """Makes empty prefixes."""
    return places.new_place("s3", request, tmp_path)  # type: ignore[return-value]


@pytest.fixture
def objects(new: Callable[[], InS3]) -> Objects:
    """The objects below an empty prefix, with a clock that only sleeps move."""
    place, time = new(), Time()
    client = processes.client("s3", place.endpoint, retries={"total_max_attempts": 1})
    Strict().attach(client)
    chance = random.Random(1)  # noqa: S311  it decides no secret
    retrying = Retrying("test", Waiting(time.clock, time.sleep, chance))
    return Bucket(client, processes.BUCKET, f"{place.prefix}/", retrying).within(60)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Night]:
    """Two nights."""
    folder = tmp_path_factory.mktemp("nights")
    return [nights.night(folder, day) for day in (1, 2)]


def key_of(request: Any) -> str:
    """The last part of a request's key."""
    return str(request.url).partition("?")[0].rpartition("/")[2]


def test_a_warm_lookup_is_one_range_read(new: Callable[[], InS3], made: list[Night]) -> None:
    """Opening takes three requests; then one range read a user, of the record alone; none for somebody unknown."""
    place = new()
    nights.publish(place.store(), made[0])
    store = place.store()
    with watched() as requests:
        reader = store.open(made[0].id)
    assert [key_of(request) for request in requests] == ["manifest.json", "items.bin", "fallbacks.msgpack"]
    with watched() as requests:
        reader.warm()  # type: ignore[attr-defined]
    assert sorted(key_of(request) for request in requests) == ["shard-00000.bin", "shard-00001.bin"]
    for user in USERS:
        with watched() as requests:
            found = reader.find(user)
            assert found is not None
            rows = found.rows("home", 3)
        assert rows is not None
        assert rows.items == made[0].items(user)
        (request,) = requests
        first, last = map(int, request.headers["Range"].decode().removeprefix("bytes=").split("-"))
        assert request.method == "GET"
        assert last - first + 1 < 100
    with watched() as requests:
        assert reader.find("nobody") is None
    assert requests == []


def test_a_cold_lookup_fetches_its_shards_index_once(new: Callable[[], InS3], made: list[Night]) -> None:
    """All users of two shards: two indexes, then one read each."""
    place = new()
    nights.publish(place.store(), made[0])
    reader = place.store().open(made[0].id)
    with watched() as requests:
        assert all(reader.find(user) is not None for user in USERS)
    assert len(requests) == 2 + len(USERS)


def test_the_manifest_is_put_last_and_never_over_another(new: Callable[[], InS3], made: list[Night]) -> None:
    """The order of what is written: every file is read back before the manifest is put, if there is none yet."""
    store = new().store()
    with watched() as requests:
        nights.publish(store, made[0])
    steps = [(request.method, key_of(request)) for request in requests]
    manifest = ("PUT", "manifest.json")
    puts = [step for step in steps if step[0] == "PUT"]
    assert sorted(puts[:-1]) == [("PUT", name) for name in FILES]
    assert puts[-1] == manifest
    read_back = [steps.index(("GET", name)) for name in FILES]
    assert max(steps.index(put) for put in puts[:-1]) < min(read_back)
    assert max(read_back) < steps.index(manifest)
    assert requests[steps.index(manifest)].headers["If-None-Match"] == b"*"


def test_every_body_goes_with_its_sha256(new: Callable[[], InS3], made: list[Night]) -> None:
    """Files, manifest, pointer and history; the server keeps them."""
    place = new()
    with watched() as requests:
        nights.run(place.store(), made[0])
    puts = [request for request in requests if request.method == "PUT"]
    assert len(puts) == 4 + 1 + 2
    for put in puts:
        body = put.body if isinstance(put.body, bytes) else put.body.getvalue()
        assert put.headers["x-amz-checksum-sha256"].decode() == base64.b64encode(hashlib.sha256(body).digest()).decode()


def test_the_pointer_is_swapped_by_a_conditional_put(new: Callable[[], InS3], made: list[Night]) -> None:
    """If-None-Match for the first, If-Match with the ETag that was read for each later one."""
    place = new()
    conditions = []
    for night in made:
        nights.publish(place.store(), night)
        with watched() as requests:
            nights.flip(place.store(), night)
        (put,) = [one for one in requests if one.method == "PUT" and key_of(one) == "pointer.json"]
        conditions.append((put.headers.get("If-None-Match"), put.headers.get("If-Match")))
    assert conditions[0] == (b"*", None)
    assert conditions[1][0] is None
    assert conditions[1][1].startswith(b'"')


def test_a_server_that_damages_a_body_is_found(new: Callable[[], InS3], made: list[Night]) -> None:
    """What was read back differs from the manifest: the snapshot is not in the store."""
    place = new()
    store = place.store()
    assert isinstance(store, S3Store)

    def damage(model: Any, params: Any, **_: Any) -> None:
        if model.name == "PutObject" and params["url_path"].endswith("shard-00001.bin"):
            body = bytearray(params["body"].getvalue())
            body[-1] ^= 1
            params["body"] = bytes(body)
            digest = base64.b64encode(hashlib.sha256(body).digest()).decode()
            params["headers"]["x-amz-checksum-sha256"] = digest

    store._bucket.client.meta.events.register("before-call.s3", damage)
    with pytest.raises(SnapshotCorrupt, match="differs from the manifest"):
        nights.publish(store, made[0])
    assert place.store().snapshots() == []
    assert nights.publish(place.store(), made[0]) == made[0].id


def test_large_files_are_sent_in_parts(objects: Objects, tmp_path: Path) -> None:
    """Three parts, each with its checksum; what comes back is what was sent."""
    (tmp_path / "big").write_bytes(BIG)
    with watched() as requests:
        objects.upload("big", tmp_path / "big", part_bytes=PART)
    assert [request.method for request in requests] == ["POST", "PUT", "PUT", "PUT", "POST"]
    objects.download("big", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BIG


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
def test_an_upload_that_fails_leaves_nothing_behind(objects: Objects, tmp_path: Path, first: int) -> None:
    """From the k-th request on six fail, so that it is given up: aborted, and no object."""
    (tmp_path / "big").write_bytes(BIG)
    with injected(FAULTS["500"], Time(), first=first, n=6), pytest.raises(StoreUnreachable):
        objects.upload("big", tmp_path / "big", part_bytes=PART)
    assert list(objects.list("")) == []
    assert objects.abort_uploads("", before=1e12) == 0


@pytest.mark.parametrize("first", [1, 2, 3, 4, 5])
def test_an_upload_whose_reply_is_lost_is_whole(objects: Objects, tmp_path: Path, first: int) -> None:
    """Each of the five requests, the completing one too."""
    (tmp_path / "big").write_bytes(BIG)
    with injected(reply_lost, Time(), first=first):
        objects.upload("big", tmp_path / "big", part_bytes=PART)
    objects.download("big", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BIG


def test_an_upload_that_the_server_forgot_is_whole_or_an_error(objects: Objects, tmp_path: Path) -> None:
    """NoSuchUpload after a completion whose reply was lost is none; without the object it is one, and is aborted."""
    (tmp_path / "big").write_bytes(BIG)
    forgotten = answered(404, "NoSuchUpload")

    def completed(send: Any, session: Any, request: Any, time: Time) -> Any:
        _ = send(session, request).content
        return forgotten(send, session, request, time)

    with injected(completed, Time(), first=5):
        objects.upload("big", tmp_path / "big", part_bytes=PART)
    objects.download("big", tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == BIG
    with injected(forgotten, Time(), first=5), pytest.raises(LarderError, match="NoSuchUpload"):
        objects.upload("big-2", tmp_path / "big", part_bytes=PART)
    assert [entry.name for entry in objects.list("big-2")] == []
    other = answered(400, "EntityTooSmall")
    with injected(other, Time(), first=5), pytest.raises(LarderError, match="EntityTooSmall"):
        objects.upload("big", tmp_path / "big", part_bytes=PART)


def test_retention_takes_away_what_a_crash_left(new: Callable[[], InS3], made: list[Night]) -> None:
    """Files without a manifest and incomplete uploads go once the grace is over, and not before."""
    place = new()
    store = place.store()
    nights.run(store, made[1])
    client = processes.client("s3", place.endpoint)
    orphan = {"Bucket": processes.BUCKET, "Key": f"{place.prefix}/snapshots/{made[0].id}/items.bin"}
    client.put_object(**orphan, Body=b"half")
    client.create_multipart_upload(**{**orphan, "Key": f"{orphan['Key']}-2"})

    def left() -> tuple[int, int]:
        listed = {"Bucket": processes.BUCKET, "Prefix": f"{place.prefix}/snapshots/{made[0].id}"}
        return client.list_objects_v2(**listed)["KeyCount"], len(
            client.list_multipart_uploads(**listed).get("Uploads", ())
        )

    assert store.retain(keep=1, grace_seconds=60, by="r", at=AT) == []
    assert left() == (1, 1)
    assert store.retain(keep=1, grace_seconds=60, by="r", at="2099-01-01T00:00:00Z") == []
    assert left() == (0, 0)
    assert store.verify(made[1].id) == made[1].manifest


def test_a_snapshot_that_is_gone_is_said_to_be_missing(new: Callable[[], InS3], made: list[Night]) -> None:
    """A reader that was open is told to read the pointer again, not that a record is damaged."""
    place = new()
    store = place.store()
    nights.run(store, made[0])
    reader = place.store().open(made[0].id)
    nights.run(store, made[1])
    assert store.retain(keep=0, grace_seconds=0, by="r", at=nights.LATER) == [made[0].id]
    with pytest.raises(SnapshotMissing):
        reader.find(USERS[0])
    assert reader.fallback("home", None, 1)[1].items == made[0].items("nobody")


@pytest.mark.parametrize(
    ("call", "asked", "why"),
    [
        ("put_object", {"Key": "k" * 1025, "Body": b""}, "KeyTooLong"),
        ("put_object", {"Key": "k", "Body": b"b", "ChecksumSHA256": "0" * 43 + "="}, "BadDigest"),
        ("put_object", {"Key": "k", "Body": b"b", "IfMatch": "unquoted"}, "InvalidArgument"),
        ("put_object", {"Key": "k", "Body": b"b", "IfMatch": '"x"', "IfNoneMatch": "*"}, "both conditions"),
        ("put_object", {"Key": "k", "Body": b"b", "Metadata": {"m": "x" * 2048}}, "MetadataTooLarge"),
        ("get_object", {"Key": "k", "Range": "bytes=5-4"}, "InvalidRange"),
        ("delete_objects", {"Delete": {"Objects": [{"Key": str(i)} for i in range(1001)]}}, "1001 keys"),
        ("upload_part", {"Key": "k", "UploadId": "u", "PartNumber": 10_001, "Body": b""}, "part 10001"),
        (
            "complete_multipart_upload",
            {"Key": "k", "UploadId": "u", "MultipartUpload": {"Parts": [{"PartNumber": 2, "ETag": "e"}]}},
            "InvalidPart",
        ),
    ],
)
def test_what_s3_refuses_never_leaves_the_tests(
    new: Callable[[], InS3], call: str, asked: dict[str, Any], why: str
) -> None:
    """The rules that the servers at hand do not know."""
    client = processes.client("s3", new().endpoint)
    Strict().attach(client)
    with watched() as requests, pytest.raises(Refused, match=why):
        getattr(client, call)(Bucket=processes.BUCKET, **asked)
    assert requests == []
