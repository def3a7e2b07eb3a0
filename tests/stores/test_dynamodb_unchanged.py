from __future__ import annotations

from pathlib import Path

import pytest

from contracts.errors import SnapshotMissing
from export.lookup import Lists
from tests.stores.places import InTable, new_place
from tests.stores.servers import faults
from tests.stores.tables import AT, LATER, Build, Publish, answers, keys_of, opened, publisher, rows


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> InTable:
    """An empty table."""
    made = new_place("dynamodb", request, tmp_path)()
    assert isinstance(made, InTable)
    return made


@pytest.fixture
def publish(tmp_path: Path, build: Build) -> Publish:
    """Builds, blesses and publishes the night of a day, and flips to it."""
    return publisher(tmp_path, build)


def test_only_changed_users_are_written(place: InTable, publish: Publish) -> None:
    """Bob alone changed: one list written, three skipped with their write units; every reader sees its own night."""
    first = publish(opened(place), 1, rows())
    store = opened(place, changed_only="exact")
    second = publish(store, 2, rows({"bob": [0, 1]}))
    assert first.numbers["lists_written"] == 4
    assert (
        second.numbers["lists_written"], second.numbers["lists_skipped"], second.numbers["write_units_saved"],
    ) == (1, 3, 3)  # fmt: skip
    assert keys_of(place, second.snapshot) == [(f"{second.snapshot}#bob", "home")]
    assert answers(place) == {"ann": ["jam", "milk", "bread"], "bob": ["bread", "milk"], "cat": ["milk", "jam"]}
    old = store.open(first.snapshot).find("bob")
    assert old is not None
    kept = old.rows("home", 9)
    assert kept is not None
    assert kept.items == ["tea"]
    assert store.verify(second.snapshot) == second.manifest
    assert sorted(store.open(second.snapshot).user_ids()) == ["ann", "bob", "cat"]
    reader = store.open(second.snapshot)
    with faults.watched() as requests:
        assert [reader.find(user) is not None for user in ("ann", "bob", "cat")] == [True, True, True]
    assert len(requests) == 3
    assert publish(store, 2, rows({"bob": [0, 1]})).is_new is False


@pytest.mark.parametrize(("how", "written"), [("exact", 4), ("order", 0)])
def test_new_scores_of_the_same_lists_count_or_not(place: InTable, publish: Publish, how: str, written: int) -> None:
    """`exact` writes a list whose scores alone changed, `order` does not and shows the scores it had."""
    publish(opened(place), 1, rows())
    made = publish(opened(place, changed_only=how), 2, rows(scale=2.0))
    assert made.numbers["lists_written"] == written
    assert Lists(opened(place)).get("bob", 1, "home").scores == [2.0 if how == "exact" else 1.0]


def test_a_change_of_one_placement_writes_the_whole_user(place: InTable, publish: Publish) -> None:
    """So that one read still finds all of them; a placement that is gone counts as a change."""
    publish(opened(place), 1, rows())
    store = opened(place, changed_only="exact")
    assert publish(store, 2, rows({"ann": [0]})).numbers["lists_written"] == 2
    made = publish(store, 3, [one for one in rows({"ann": [0]}) if one["placement"] == "home"])
    assert made.numbers["lists_written"] == 1
    user = store.open(made.snapshot).find("ann")
    assert user is not None
    assert user.rows("discover", 1) is None


def test_a_user_who_is_no_more_is_gone_from_the_new_snapshot_only(place: InTable, publish: Publish) -> None:
    """Ann is not in the third night, whose lists lie in the first; the second still has her, the fourth again."""
    publish(opened(place), 1, rows())
    store = opened(place, changed_only="exact")
    second = publish(store, 2, rows())
    third = publish(store, 3, [one for one in rows() if one["user_id"] != "ann"])
    assert third.numbers["lists_written"] == 0
    assert answers(place) == {"bob": ["tea"], "cat": ["milk", "jam"]}
    assert store.open(second.snapshot).find("ann") is not None
    assert store.open(third.snapshot).prefetched(["ann"]).find("ann") is None
    assert sorted(store.open(third.snapshot).user_ids()) == ["bob", "cat"]
    assert store.verify(third.snapshot) == third.manifest
    fourth = publish(store, 4, rows())
    assert fourth.numbers["lists_written"] == 2
    assert set(answers(place)) == {"ann", "bob", "cat"}


def test_a_snapshot_points_back_over_a_week_at_most(place: InTable, publish: Publish) -> None:
    """The night seven days after the last full one writes everybody."""
    store = opened(place, changed_only="exact")
    written = [publish(store, day, rows()).numbers["lists_written"] for day in (1, 2, 7, 8, 9)]
    assert written == [4, 0, 0, 4, 0]


def test_retention_keeps_the_lists_that_a_kept_snapshot_points_to(place: InTable, publish: Publish) -> None:
    """The first night leaves and its lists stay for the third; once nothing points to them no item is left."""
    store = opened(place, changed_only="exact")
    names = [publish(store, day, rows({"bob": [day % 3]})).snapshot for day in (1, 2, 3)]
    assert store.retain(keep=1, grace_seconds=0, by="x", at=LATER) == [names[0]]
    assert store.snapshots() == names[1:]
    with pytest.raises(SnapshotMissing):
        store.open(names[0])
    users = [key[0].partition("#")[2] for key in keys_of(place, f"{names[0]}#")]
    assert users == ["ann", "ann", "bob", "cat"]
    assert answers(place) == {"ann": ["jam", "milk", "bread"], "bob": ["bread"], "cat": ["milk", "jam"]}
    full = publish(opened(place), 4, rows()).snapshot
    assert store.retain(keep=0, grace_seconds=0, by="y", at=LATER) == names[1:]
    for name in names:
        assert keys_of(place, f"{name}#") == keys_of(place, f"larder#{name}") == []
    assert keys_of(place, "larder#snapshots") == [("larder#snapshots", full)]
    assert store.verify(full).snapshot_id == full


def test_an_erased_user_is_in_no_snapshot(place: InTable, publish: Publish) -> None:
    """Every item of the user goes, older generations included; the rest still adds up; a second run finds nothing."""
    store = opened(place, changed_only="exact")
    names = [publish(store, day, rows({"bob": [day % 3]})).snapshot for day in (1, 2)]
    who = {"by": "x", "reason": "x", "at": AT}
    assert store.erase({"ann": "h-1", "nobody": "h-3"}, **who) == {names[0]: 1, names[1]: 1}
    assert store.erase({"ann": "h-1"}, **who) == {}
    assert store.erase({"bob": "h-2"}, **who) == {names[0]: 1, names[1]: 1}
    assert {key[0].partition("#")[2] for key in keys_of(place, "2026")} == {"cat"}
    assert answers(place) == {"cat": ["milk", "jam"]}
    for name in names:
        assert store.verify(name).n_users == 3
    assert publish(store, 3, rows()[2:3]).numbers["lists_written"] == 0


def test_a_user_whom_the_filter_takes_for_changed_costs_one_more_read(
    place: InTable, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a filter that takes everybody, each list is still found where it lies, by one user and by many."""
    publish(opened(place), 1, rows())
    made = publish(opened(place, changed_only="exact"), 2, rows({"bob": [0, 1]}))
    monkeypatch.setattr("export.stores.dynamodb.changes.UserFilter.may_have", lambda *_: True)
    reader = opened(place).open(made.snapshot)
    with faults.watched() as requests:
        assert [reader.find(user) is not None for user in ("ann", "bob", "cat")] == [True, True, True]
    assert len(requests) == 2 + 1 + 2
    with faults.watched() as requests:
        page = reader.prefetched(["ann", "bob", "cat"])
    assert len(requests) == 2
    assert [page.find(user) is not None for user in ("ann", "bob", "cat")] == [True, True, True]
