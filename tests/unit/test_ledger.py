from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts import tables
from contracts.errors import InputMissing
from contracts.layout import Layout
from contracts.settings import Segments
from jobs import lake
from jobs.evaluation import ledger_report
from models import ledger
from models.ledger import COUNTS, Proposed
from models.rankings import Ranking, keys_of, truth_of

SOURCES = ("own", "als", "popular")
OWN, ALS, POPULAR = 1, 2, 4


def ranking(*lists: list[int]) -> Ranking:
    """A list of items for each user."""
    rows = np.repeat(np.arange(len(lists)), [len(items) for items in lists])
    return Ranking(rows, np.array([i for items in lists for i in items], dtype=np.int32), len(lists))


def proposed() -> Proposed:
    """User 0 owns 3; user 1 owns 0; user 2 bought nothing in the window."""
    rows = np.array([0, 0, 0, 0, 1, 1, 2])
    items = np.array([1, 3, 4, 6, 0, 2, 5], dtype=np.int32)
    bits = np.array([ALS | POPULAR, OWN, ALS, POPULAR, OWN, ALS, POPULAR], dtype=np.int32)
    return Proposed(rows, items, bits, np.sort(keys_of(np.array([0, 1]), np.array([3, 0]))), 3)


def counts(*, is_new_only: bool) -> dict[tuple[str, int], dict[str, list[int]]]:
    """By system and places the counts of the three users; 8 is an item that nobody proposed, 9 one nobody knows."""
    truth = {
        False: truth_of(np.array([0, 0, 0, 0, 1]), np.array([1, 3, 4, 8, 0]), n_rows=3),
        True: truth_of(np.array([0, 0, 0]), np.array([1, 4, 8]), n_rows=3),
    }[is_new_only]
    shown = ranking([6, 1, 8], [2], [5]) if is_new_only else ranking([3, 6, 1], [2, 0], [5])
    made = ledger.count(proposed(), shown, truth, n_sources=3, places=(1, 3), is_new_only=is_new_only)
    named = ledger.systems(SOURCES, (1, 3))
    return {system: dict(zip(COUNTS, made[:, column].T.tolist(), strict=True)) for column, system in enumerate(named)}


@pytest.mark.parametrize(
    ("system", "found", "alone", "reachable", "n_proposed"),
    [
        (("source_own", 0), [1, 1, 0], [1, 1, 0], [1, 1, 0], [1, 1, 0]),
        (("source_als", 0), [2, 0, 0], [1, 0, 0], [2, 0, 0], [2, 1, 0]),
        (("source_popular", 0), [1, 0, 0], [0, 0, 0], [1, 0, 0], [2, 0, 0]),
        (("candidates", 0), [3, 1, 0], [0, 0, 0], [3, 1, 0], [4, 2, 0]),
        (("two_stage", 1), [1, 0, 0], [0, 0, 0], [1, 1, 0], [1, 1, 0]),
        (("two_stage", 3), [2, 1, 0], [0, 0, 0], [3, 1, 0], [3, 2, 0]),
    ],
)
def test_all_targets_by_hand(
    system: tuple[str, int], found: list[int], alone: list[int], reachable: list[int], n_proposed: list[int]
) -> None:
    """User 0 bought four items, of which ALS brought one alone and one with popular; user 2 counts for nothing."""
    assert counts(is_new_only=False)[system] == {
        "n_users": [1, 1, 0], "n_targets": [4, 1, 0], "n_found": found, "n_alone": alone, "n_reachable": reachable,
        "n_proposed": n_proposed,
    }  # fmt: skip


def test_new_targets_leave_out_what_was_owned() -> None:
    """Own items are no proposals; the list found 8, which no source did, and that raises no ceiling."""
    made = counts(is_new_only=True)
    assert made["source_own", 0]["n_proposed"] == [0, 0, 0]
    assert made["candidates", 0]["n_found"] == [2, 0, 0]
    assert made["candidates", 0]["n_proposed"] == [3, 0, 0]
    assert made["two_stage", 3] == {
        "n_users": [1, 0, 0], "n_targets": [3, 0, 0], "n_found": [2, 0, 0], "n_alone": [0, 0, 0],
        "n_reachable": [2, 0, 0], "n_proposed": [3, 0, 0],
    }  # fmt: skip


def test_segments_are_baskets_and_the_shop_s_own() -> None:
    """One basket is new, two to five light, six heavy; a user without baskets is new; unknown segments have none."""
    made = ledger.segments(["uk", "fr", "uk", "xx", "fr"], np.array([1, 5, 6, np.nan, 2]), ["fr", "uk"], Segments())
    assert {name: np.flatnonzero(rows).tolist() for name, rows in made.items()} == {
        "users:new": [0, 3], "users:light": [1, 4], "users:heavy": [2], "segment:fr": [1, 4], "segment:uk": [0, 2],
    }  # fmt: skip


@given(st.integers(1, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_the_shares_of_a_loss_sum_to_one(targets: int, brought: int, room: int, found: int) -> None:
    """Whatever was proposed, fitted and found: every target is in exactly one share, none below zero."""
    brought, found = min(brought, targets), min(found, targets)
    made = ledger.loss(targets=targets, proposed=brought, reachable=min(room, brought), found=found)
    shares = (made.found, made.not_proposed, made.ranked_low, made.no_room)
    assert min(shares) >= 0
    assert sum(shares) == pytest.approx(1)


def row(system: str, places: int, segment: str | None = None, **given: Any) -> dict[str, Any]:
    """One row of the table, of a placement with 100 targets of 20 users."""
    numbers = {"n_users": 20, "n_targets": 100, "n_alone": 0, "n_reachable": 0, "n_proposed": 400, "cpu_seconds": None}
    key = {"cut": dt.date(2024, 5, 4), "placement": "home", "targets": "all", "segment": segment}
    return {**key, "system": system, "places": places, **numbers, **given}


def rows_of(proposed_: int, listed: int, segment: str | None = None) -> list[dict[str, Any]]:
    """What is needed of one segment."""
    return [
        row("candidates", 0, segment, n_found=proposed_),
        row("two_stage", 10, segment, n_found=listed // 2, n_reachable=proposed_),
        row("two_stage", 50, segment, n_found=listed, n_reachable=proposed_),
    ]


def test_a_low_ceiling_is_retrieval_s_and_a_low_list_the_ranker_s() -> None:
    """Of 100 targets 30 were proposed and 20 listed: retrieval lost 70. Of heavy users 90 and 20: ranking lost 70."""
    rows = [
        *rows_of(30, 20), *rows_of(90, 20, "users:heavy"),
        row("source_als", 0, n_found=25, n_alone=5, cpu_seconds=1.5), row("source_own", 0, n_found=28, n_alone=7),
    ]  # fmt: skip
    made = ledger_report.of_rows(rows, as_of=dt.date(2024, 5, 31))
    home = made.placements["home"]
    assert home.sentence == (
        "Mend retrieval: of 100 items bought 70.0 were proposed by no source, 10.0 were proposed and ranked below "
        "place 50, 20.0 are in the list."
    )
    assert [(line.segment, line.mend) for line in home.segments] == [(None, "retrieval"), ("users:heavy", "ranking")]
    assert home.segments[1].ranked_low == pytest.approx(0.7)
    assert [(line.source, line.recall, line.alone, line.per_user, line.cpu_seconds) for line in home.sources] == [
        ("own", 0.28, 0.07, 20.0, None), ("als", 0.25, 0.05, 20.0, 1.5),
    ]  # fmt: skip


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    """The table keeps counts of 64 bits and nulls; the newest date is read without one, and an absent one is told."""
    layout = Layout(tmp_path)
    many = 3_000_000_000
    rows = [{**one, "recall": 0.1} for one in rows_of(many, many // 2)]
    rows = [{**one, "n_targets": 2 * many} for one in rows]
    for day in (dt.date(2024, 5, 30), dt.date(2024, 5, 31)):
        assert lake.replace_as_of(layout, tables.RECALL_LEDGER, rows, day) == 3
    made = ledger_report.read(layout, None)
    assert (made.as_of, made.cut) == (dt.date(2024, 5, 31), dt.date(2024, 5, 4))
    (line,) = made.placements["home"].segments
    assert (line.segment, line.n_targets, line.ceiling) == (None, 2 * many, 0.5)
    with pytest.raises(InputMissing, match="2020-01-01"):
        ledger_report.read(layout, dt.date(2020, 1, 1))
