from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from contracts.digest_section import Digest, Mail
from contracts.errors import InputInvalid, SettingsError
from export.digest import keys
from export.digest.audience import Files
from export.digest.formats import klaviyo
from export.digest.formats.registry import SHAPES
from export.digest.lines import DigestManifest
from export.digest.writing import Order, write_digest
from export.stores.mapped import MappedReader

Build = Callable[..., Any]
KEY = b"0123456789abcdef"
MAIL = Mail(
    sender="Corner <mail@corner.example>",
    template="weekly",
    unsubscribe_url="https://corner.example/u?t={token}",
    unsubscribe_address="stop@corner.example",
)
BASE = {"placement": "home", "segment": "35-44", "scores": [0.0], "reasons": [0], "anchors": [-1]}
ROWS = [{**BASE, "user_id": "ann", "item_idx": [3]}, {**BASE, "user_id": "bob", "item_idx": [5]}]


@pytest.fixture
def snapshot(tmp_path: Path, build: Build) -> MappedReader:
    """Ann has tea, which has everything; bob has -pear, which has nothing but its id."""
    build(tmp_path / "s", rows=ROWS)
    return MappedReader(tmp_path / "s")


def written(snapshot: MappedReader, out: Path, name: str, files: Files | None = None, **order: Any) -> list[Any]:
    """The lines of the format's file, in the order of the recipients."""
    rules = Digest(compression="none", item_url="https://corner.example/p/{item_id}?a=1#top", mail=MAIL)
    given = {"campaign": "spring", "key": KEY, "rules": rules, **order}
    write_digest(
        snapshot, out, Order("home", send_on=dt.date(2026, 1, 2), format=name, files=files or Files(), **given)
    )
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]


def slot(snapshot: MappedReader, user: str, item: str) -> str:
    """The tracking id of a user's first place."""
    return keys.tracking_ids(KEY, ("spring", snapshot.id, "home", user), [item])[0]


def products(snapshot: MappedReader) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What a format says of ann's and bob's items."""
    tea, pear = slot(snapshot, "ann", "tea"), slot(snapshot, "bob", "-pear")
    return (
        [
            {"rank": 1, "item_id": "tea", "title": "=Tea", "reason": "you bought this before", "price": 2.5,
             "image_url": "https://shop/tea.png", "url": f"https://corner.example/p/tea?a=1&slot={tea}#top",
             "tracking_id": tea},
        ],
        [
            {"rank": 1, "item_id": "-pear", "reason": "you bought this before",
             "url": f"https://corner.example/p/-pear?a=1&slot={pear}#top", "tracking_id": pear},
        ],
    )  # fmt: skip


def test_personalize_is_one_object_a_user(tmp_path: Path, snapshot: MappedReader) -> None:
    """As a batch inference job writes them: input, output, error."""
    assert written(snapshot, tmp_path / "d", "personalize") == [
        {"input": {"userId": "ann"}, "output": {"recommendedItems": ["tea"], "scores": [0.0]}, "error": None},
        {"input": {"userId": "bob"}, "output": {"recommendedItems": ["-pear"], "scores": [0.0]}, "error": None},
    ]


def test_ses_is_one_request_for_fifty(tmp_path: Path, snapshot: MappedReader) -> None:
    """A body that the sender's own client takes, with template data as text and headers to unsubscribe."""
    (tmp_path / "a.csv").write_text("user_id,email\nann,ann@mail.example\nbob,bob@mail.example\n")
    (made,) = written(snapshot, tmp_path / "d", "ses", Files(addresses=tmp_path / "a.csv"))
    shape = botocore.session.get_session().get_service_model("sesv2").operation_model("SendBulkEmail").input_shape
    assert not ParamValidator().validate(made, shape).has_errors()
    token = keys.unsubscribe_token(KEY, "ann")
    entries = made.pop("BulkEmailEntries")
    assert made == {
        "FromEmailAddress": "Corner <mail@corner.example>",
        "DefaultContent": {"Template": {"TemplateName": "weekly", "TemplateData": '{"items":[]}'}},
        "DefaultEmailTags": [{"Name": "snapshot", "Value": snapshot.id}],
    }
    data = entries[0].pop("ReplacementEmailContent")["ReplacementTemplate"]["ReplacementTemplateData"]
    assert json.loads(data) == {
        "list": "personal", "unsubscribe_url": f"https://corner.example/u?t={token}", "items": products(snapshot)[0],
    }  # fmt: skip
    assert entries[0] == {
        "Destination": {"ToAddresses": ["ann@mail.example"]},
        "ReplacementHeaders": [
            {"Name": "List-Unsubscribe",
             "Value": f"<https://corner.example/u?t={token}>, <mailto:stop@corner.example?subject={token}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ],
    }  # fmt: skip
    assert [entry["Destination"]["ToAddresses"] for entry in entries[1:]] == [["bob@mail.example"]]


def test_braze_is_users_attributes(tmp_path: Path, snapshot: MappedReader) -> None:
    """The list is a nested attribute named after the placement; users who are not known there are not made."""
    (made,) = written(snapshot, tmp_path / "d", "braze")
    about = {"list": "personal", "snapshot": snapshot.id, "as_of": "2026-01-01", "expires_at": "2026-01-04T00:00:00Z"}
    ann, bob = products(snapshot)
    assert made == {
        "attributes": [
            {"external_id": "ann", "_update_existing_only": True, "home_list": {**about, "items": ann}},
            {"external_id": "bob", "_update_existing_only": True, "home_list": {**about, "items": bob}},
        ]
    }


def test_klaviyo_is_an_import_job_of_profiles(tmp_path: Path, snapshot: MappedReader) -> None:
    """The list is a property of each profile; there is no null, which an import would not clear."""
    (made,) = written(snapshot, tmp_path / "d", "klaviyo")
    about = {"list": "personal", "snapshot": snapshot.id, "as_of": "2026-01-01", "expires_at": "2026-01-04T00:00:00Z"}
    profiles = [
        {
            "type": "profile",
            "attributes": {"external_id": user, "properties": {"home_list": {**about, "items": items}}},
        }
        for user, items in zip(("ann", "bob"), products(snapshot), strict=True)
    ]
    assert made == {"data": {"type": "profile-bulk-import-job", "attributes": {"profiles": {"data": profiles}}}}
    assert "null" not in (tmp_path / "d" / "klaviyo.jsonl").read_text()


@pytest.mark.parametrize(("name", "sizes"), [("ses", [50, 50, 1]), ("braze", [75, 26]), ("klaviyo", [101])])
def test_a_request_holds_no_more_than_the_sender_takes(
    tmp_path: Path, build: Build, name: str, sizes: list[int]
) -> None:
    """101 recipients in as many requests as needed, each recipient once, the rest in the last."""
    build(tmp_path / "s", rows=[{**BASE, "user_id": f"u{i:03d}", "item_idx": [3]} for i in range(101)])
    lines = "".join(f"u{i:03d},u{i}@mail.example\n" for i in range(101))
    (tmp_path / "a.csv").write_text(f"user_id,email\n{lines}")
    made = written(MappedReader(tmp_path / "s"), tmp_path / "d", name, Files(addresses=tmp_path / "a.csv"))
    entries = [
        one["BulkEmailEntries"] if name == "ses"
        else one["attributes"] if name == "braze"
        else one["data"]["attributes"]["profiles"]["data"]
        for one in made
    ]  # fmt: skip
    assert [len(request) for request in entries] == sizes
    assert len({json.dumps(entry) for request in entries for entry in request}) == 101


def test_a_request_stays_below_the_senders_bytes(tmp_path: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is full by bytes goes before it is full by number; a recipient that alone is too much is an error."""
    build(tmp_path / "s", rows=[{**BASE, "user_id": f"u{i}", "item_idx": [3]} for i in range(9)])
    snapshot = MappedReader(tmp_path / "s")
    small = type(klaviyo.KLAVIYO)(
        name="klaviyo", entry=klaviyo._entry, request=klaviyo._request, max_entries=100, max_bytes=1500
    )
    monkeypatch.setitem(SHAPES, "klaviyo", small)
    made = written(snapshot, tmp_path / "d", "klaviyo")
    sizes = [len(line) for line in (tmp_path / "d" / "klaviyo.jsonl").read_bytes().splitlines()]
    assert len(sizes) > 1
    assert max(sizes) <= 1500 < sizes[0] * 2
    ids = [
        profile["attributes"]["external_id"]
        for job in made
        for profile in job["data"]["attributes"]["profiles"]["data"]
    ]
    assert ids == [f"u{i}" for i in range(9)]
    monkeypatch.setitem(
        SHAPES, "klaviyo", type(small)(name="k", entry=small.entry, request=small.request, max_bytes=300)
    )
    with pytest.raises(InputInvalid, match="allows 300 a request"):
        written(snapshot, tmp_path / "d", "klaviyo")


def test_a_format_says_what_it_lacks(tmp_path: Path, snapshot: MappedReader) -> None:
    """Addresses, a key, an address to unsubscribe at, or a format of that name."""
    (tmp_path / "a.csv").write_text("user_id,email\nann,ann@mail.example\n")
    files = Files(addresses=tmp_path / "a.csv")
    with pytest.raises(InputInvalid, match="ses needs mail addresses"):
        written(snapshot, tmp_path / "d", "ses")
    with pytest.raises(InputInvalid, match="no key"):
        written(snapshot, tmp_path / "d", "ses", files, key=None)
    with pytest.raises(SettingsError, match="unsubscribe"):
        written(snapshot, tmp_path / "d", "ses", files, rules=Digest(compression="none"))
    with pytest.raises(InputInvalid, match="no format 'fax'"):
        written(snapshot, tmp_path / "d", "fax")


def test_the_format_leaves_out_the_holdout(tmp_path: Path, snapshot: MappedReader) -> None:
    """Its file stands in the manifest with the recipients in it; who is held out is in no request."""
    rules = Digest(compression="none", holdout_share=1.0, mail=MAIL)
    order = Order("home", rules, dt.date(2026, 1, 2), format="braze")
    made: DigestManifest = write_digest(snapshot, tmp_path / "d", order)
    assert (made.n_holdout, made.files["braze.jsonl"].records) == (2, 0)
    assert (tmp_path / "d" / "braze.jsonl").read_text() == ""
