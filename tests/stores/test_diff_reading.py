from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from contracts.errors import SnapshotCorrupt
from export.comparing import users
from export.comparing.snapshots import compare
from export.stores.base import Reader, UserLists
from export.stores.mapped import MappedReader
from tests.stores import nights, places
from tests.stores.comparisons import AFTER, BEFORE, FORTY_ITEMS, Open, opener, twenty
from tests.stores.places import InTable, Place
from tests.stores.tables import Build, opened, publisher, rows


@pytest.fixture
def snapshot(tmp_path: Path) -> Open:
    """Builds a snapshot of the hand-made shop and opens it."""
    return opener(tmp_path)


class Watched:
    """A reader that tells how many ids were read ahead of the users asked for, at most."""

    def __init__(self, reader: MappedReader) -> None:
        """Watches `reader`."""
        self.reader, self.n_listed, self.n_found, self.ahead = reader, 0, 0, 0

    def __getattr__(self, name: str) -> Any:
        """Whatever else it has."""
        return getattr(self.reader, name)

    def user_ids(self) -> Iterator[str]:
        """The ids, counted as they are taken."""
        for user in self.reader.user_ids():
            self.n_listed += 1
            self.ahead = max(self.ahead, self.n_listed - self.n_found)
            yield user

    def find(self, user_id: str) -> UserLists | None:
        """The user, counted."""
        self.n_found += 1
        return self.reader.find(user_id)


def test_memory_holds_a_batch_of_users(snapshot: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids are read a batch ahead and no more; a user in both snapshots is read three times at most."""
    monkeypatch.setattr(users, "BATCH", 3)
    before = Watched(snapshot(twenty(), items=FORTY_ITEMS))
    after = Watched(snapshot(twenty(shift=1), day=2, items=FORTY_ITEMS))
    made = compare(cast("Reader", before), cast("Reader", after))
    assert made.n_looked_at == 20
    assert before.ahead == 3
    assert (before.n_found, after.n_found) == (40, 20)


class Prefetched(Watched):
    """A reader that reads many users a request, and none by itself."""

    def __init__(self, reader: MappedReader) -> None:
        """Watches `reader`."""
        super().__init__(reader)
        self.sizes: list[int] = []

    def prefetched(self, user_ids: Collection[str]) -> MappedReader:
        """The users, in one request."""
        self.sizes.append(len(user_ids))
        return self.reader

    def find(self, user_id: str) -> UserLists | None:
        """No user is read alone."""
        raise AssertionError(user_id)


def test_a_store_that_reads_many_users_a_request_is_asked_so(snapshot: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch of users is one request to a snapshot that offers it; the answer is the same."""
    monkeypatch.setattr(users, "BATCH", 8)
    before, after = snapshot(twenty(), items=FORTY_ITEMS), snapshot(twenty(shift=1), day=2, items=FORTY_ITEMS)
    batched = Prefetched(before), Prefetched(after)
    assert compare(cast("Reader", batched[0]), cast("Reader", batched[1])) == compare(before, after)
    assert (batched[0].sizes, batched[1].sizes) == ([8, 8, 4, 8, 8, 4], [8, 8, 4])


def test_a_user_listed_but_not_found_is_an_error(snapshot: Open) -> None:
    """A store that lists a user and then does not find the record lost it: that is no change of a list."""
    before = Watched(snapshot(BEFORE))
    before.find = lambda _: None  # type: ignore[assignment]
    with pytest.raises(SnapshotCorrupt, match="4 users that the snapshot lists are not found"):
        compare(cast("Reader", before), snapshot(AFTER, day=2))


@pytest.mark.parametrize("name", ["shard-00000.bin", "items.bin"])
def test_damage_is_an_error_and_no_number(snapshot: Open, name: str) -> None:
    """No user and no item is left out in silence: a flipped byte of a record or an item of either snapshot is told."""
    good, bad = snapshot(BEFORE), snapshot(AFTER, day=2, shards=1)
    path = bad.directory / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    bad = MappedReader(bad.directory)
    for before, after in ((good, bad), (bad, good)):
        with pytest.raises(SnapshotCorrupt, match="damaged"):
            compare(before, after)


def test_every_store_gives_the_same_answer(place: Place, tmp_path: Path) -> None:
    """Two nights whose lists are shifted by one of five items, read from each kind of store: 2 of 3 items stay."""
    made = [nights.night(tmp_path, 1), nights.night(tmp_path, 2)]
    store = place.store()
    for night in made:
        nights.publish(store, night)
    answer = compare(store.open(made[0].id), store.open(made[1].id))
    home = answer.placements["home"]
    assert (answer.before.snapshot, answer.after.snapshot) == (made[0].id, made[1].id)
    assert (answer.n_users_both, answer.n_users_only_before, answer.n_users_only_after) == (24, 0, 0)
    assert (home.top5_changed, home.overlap_median, home.overlap_p10) == (1.0, 2 / 3, 2 / 3)
    assert (home.fallback_before, home.fallback_after, home.categories_moved) == (0.04, 0.04, 0.0)
    assert [(item.item_id, item.n_before, item.n_after) for item in home.gaining] == [("bread", 14, 15)]
    assert len(home.most_changed) == 20
    first = home.most_changed[0]
    assert [item.item_id for item in first.before] == made[0].items("user-00")
    assert [item.item_id for item in first.after] == made[1].items("user-00")
    local = compare(MappedReader(made[0].build), MappedReader(made[1].build))
    assert answer.placements == local.placements


def test_lists_that_were_not_written_again_are_compared_too(
    tmp_path: Path, build: Build, request: pytest.FixtureRequest
) -> None:
    """A table that holds of the second night only what changed: the others are found in the first, and unchanged."""
    place = places.new_place("dynamodb", request, tmp_path)()
    assert isinstance(place, InTable)
    store, run = opened(place, changed_only="exact"), publisher(tmp_path, build)
    first = run(store, 1, rows())
    second = run(store, 2, [one for one in rows({"bob": [1]}) if one["user_id"] != "cat"], is_flipped=False)
    made = compare(store.open(first.snapshot), store.open(second.snapshot))
    assert (made.n_users_both, made.n_users_only_before, made.n_users_only_after) == (2, 1, 0)
    home = made.placements["home"]
    assert (home.n_both, home.n_only_before, home.overlap_mean, home.overlap_p10) == (2, 1, 0.5, 0.0)
    assert [user.user_id for user in home.most_changed] == ["bob"]
