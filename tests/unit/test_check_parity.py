from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from contracts.errors import HeldByGate, SnapshotMissing
from contracts.gates_section import Gates
from contracts.parity_section import Parity
from contracts.settings import Settings
from jobs.erasing import erase_users
from jobs.publishing import check_parity, stage_snapshot
from tests.end_to_end import planting
from tests.unit.parity_root import DAY, settings_of, write_root
from tests.unit.parity_shop import N_USERS, RandomShop

Publish = Callable[..., Settings]


@pytest.fixture(scope="module")
def cooked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a night's tables and artifacts, made once."""
    root = tmp_path_factory.mktemp("cooked")
    write_root(RandomShop(11), root)
    return root


@pytest.fixture
def publish(cooked: Path, tmp_path: Path) -> Publish:
    """Spoils a copy of the root, stages and publishes its lists, and returns its settings."""

    def run(plant: planting.Plant | None = None, **parity: int) -> Settings:
        settings = settings_of(tmp_path / "root", gates=Gates(parity=Parity(**parity)))
        planting.spoil(cooked, settings, DAY, plant)
        return settings

    return run


def test_a_clean_night_is_green(publish: Publish) -> None:
    """All users are drawn, with both placements; no place differs, none is tied, and the file says so."""
    report = check_parity.run(publish(), as_of=DAY)
    assert report.rows == {
        "users_checked": N_USERS + 1, "lists_checked": 2 * N_USERS, "places_checked": report.rows["places_checked"],
        "users_differing": 0, "differences": 0, "places_tied": 0,
    }  # fmt: skip
    assert report.rows["places_checked"] > N_USERS * 15
    assert report.numbers == {"users_differing_share": 0.0}
    assert "histories" in report.details["taken_over"]
    found = json.loads(Path(report.details["differences"]).read_bytes())
    assert (found["differences"], found["verdict"], found["users"]) == ([], "green", N_USERS + 1)


def test_a_night_that_a_user_was_erased_from_is_green(publish: Publish) -> None:
    """Between publish and parity: the user is in no table and in no list, and everybody else's lists are as before."""
    settings = publish()
    request = erase_users.Request(users=["user-3"], reason="ticket 7")
    erased = erase_users.run(settings, request, at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC), by="on-call")
    assert (erased.rows["table_candidates"], erased.rows["snapshot_records"]) == (1, 1)
    report = check_parity.run(settings, as_of=DAY)
    assert (report.rows["users_checked"], report.rows["lists_checked"]) == (N_USERS, 2 * (N_USERS - 1))
    assert report.rows["differences"] == 0


def test_users_are_drawn_by_seed_and_date(publish: Publish) -> None:
    """Ten of them are checked, the same ones again, and with a difference among the others nothing is held."""
    settings = publish(users=10)
    assert check_parity.run(settings, as_of=DAY).rows["users_checked"] == 10
    assert check_parity.run(settings, as_of=DAY).rows == check_parity.run(settings, as_of=DAY).rows


def held(settings: Settings) -> tuple[HeldByGate, list[dict[str, str]]]:
    """The error, and the differences in the file that it names."""
    with pytest.raises(HeldByGate) as caught:
        check_parity.run(settings, as_of=DAY)
    return caught.value, json.loads(Path(caught.value.where).read_bytes())["differences"]


def test_two_swapped_users_are_found_and_named(publish: Publish) -> None:
    """Exactly the two, with placement, place, what was expected and what was found."""
    error, found = held(publish(planting.two_users_swapped))
    assert {one["user_id"] for one in found} == {"user-0", "user-1"}
    assert error.what.startswith("The lists of 2 of 41 users in ")
    first = found[0]
    assert (first["placement"], first["position"]) == ("home", 1)
    words = f"{first['user_id']}, home, place 1: item {first['expected']} was expected, {first['found']} found"
    assert words in error.what
    assert error.exit_code == 3
    written = json.loads(Path(error.where).read_bytes())
    assert (written["verdict"], written["users_differing"]) == ("red", 2)


@pytest.mark.parametrize(
    "plant", [planting.items_shifted, planting.booster_of_another_placement, planting.users_shifted]
)
def test_what_concerns_everybody_is_found(publish: Publish, plant: planting.Plant) -> None:
    """An item dictionary shifted by one, a stale booster, and lists joined to the next user."""
    _, found = held(publish(plant))
    assert len({one["user_id"] for one in found}) > N_USERS / 2


def test_factors_that_are_not_those_of_the_candidates_are_found(publish: Publish) -> None:
    """The factors of the date belong to other users: the lists are right, and what made them is not."""
    _, found = held(publish(planting.factors_of_the_next_user))
    assert {one["what"] for one in found} == {"factors"}


def test_another_fallback_list_is_found(publish: Publish) -> None:
    """The store's fallback lists are those of the table, item by item."""
    settings = publish()
    planting.fallbacks_reversed(planting.layout_of(settings), DAY)
    _, found = held(settings)
    assert [(one["user_id"], one["placement"], one["what"], one["position"]) for one in found] == [
        ("segment all", "discover", "fallback", 1), ("segment all", "home", "fallback", 1),
    ]  # fmt: skip


@pytest.mark.parametrize("lose", [planting.candidates_lost, planting.histories_lost])
def test_a_list_that_nobody_expects_is_found(publish: Publish, lose: planting.Plant) -> None:
    """A user without candidates or history has an own list in the store."""
    settings = publish()
    lose(planting.layout_of(settings), DAY)
    _, found = held(settings)
    assert [(one["user_id"], one["what"], one["found"]) for one in found] == [("user-0", "user", "an own list")]


def test_the_limit_is_a_number_of_users(publish: Publish) -> None:
    """With two allowed, two differing users pass, counted and told."""
    report = check_parity.run(publish(planting.two_users_swapped, max_users_differing=2), as_of=DAY)
    assert report.rows["users_differing"] == 2
    assert "was expected" in report.details["examples"]


def test_no_users_is_no_check(publish: Publish) -> None:
    """The check can be switched off, and then says that it looked at nobody."""
    assert check_parity.run(publish(planting.users_shifted, users=0), as_of=DAY).rows["users_checked"] == 0


def test_a_snapshot_that_is_not_in_the_store_is_an_error(cooked: Path, tmp_path: Path) -> None:
    """Staged and not published: there is nothing to read."""
    shutil.copytree(cooked, tmp_path / "root")
    settings = settings_of(tmp_path / "root")
    stage_snapshot.run(settings, as_of=DAY)
    with pytest.raises(SnapshotMissing, match="is not in the store"):
        check_parity.run(settings, as_of=DAY)
