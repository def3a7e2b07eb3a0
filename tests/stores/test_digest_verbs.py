from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from typer.testing import CliRunner

from contracts.digest_section import Digest
from contracts.errors import LarderError
from contracts.settings import Settings
from contracts.store_section import Store as Section
from export.reading.overlay import Column, encode_overlay
from export.reading.overlays import Folder, publish_overlay
from export.stores.local import LocalStore
from export.stores.objects import Objects
from jobs import cli
from jobs.mailing import write_digest
from jobs.mailing.write_digest import Request
from tests.stores.servers import processes

Night = Callable[..., str]
SECRET = "a planted key: 3f9c1e77"  # noqa: S105  it is planted to be searched for
NAMES = [
    "_SUCCESS", "holdout.csv", "holdout.jsonl.zst", "items.csv", "items.jsonl.zst", "lists.csv", "lists.jsonl.zst",
    "manifest.json", "schema.json",
]  # fmt: skip


@pytest.fixture
def larder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, Any]]:
    """Runs a verb on the fixture's store; exit code and the JSON object."""
    monkeypatch.setenv("DIGEST_KEY", SECRET)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, Any]:
        done = CliRunner().invoke(cli.app, ["--root", str(tmp_path), *arguments, "--json"])
        assert SECRET not in done.output
        return done.exit_code, json.loads(done.stdout)

    return run


def lines(path: Path) -> list[dict[str, Any]]:
    """The objects of a compressed file of JSON lines."""
    with pa.input_stream(str(path), compression="zstd") as stream:
        return [json.loads(line) for line in stream.read().splitlines()]


def test_the_verb_writes_what_was_asked_for(tmp_path: Path, store: LocalStore, night: Night, larder: Any) -> None:
    """One placement, joined files, tracking ids; the counts are in the answer, the key is nowhere."""
    snapshot = night(store, 1)
    (tmp_path / "unsubscribed.txt").write_text("bob\n")
    code, told = larder(
        "digest", "--placement", "home", "--as-of", "2026-01-01", "--out", str(tmp_path / "mail"), "-k", "2",
        "--suppress", str(tmp_path / "unsubscribed.txt"), "--format", "braze",
    )  # fmt: skip
    assert code == 0
    assert (told["details"]["snapshot"], told["details"]["folders"]) == (
        snapshot,
        {"home": str(tmp_path / "mail/home")},
    )
    assert "note" not in told["details"]
    assert told["rows"] == {
        "home_recipients": 2, "home_rows": 4, "home_items": 4, "home_holdout": 0, "home_dropped_unsubscribed": 1,
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "mail" / "home").iterdir()) == sorted([*NAMES, "braze.jsonl.zst"])
    found = lines(tmp_path / "mail" / "home" / "lists.jsonl.zst")
    assert all(slot["tracking_id"].startswith("t") for line in found for slot in line["items"])
    for path in (tmp_path / "mail" / "home").iterdir():
        assert SECRET.encode() not in path.read_bytes()


def test_the_overlay_of_now_is_heeded(tmp_path: Path, store: LocalStore, night: Night, larder: Any) -> None:
    """What sold out since the night is in no list; its id stands in the manifest; a region's flags are asked for."""
    night(store, 1)
    flags = {Column("out_of_stock"): ["jam"], Column("hidden", "north"): ["milk"]}
    overlay = publish_overlay(Folder(store.root), encode_overlay(flags, at="2026-01-02T12:00:00Z"))
    (tmp_path / "gone.csv").write_text("item_id\ntea\n")
    items = {}
    for region, more in (("", ()), ("north", ("--region", "north"))):
        code, _ = larder("digest", "--placement", "home", "--out", "d", "--unavailable", "gone.csv", *more)
        assert code == 0
        items[region] = {
            slot["item_id"] for line in lines(tmp_path / "d/home/lists.jsonl.zst") for slot in line["items"]
        }
    assert items == {"": {"milk", "bread", "-pear"}, "north": {"bread", "-pear"}}
    manifest = json.loads((tmp_path / "d" / "home" / "manifest.json").read_text())
    assert (manifest["overlay"], [one["role"] for one in manifest["inputs"]]) == (overlay.id, ["unavailable"])
    path = store.root / "overlay.bin"
    path.write_bytes(path.read_bytes()[:-1])
    code, told = larder("digest", "--placement", "home", "--out", "d")
    assert (code, told["error"]) == (1, "SnapshotCorrupt")


def test_a_campaign_is_kept_and_ended_by_the_verb(tmp_path: Path, store: LocalStore, night: Night, larder: Any) -> None:
    """Its snapshot is pinned until --unpin, which needs its name; the history says who and why."""
    first = night(store, 1)
    code, told = larder("digest", "--placement", "home", "--out", "d", "--campaign", "spring")
    assert (code, told["details"]["note"]) == (0, "no suppression or consent file was given: nobody was left out")
    night(store, 2)
    code, told = larder("digest", "--placement", "home", "--out", "d", "--campaign", "spring")
    assert (code, told["details"]["snapshot"]) == (0, first)
    code, told = larder("digest", "--placement", "home", "--as-of", "2026-01-02", "--out", "d", "--campaign", "spring")
    assert (code, told["error"]) == (1, "InputInvalid")
    assert larder("digest", "--campaign", "spring", "--unpin") == (
        0, {"campaign": "spring", "snapshot": first, "still_pinned": "no"},
    )  # fmt: skip
    assert larder("digest", "--unpin")[1]["error"] == "InputInvalid"
    assert larder("digest", "--campaign", "spring", "--unpin")[1]["error"] == "InputMissing"
    assert [(event.kind, event.reason) for event in store.history()] == [
        ("flip", "night 1"), ("pin", "campaign spring"), ("flip", "night 2"), ("unpin", "campaign spring ended"),
    ]  # fmt: skip


def test_a_preview_is_one_mail_or_an_index(tmp_path: Path, store: LocalStore, night: Night, larder: Any) -> None:
    """Global options before the verbs count too; what stands in for unset settings is said."""
    night(store, 1)
    code, told = larder("digest", "preview", "--user", "ann", "--placement", "home", "--out", "p")
    assert code == 0
    assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["mail.eml", "mail.html", "mail.txt"]
    assert "digest.mail.unsubscribe_url is not set" in told["details"]["unsubscribe_url"]
    code, told = larder("digest", "preview", "--sample", "20", "--placement", "home", "--out", "q")
    assert (code, told["rows"]) == (0, {"mails": 6})
    assert (tmp_path / "q" / "index.html").exists()
    for wrong in ((), ("--user", "ann", "--sample", "3")):
        code, told = larder("digest", "preview", "--placement", "home", *wrong)
        assert (code, told["error"]) == (1, "InputInvalid")


def test_options_before_preview_reach_it(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """`larder digest --root DIR preview` reads that root."""
    night(store, 1)
    done = CliRunner().invoke(
        cli.app,
        ["digest", "--root", str(tmp_path), "--json", "preview", "--user", "ann", "--placement", "home"],
    )
    assert json.loads(done.stdout)["details"]["open"] == str(tmp_path / "previews" / "mail.html")


def test_a_weak_key_of_the_environment_is_refused(
    tmp_path: Path, store: LocalStore, night: Night, monkeypatch: pytest.MonkeyPatch, larder: Any
) -> None:
    """The variable is named, its text is not told."""
    night(store, 1)
    monkeypatch.setenv("DIGEST_KEY", "short-one")
    code, told = larder("digest", "--placement", "home", "--out", "d")
    assert (code, told["error"], told["where"]) == (1, "InputInvalid", "the variable DIGEST_KEY")
    assert "short-one" not in json.dumps(told)


@pytest.fixture
def bucket(s3_server: str, tmp_path: Path) -> tuple[Settings, Any]:
    """Settings of a local store whose digests may go to the test server, and a client of it."""
    section = Section(region=processes.REGION, endpoint=s3_server, part_mebibytes=5)
    settings = Settings(root=str(tmp_path), store=section, digest=Digest())
    return settings, processes.client("s3", s3_server)


def objects(client: Any, prefix: str) -> dict[str, bytes]:
    """What lies in the bucket below a prefix."""
    found = client.list_objects_v2(Bucket=processes.BUCKET, Prefix=prefix).get("Contents", [])
    return {
        entry["Key"].removeprefix(prefix): client.get_object(Bucket=processes.BUCKET, Key=entry["Key"])["Body"].read()
        for entry in found
    }


def test_a_digest_in_a_bucket_is_the_digest(
    tmp_path: Path, store: LocalStore, night: Night, bucket: tuple[Settings, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same bytes; `_SUCCESS` goes first and comes last, the manifest before it; another run's leftovers go."""
    night(store, 1)
    settings, client = bucket
    client.put_object(Bucket=processes.BUCKET, Key="mails/home/braze.jsonl.zst", Body=b"old")
    client.put_object(Bucket=processes.BUCKET, Key="mails/other/lists.csv", Body=b"not ours")
    done: list[tuple[str, Any]] = []
    for name in ("delete", "upload", "put"):
        real = getattr(Objects, name)

        def spied(self: Objects, first: Any, *more: Any, _name: str = name, _real: Any = real, **given: Any) -> Any:
            done.append((_name, first))
            return _real(self, first, *more, **given)

        monkeypatch.setattr(Objects, name, spied)
    out = f"s3://{processes.BUCKET}/mails"
    report = write_digest.run(settings, as_of=None, out=out, request=Request(placements=("home",)))
    assert report.details["folders"] == {"home": f"{out}/home"}
    folder = tmp_path / "digests" / "2026-01-01" / "home"
    assert objects(client, "mails/home/") == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(objects(client, "mails/home/")) == NAMES
    assert objects(client, "mails/other/") == {"lists.csv": b"not ours"}
    asked = [(name, first) for name, first in done if name != "put" or first == "home/_SUCCESS"]
    assert asked[0] == ("delete", ["home/_SUCCESS"])
    assert asked[-3:] == [
        ("delete", ["home/braze.jsonl.zst"]), ("upload", "home/manifest.json"), ("put", "home/_SUCCESS"),
    ]  # fmt: skip


def test_a_delivery_that_fails_leaves_no_success(
    store: LocalStore, night: Night, bucket: tuple[Settings, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off before any file of a second run, the sign of the first run is gone; run again it is whole."""
    night(store, 1)
    settings, client = bucket
    request, out = Request(placements=("home",)), f"s3://{processes.BUCKET}/cut"
    write_digest.run(settings, as_of=None, out=out, request=request)
    n = len(objects(client, "cut/home/")) - 1
    real = Objects.upload
    for position in range(n):
        left = [position]

        def failing(self: Objects, *given: Any, _left: list[int] = left, **more: Any) -> None:
            if _left[0] == 0:
                raise LarderError("The line is cut", where="here", todo="Run it again.")
            _left[0] -= 1
            real(self, *given, **more)

        monkeypatch.setattr(Objects, "upload", failing)
        with pytest.raises(LarderError, match="The line is cut"):
            write_digest.run(settings, as_of=None, out=out, request=request)
        assert "_SUCCESS" not in objects(client, "cut/home/")
        monkeypatch.setattr(Objects, "upload", real)
        write_digest.run(settings, as_of=None, out=out, request=request)
        assert sorted(objects(client, "cut/home/")) == NAMES


def test_a_bucket_must_be_named(store: LocalStore, night: Night, bucket: tuple[Settings, Any]) -> None:
    """`s3://` alone, and a bucket that is not there, are errors that say so."""
    night(store, 1)
    for out, told in (("s3://", "names no bucket"), ("s3://no-such-bucket/x", "NoSuchBucket")):
        with pytest.raises(LarderError, match=told):
            write_digest.run(bucket[0], as_of=None, out=out, request=Request(placements=("home",)))
