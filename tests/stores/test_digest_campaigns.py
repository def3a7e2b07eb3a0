from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import InputInvalid, InputMissing, SnapshotMissing
from contracts.settings import Digest, Placement, Settings
from export.digest.campaigns import Campaigns
from export.stores.local import LocalStore
from jobs.mailing import write_digest
from jobs.mailing.write_digest import Act, Request

Night = Callable[..., str]
AT = "2026-01-05T00:00:00Z"
ACT = Act(by="cli-1", at=AT)


def pinned(store: LocalStore) -> tuple[str, ...]:
    """What retention keeps."""
    pointer = store.pointer()
    assert pointer is not None
    return pointer.pinned


@pytest.fixture
def shop(tmp_path: Path) -> Settings:
    """Settings of the shop whose store is the fixture's."""
    return Settings(root=str(tmp_path))


def test_a_campaign_reads_one_snapshot_to_its_end(
    tmp_path: Path, store: LocalStore, night: Night, shop: Settings
) -> None:
    """Flips and retention between two runs change no byte; when it ends its snapshot may go."""
    first = night(store, 1)
    request = Request(placements=("home",), campaign="spring")
    write_digest.run(shop, as_of=None, out=tmp_path / "a", request=request, act=ACT)
    for day in (2, 3, 4):
        night(store, day)
    assert first not in store.retain(keep=0, grace_seconds=0, by="t", at="2026-03-01T00:00:00Z")
    report = write_digest.run(shop, as_of=None, out=tmp_path / "b", request=request, act=ACT)
    assert (report.details["snapshot"], report.as_of.isoformat()) == (first, "2026-01-01")
    names = sorted(path.name for path in (tmp_path / "a" / "home").iterdir())
    for name in names:
        assert (tmp_path / "a" / "home" / name).read_bytes() == (tmp_path / "b" / "home" / name).read_bytes()
    assert write_digest.end_campaign(shop, "spring", act=ACT) == {
        "campaign": "spring", "snapshot": first, "still_pinned": "no",
    }  # fmt: skip
    assert pinned(store) == ()
    assert store.retain(keep=0, grace_seconds=0, by="t", at="2026-03-02T00:00:00Z") == [first]


def test_a_digest_without_a_campaign_is_pinned_while_it_is_written(
    tmp_path: Path, store: LocalStore, night: Night, shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pin stands in the store's state meanwhile and is gone after it, also after a failure."""
    first = night(store, 1)
    seen: list[tuple[str, ...]] = []

    def refuse(*_: object) -> None:
        seen.append(pinned(store))
        raise InputInvalid("no", where="here", todo="nothing")

    request = Request(placements=("home",))
    with monkeypatch.context() as patch:
        patch.setattr(write_digest, "write_digest", refuse)
        with pytest.raises(InputInvalid):
            write_digest.run(shop, as_of=None, out=tmp_path / "a", request=request, act=ACT)
    assert seen == [(first,)]
    assert pinned(store) == ()
    write_digest.run(shop, as_of=None, out=tmp_path / "a", request=request, act=ACT)
    assert pinned(store) == ()
    assert [event.kind for event in store.history()] == ["flip", "pin", "unpin", "pin", "unpin"]
    assert not list((tmp_path / "campaigns").glob("*.json"))


def test_the_last_campaign_that_reads_a_snapshot_unpins_it(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """And none does that a person pinned before."""
    first, second = night(store, 1), night(store, 2)
    store.pin(second, by="t", reason="an audit", at=AT)
    campaigns = Campaigns(tmp_path / "c", store)
    for name, snapshot in (("a", first), ("b", first), ("c", second)):
        campaigns.begin(name, snapshot, by="t", at=AT)
    assert pinned(store) == (first, second)
    campaigns.end("a", by="t", at=AT)
    assert pinned(store) == (first, second)
    campaigns.end("b", by="t", at=AT)
    campaigns.end("c", by="t", at=AT)
    assert pinned(store) == (second,)
    with pytest.raises(InputMissing, match="No campaign 'c' runs"):
        campaigns.end("c", by="t", at=AT)


def test_a_campaign_cut_off_before_its_pin_is_completed(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """The record is written first, so that the next run pins the same snapshot, and the end finds it."""
    first = night(store, 1)
    campaigns = Campaigns(tmp_path / "c", store)
    campaigns.begin("a", first, by="t", at=AT)
    store.unpin(first, by="t", reason="as if the pin never came", at=AT)
    night(store, 2)
    assert campaigns.begin("a", "ignored", by="t", at="2026-01-06T00:00:00Z").snapshot == first
    assert pinned(store) == (first,)
    campaigns.end("a", by="t", at=AT)
    assert pinned(store) == ()


def test_a_campaign_that_cannot_begin_leaves_no_trace(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """No record of a snapshot that the store does not have, and no name that is a path."""
    night(store, 1)
    campaigns = Campaigns(tmp_path / "c", store)
    with pytest.raises(SnapshotMissing):
        campaigns.begin("a", "2026-01-09-000000000000", by="t", at=AT)
    assert campaigns.running() == []
    for name in ("", "../a", "a/b", ".a", "a" * 65):
        with pytest.raises(InputInvalid, match="name of a campaign"):
            campaigns.begin(name, "x", by="t", at=AT)


def test_a_running_campaign_refuses_another_date(
    tmp_path: Path, store: LocalStore, night: Night, shop: Settings
) -> None:
    """Asked for the second night's lists while it reads the first night's."""
    night(store, 1)
    request = Request(placements=("home",), campaign="spring")
    report = write_digest.run(shop, as_of=None, out=tmp_path / "a", request=request, act=ACT)
    night(store, 2)
    with pytest.raises(InputInvalid, match="The campaign spring reads 2026-01-01"):
        write_digest.run(shop, as_of=report.as_of.replace(day=2), out=tmp_path / "a", request=request, act=ACT)


def test_the_placements_written_by_default() -> None:
    """Those of the settings, else `email` where there is one, else all."""
    email = {"home": Placement(repeats=True), "email": Placement(repeats=True)}
    assert write_digest.default_placements(Settings()) == ("home", "discover")
    assert write_digest.default_placements(Settings(placements=email)) == ("email",)
    asked = Digest(placements=("home",))
    assert write_digest.default_placements(Settings(placements=email, digest=asked)) == ("home",)


def test_files_of_the_settings_are_used_where_none_are_given(tmp_path: Path, store: LocalStore, night: Night) -> None:
    """So that the nightly's own digest leaves out the suppressed; an option takes their place."""
    night(store, 1)
    (tmp_path / "unsubscribed.txt").write_text("ann\n")
    rules = Digest(suppression=(str(tmp_path / "unsubscribed.txt"),), compression="none")
    settings = Settings(root=str(tmp_path), digest=rules)
    report = write_digest.run(settings, as_of=None)
    assert report.rows["home_dropped_unsubscribed"] == 1
    manifest = json.loads((tmp_path / "digests" / "2026-01-01" / "home" / "manifest.json").read_text())
    assert (manifest["dropped"], manifest["n_recipients"]) == ({"unsubscribed": 1}, 2)
