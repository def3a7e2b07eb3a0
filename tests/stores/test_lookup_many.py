from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ReadTimeoutError
from botocore.httpsession import URLLib3Session

from contracts.errors import StoreUnreachable
from export.http.app import Serving, create_app
from export.lookup import Limits, Lists, Options, TopN
from export.reading.answers import LOG
from export.stores.prefetching import READS_AT_ONCE
from export.stores.retrying import Waiting
from tests.stores import nights, places
from tests.stores.asking import Asking
from tests.stores.nights import NOBODY, USERS, Night
from tests.stores.places import NewPlace, Place
from tests.stores.servers.faults import Time, watched

STRANGERS = [f"stranger-{i}" for i in range(150)]
IsHit = Callable[[Any], bool]


@pytest.fixture(params=["s3", "dynamodb"])
def remote(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty remote place."""
    new: NewPlace = places.new_place(request.param, request, tmp_path)
    return new()


@pytest.fixture
def night(tmp_path: Path) -> Night:
    """A built night."""
    return nights.night(tmp_path, 1)


def lists_of(place: Place, waiting: Waiting | None = None, **options: Any) -> Lists:
    """A reader of the place whose snapshot is open and whose indexes are read."""
    lists = Lists(place.store(waiting), Options(pointer_seconds=1000, **options))
    for user in USERS:
        lists.get(user, 1, "home")
    return lists


def kind_of(request: Any) -> str:
    """What a request asks for."""
    target = request.headers.get("X-Amz-Target")
    if target is not None:
        return str(target.decode().rpartition(".")[2])
    return "range" if "Range" in request.headers else str(request.method)


@contextmanager
def failing(is_hit: IsHit) -> Iterator[None]:
    """A block in which the requests that are hit time out."""
    real = URLLib3Session.send

    def send(session: Any, request: Any) -> Any:
        if is_hit(request):
            raise ReadTimeoutError(endpoint_url=request.url)
        return real(session, request)

    with mock.patch.object(URLLib3Session, "send", send):
        yield


def labels(made: list[TopN]) -> Counter[tuple[str, bool]]:
    """How many answers of which kind, degraded or not."""
    return Counter((one.source, one.is_degraded) for one in made)


def test_many_users_of_a_table_are_one_batch_a_hundred_keys(
    request: pytest.FixtureRequest, tmp_path: Path, night: Night
) -> None:
    """174 keys are two requests, a look at the catalogue for who is not there the third; and each gets the own list."""
    place = places.new_place("dynamodb", request, tmp_path)()
    nights.run(place.store(), night)
    lists = lists_of(place)
    with watched() as requests:
        made = lists.get_many([*USERS, *STRANGERS], 3, "home")
    assert Counter(map(kind_of, requests)) == {"BatchGetItem": 2, "GetItem": 1}
    assert [one.items for one in made] == [night.items(user) for user in USERS] + [night.items(NOBODY)] * 150
    assert labels(made) == {("personal", False): 24, ("popular", False): 150}
    assert {one.snapshot for one in made} == {night.id}


def test_many_users_of_a_bucket_are_read_side_by_side(
    request: pytest.FixtureRequest, tmp_path: Path, night: Night
) -> None:
    """One range read a user, several at once and never more than the pool has threads; none for strangers."""
    place = places.new_place("s3", request, tmp_path)()
    nights.run(place.store(), night)
    lists = lists_of(place)
    real, lock, now, most = URLLib3Session.send, threading.Lock(), [0], [0]
    met = threading.Barrier(4)

    def send(session: Any, sent: Any) -> Any:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        try:
            if not met.broken:
                met.wait(10)  # four reads are on the way at once, or this fails
            return real(session, sent)
        finally:
            with lock:
                now[0] -= 1

    with mock.patch.object(URLLib3Session, "send", send), watched() as requests:
        made = lists.get_many([*USERS, *STRANGERS], 3, "home")
    assert Counter(map(kind_of, requests)) == {"range": 24}
    assert 4 <= most[0] <= READS_AT_ONCE
    assert [one.items for one in made[:24]] == [night.items(user) for user in USERS]
    assert labels(made) == {("personal", False): 24, ("popular", False): 150}


def test_a_user_asked_for_twice_is_read_once(remote: Place, night: Night) -> None:
    """A page of one user's placements, or the same id twice in a batch."""
    nights.run(remote.store(), night)
    lists = lists_of(remote)
    with watched() as requests:
        made = lists.get_many(["user-03", "user-03"], 3, "home")
    assert [one.items for one in made] == [night.items("user-03")] * 2
    assert len(requests) == 1


def test_a_part_that_fails_costs_its_own_users_only(remote: Place, night: Night) -> None:
    """Who lies in it gets the labelled fallback of the same snapshot; the breaker stays closed."""
    nights.run(remote.store(), night)
    lists = lists_of(remote, Waiting(sleep=lambda _: None), limits=Limits(tries=1, failures=1))

    def is_hit(request: Any) -> bool:
        if "X-Amz-Target" in request.headers:
            return b"user-07" in request.body
        return "shard-00000" in request.url

    with failing(is_hit):
        made = lists.get_many([*USERS, *STRANGERS], 3, "home")
    lost = [one for one in made if one.is_degraded]
    assert {one.snapshot for one in made} == {night.id}
    assert {(one.source, tuple(one.items)) for one in lost} == {("popular", tuple(night.items(NOBODY)))}
    kept = [one for one in made if one.source == "personal"]
    assert [one.items for one in kept] == [night.items(one.user_id) for one in kept]
    assert kept
    assert 0 < len(lost) < len(made)
    assert "user-07" in {one.user_id for one in lost}
    assert lists.counts["unreachable"] == len(lost)
    assert not lists.is_store_away
    assert labels(lists.get_many(USERS, 3, "home")) == {("personal", False): 24}


def test_a_store_that_is_away_is_one_failure_for_all(
    remote: Place, night: Night, caplog: pytest.LogCaptureFixture
) -> None:
    """Everybody gets the labelled fallback, one line is logged, and the second failure opens the breaker."""
    nights.run(remote.store(), night)
    lists = lists_of(remote, Waiting(sleep=lambda _: None), limits=Limits(tries=1, failures=2))
    for is_away in (False, True):
        assert lists.is_store_away is is_away
        caplog.clear()
        with failing(lambda _: True), caplog.at_level("ERROR", LOG.name):
            made = lists.get_many(USERS, 3, "home", segments={"user-01": "all"})
        assert labels(made) == {("popular", True): 24}
        assert len(caplog.records) == 1
        with failing(lambda _: True):
            lists.get_many(USERS, 3, "home")
    with watched() as requests:
        lists.get_many(USERS, 3, "home")
    assert requests == []


def test_a_damaged_record_among_many_costs_its_user_only(remote: Place, night: Night) -> None:
    """Also when all that was asked for is damaged: the labelled fallback, and no failure of the store."""
    nights.run(remote.store(), night)
    remote.flip_byte(night.id, "shard-00000.bin", -1)
    lists = lists_of(remote)
    before = lists.counts["corrupt_records"]
    made = lists.get_many(USERS, 3, "home")
    (lost,) = [one for one in made if one.is_degraded]
    assert labels(made) == {("personal", False): 23, ("popular", True): 1}
    assert lists.counts["corrupt_records"] == before + 1
    assert labels(lists.get_page(lost.user_id, 3, ["home", "home"])) == {("popular", True): 2}
    assert not lists.is_store_away


def test_keys_that_stay_unprocessed_are_counted_and_given_up(
    request: pytest.FixtureRequest, tmp_path: Path, night: Night
) -> None:
    """A table that takes 5 keys and then none: waits are jittered under the cap, and the error counts what is left."""
    place = places.new_place("dynamodb", request, tmp_path)()
    nights.run(place.store(), night)
    time = Time()
    store = place.store(Waiting(time.clock, time.sleep))
    reader = store.open(night.id)
    calls = []

    def leave(parsed: dict[str, Any], **_: Any) -> None:
        (name,) = parsed["Responses"]
        items = parsed["Responses"][name]
        calls.append(len(items))
        n = 5 if len(calls) == 1 else 0
        left = [{"pk": item["pk"], "sk": item["sk"]} for item in items[n:]]
        parsed["Responses"], parsed["UnprocessedKeys"] = {name: items[:n]}, {name: {"Keys": left}}

    store._reading.client.meta.events.register("after-call.dynamodb.BatchGetItem", leave)  # type: ignore[attr-defined]
    ahead = reader.prefetched(USERS, is_brief=True)  # type: ignore[attr-defined]
    assert calls == [24, 19, 19]
    assert len(time.sleeps) == 2
    assert all(0 <= seconds <= 0.2 for seconds in time.sleeps)
    said = []
    for user in USERS:
        try:
            said.append("read" if ahead.find(user) is not None else "nobody")
        except StoreUnreachable as error:
            said.append(error.what)
    assert Counter(said) == {"read": 5, "BatchGetItem left 19 of 24 keys unread": 19}


def test_a_batch_ends_within_the_deadline_of_one_lookup(remote: Place, night: Night) -> None:
    """Each request takes half the deadline: those that cannot be made any more are not."""
    nights.run(remote.store(), night)
    time = Time()
    reader = remote.store(Waiting(time.clock, time.sleep)).open(night.id)
    for user in USERS:
        reader.find(user)
    real, n, lock = URLLib3Session.send, [0], threading.Lock()

    def slow(session: Any, request: Any) -> AWSResponse:
        with lock:
            n[0] += 1
            time.now += 21.0  # of 40.2 s
            return real(session, request)

    with mock.patch.object(URLLib3Session, "send", slow):
        ahead = reader.prefetched([*USERS, *STRANGERS, *USERS], is_brief=True)  # type: ignore[attr-defined]
    assert n[0] <= 2 + READS_AT_ONCE
    found = []
    for user in USERS:
        try:
            found.append(ahead.find(user) is not None)
        except StoreUnreachable:
            found.append(False)
    assert any(found)


def test_the_batch_request_of_the_server_reads_all_at_once(
    request: pytest.FixtureRequest, tmp_path: Path, night: Night
) -> None:
    """POST /v1/lists with 24 users is one request to the table."""
    place = places.new_place("dynamodb", request, tmp_path)()
    nights.run(place.store(), night)
    lists = lists_of(place)
    app = create_app(lists, Serving(is_blocking=True), now=lambda: nights.dt.datetime.now(nights.dt.UTC), clock=float)
    with watched() as requests:
        answer = Asking(app).post("/v1/lists", json={"user_ids": list(USERS), "placement": "home", "k": 3})
    assert [one["items"] for one in answer.json()["lists"]] == [night.items(user) for user in USERS]
    assert list(map(kind_of, requests)) == ["BatchGetItem"]
