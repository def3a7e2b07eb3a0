from __future__ import annotations

import datetime as dt
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

import msgspec
import pytest

from export.http import shapes
from export.http.app import Serving, create_app
from export.lookup import Lists, Options, TopN
from export.reading.channels import is_exposed
from export.reading.overlay import Column, encode_overlay
from export.reading.overlays import Folder, publish_overlay
from export.stores.local import LocalStore
from export.stores.state import Channels
from tests.stores.asking import Asking

Night = Callable[..., str]
WEIRD = "../ünï/\0🌽" + "é" * 121
NOW = dt.datetime(2026, 1, 2, 8, tzinfo=dt.UTC)
Client = Callable[..., Asking]


@pytest.fixture
def client(store: LocalStore) -> Client:
    """Makes a client of an endpoint over the store."""

    def make(now: dt.datetime = NOW, **serving: Any) -> Asking:
        lists = Lists(store, Options(overlay_seconds=0))
        return Asking(create_app(lists, Serving(**serving), now=lambda: now, clock=time.perf_counter))

    return make


def test_an_answer_is_the_librarys(store: LocalStore, night: Night, client: Client) -> None:
    """The same fields with the same values as `Lists.get`."""
    night(store, 1)
    got = client().get("/v1/users/ann/lists/home?k=2")
    wanted = Lists(store).get("ann", 2, "home", now=NOW)
    assert (got.status_code, got.json()) == (200, msgspec.to_builtins(wanted))
    assert (got.json()["age_hours"], got.json()["items"]) == (8.0, ["jam", "milk"])


def test_the_description_has_the_fields_of_an_answer() -> None:
    """None is missing, none is more, and the example fits."""
    assert list(shapes.ListAnswer.model_fields) == [field.name for field in msgspec.structs.fields(TopN)]
    shapes.ListAnswer.model_validate(shapes.EXAMPLE)
    shapes.BatchQuestion.model_validate(shapes.BATCH_EXAMPLE)


@pytest.mark.parametrize(
    "user", [WEIRD, "a/lists/home", "ann/lists", "50% off?#&=+ ", "'; --", "ユーザー", "\u202eabc"]
)
def test_any_id_goes_through_a_url(store: LocalStore, night: Night, client: Client, user: str) -> None:
    """Slashes, a zero byte, signs of URLs and of SQL, right-to-left marks: percent-encoded they arrive as they are."""
    row = {"segment": "x", "placement": "home", "item_idx": [1], "scores": [1.0], "reasons": [1], "anchors": [-1]}
    night(store, 1, rows=[{"user_id": user, **row}])
    got = client().get(f"/v1/users/{quote(user, safe='')}/lists/home").json()
    assert (got["user_id"], got["source"], got["items"]) == (user, "personal", ["milk"])


def test_an_id_that_a_url_bends_can_be_asked_for_in_a_body(store: LocalStore, night: Night, client: Client) -> None:
    """`..` and nothing at all, which clients take out of paths."""
    night(store, 1)
    got = client().post("/v1/lists", json={"user_ids": ["..", "", "ann"], "placement": "home", "k": 1}).json()
    assert [one["user_id"] for one in got["lists"]] == ["..", "", "ann"]
    assert [one["source"] for one in got["lists"]] == ["popular", "popular", "personal"]


def test_segment_region_and_items_to_leave_out_are_heeded(store: LocalStore, night: Night, client: Client) -> None:
    """As parameters of the one and in the body of the other."""
    night(store, 1)
    columns = {Column("out_of_stock", "north"): ["jam"]}
    made = publish_overlay(Folder(store.root), encode_overlay(columns, at="2026-01-02T07:00:00+00:00"))
    one = client()
    got = one.get("/v1/users/ann/lists/home?region=north&without=milk&without=tea").json()
    assert (got["items"], got["overlay"]) == (["bread"], made.id)
    assert one.get("/v1/users/nobody/lists/home?segment=35-44").json()["source"] == "segment"
    body = {"user_ids": ["ann", "new"], "placement": "home", "region": "north", "without": ["tea"],
            "segments": {"new": "35-44"}}  # fmt: skip
    assert [x["items"] for x in one.post("/v1/lists", json=body).json()["lists"]] == [["milk", "bread"], ["milk"]]


def test_many_lists_are_of_one_snapshot_that_of_the_visitor(
    store: LocalStore, night: Night, publish: Night, client: Client
) -> None:
    """Said once for all of them, and the same in each."""
    stable, canary = night(store, 1), publish(store, 2)
    store.rollout(Channels(canary=canary, exposure=50), by="t", reason="-", at="2026-01-02")
    inside = next(f"u{i}" for i in range(99) if is_exposed(f"u{i}", "", 50))
    body: dict[str, Any] = {"user_ids": ["ann", "bob", inside], "placement": "home"}
    for visitor, snapshot in ((None, stable), (inside, canary)):
        got = client().post("/v1/lists", json={**body, "visitor": visitor}).json()
        assert {got["snapshot"], *(one["snapshot"] for one in got["lists"])} == {snapshot}


def test_the_etag_is_the_snapshot_and_the_overlay(store: LocalStore, night: Night, client: Client) -> None:
    """A reader that has it gets 304 and no body, until either changes."""
    first = night(store, 1)
    one = client()
    url = "/v1/users/ann/lists/home"
    tag = one.get(url).headers["etag"]
    assert tag == f'W/"{first}.none"'
    for known in (tag, f'"other", {tag}', "*"):
        again = one.get(url, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    made = publish_overlay(Folder(store.root), encode_overlay({Column("hidden"): ["jam"]}, at="2026-01-02T07:00:00Z"))
    assert one.get(url, headers={"If-None-Match": tag}).status_code == 200
    second = night(store, 2)
    now = one.get(url, headers={"If-None-Match": f'W/"{first}.{made.id}"'})
    assert (now.status_code, now.headers["etag"]) == (200, f'W/"{second}.{made.id}"')


@pytest.mark.parametrize(
    ("hours", "wanted"),
    [(8, "private, max-age=60"), (35.9951, "private, max-age=17"), (36.5, "private, no-cache")],
)
def test_a_fresh_list_may_be_kept_for_a_while(
    store: LocalStore, night: Night, client: Client, hours: float, wanted: str
) -> None:
    """Never past the hour at which it gets stale; a stale one is to be asked for again."""
    night(store, 1)
    now = dt.datetime(2026, 1, 2, tzinfo=dt.UTC) + dt.timedelta(hours=hours)
    got = client(now).get("/v1/users/ann/lists/home")
    assert (got.headers["cache-control"], got.json()["is_stale"]) == (wanted, hours > 36)


def test_a_degraded_answer_is_not_to_be_kept(store: LocalStore, night: Night, client: Client) -> None:
    """Neither by time nor by ETag; the other users' answers are."""
    snapshot = night(store, 1, shards=1)
    path = store.root / "snapshots" / snapshot / "shard-00000.bin"
    data = path.read_bytes()
    at = data.index(b"ann") + 1
    path.write_bytes(data[:at] + b"N" + data[at + 1 :])
    one = client()
    got = one.get("/v1/users/ann/lists/home", headers={"If-None-Match": "*"})
    assert (got.status_code, got.json()["source"], got.json()["is_degraded"]) == (200, "popular", True)
    assert (got.headers["cache-control"], "etag" in got.headers) == ("no-store", False)
    assert "etag" in one.get("/v1/users/bob/lists/home").headers
    assert 'larder_reader_events_total{event="corrupt_records"} 1.0' in one.get("/metrics").text


@pytest.mark.parametrize(
    ("method", "url", "body", "status", "error"),
    [
        ("GET", "/v1/users/ann/lists/mail", None, 404, "PlacementUnknown"),
        ("GET", "/v1/users/ann/lists/home?k=0", None, 422, "InputInvalid"),
        ("GET", "/v1/users/ann/lists/home?k=501", None, 422, "InputInvalid"),
        ("GET", "/v1/users/ann/lists/home?k=x", None, 422, "InputInvalid"),
        ("GET", "/v1/users/" + "u" * 1025 + "/lists/home", None, 422, "InputInvalid"),
        ("GET", "/v1/nothing", None, 404, "NotFound"),
        ("DELETE", "/v1/lists", None, 405, "MethodNotAllowed"),
        ("POST", "/v1/lists", b"{", 422, "InputInvalid"),
        ("POST", "/v1/lists", b"\xff", 400, "BadRequest"),
        ("POST", "/v1/lists", b'{"user_ids": [], "placement": "home"}', 422, "InputInvalid"),
        ("POST", "/v1/lists", b'{"user_ids": ["\\ud800"], "placement": "home"}', 422, "InputInvalid"),
        ("POST", "/v1/lists", b'{"user_ids": ["a"], "placement": "home", "K": 1}', 422, "InputInvalid"),
        ("POST", "/v1/lists", b" " * 1001, 413, "BodyTooLarge"),
    ],
)
def test_a_wrong_question_is_told_what_is_wrong(
    store: LocalStore, night: Night, client: Client, method: str, url: str, body: bytes | None, status: int, error: str
) -> None:
    """Always the same four fields."""
    night(store, 1)
    headers = {"Content-Type": "application/json"}
    got = client(max_body_bytes=1000).request(method, url, content=body, headers=headers)
    assert (got.status_code, got.json()["error"]) == (status, error)
    assert set(got.json()) == {"error", "what", "where", "todo"}
    assert all(got.json().values())


def test_a_body_without_a_length_is_cut_too(store: LocalStore, night: Night, client: Client) -> None:
    """Sent in pieces, it is refused when it has grown too large."""
    night(store, 1)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 400

    got = client(max_body_bytes=1000).post("/v1/lists", content=pieces())
    assert (got.status_code, got.json()["error"]) == (413, "BodyTooLarge")


def test_before_the_first_snapshot_it_says_so(store: LocalStore, client: Client) -> None:
    """503 with a time to come back; not ready, but healthy."""
    one = client()
    got = one.get("/v1/users/ann/lists/home")
    assert (got.status_code, got.json()["error"], got.headers["retry-after"]) == (503, "SnapshotMissing", "1")
    assert (one.get("/readyz").status_code, one.get("/readyz").json()["status"]) == (503, "nothing_published")
    assert (one.get("/healthz").status_code, one.get("/healthz").json()) == (200, {"status": "ok"})
