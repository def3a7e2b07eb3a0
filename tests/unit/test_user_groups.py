from __future__ import annotations

import datetime as dt
from pathlib import Path

import deltalake
import numpy as np
import pyarrow as pa
import pytest

from contracts import tables
from contracts.errors import InputInvalid
from contracts.layout import Layout
from contracts.settings import Evaluation, Segments, Settings
from jobs import lake
from jobs.evaluation.groups import largest, user_groups, with_columns
from jobs.evaluation.measure import plan_of, segment_rows
from jobs.kernels import measuring
from models.measures import FULL, MINUS, OURS, Key

USERS = pa.table(
    {
        "user_idx": pa.array([1, 2, 3, 4], pa.int32()),
        "n_baskets": pa.array([1, 2, 5, 9], pa.int32()),
        "segment": ["UK", "UK", "DE", "DE"],
        "age": ["young", None, "old", "old"],
    }
)
WANTED = Segments(new_baskets=1, light_baskets=5, columns=("age",), min_users=1)


def test_users_are_parted_by_activity_segment_and_the_columns_named() -> None:
    """Limits are inclusive; an unknown value is a group of its own."""
    found = {group: mask.tolist() for masks in user_groups(USERS, WANTED).values() for group, mask in masks.items()}
    assert found == {
        "users:new": [True, False, False, False],
        "users:light": [False, True, True, False],
        "users:heavy": [False, False, False, True],
        "segment:DE": [False, False, True, True],
        "segment:UK": [True, True, False, False],
        "age:old": [False, False, True, True],
        "age:unknown": [False, True, False, False],
        "age:young": [True, False, False, False],
    }


def test_small_groups_and_a_shop_without_segments_are_left_out() -> None:
    """Two users at least; all users in the segment `all` are no group."""
    alone = USERS.set_column(2, "segment", pa.array(["all"] * 4))
    assert list(user_groups(alone, Segments(min_users=2))["users"]) == ["users:light"]
    assert "segment" not in user_groups(alone, Segments(min_users=2))


def test_the_largest_codes_are_those_most_bought() -> None:
    """Code 2 has 7 buyers, 0 has 4, 1 has none and -1 is no code."""
    assert largest(np.array([0, 2, 2, 1, -1]), np.array([4, 3, 4, 0, 99]), 5) == [2, 0]


def test_a_segment_has_means_of_its_users_alone() -> None:
    """NDCG 0.5 and 0.7 of the UK's two users against 0.4 and 0.4, paired: +0.2."""
    settings = Settings(evaluation=Evaluation(resamples=50), segments=WANTED)
    plan = plan_of(settings)
    keys = measuring.keys(plan)[0]
    numbers = np.full((4, len(keys)), np.nan)
    numbers[:, keys.index(Key(FULL, "home", OURS, "ndcg_10"))] = [0.5, 0.7, 0.0, 0.0]
    numbers[:, keys.index(Key(FULL, "home", "personal_then_popular", "ndcg_10"))] = [0.4, 0.4, 0.9, 0.9]
    rows = segment_rows(keys, numbers, user_groups(USERS, WANTED), plan, settings)
    found = {(r["system"], r["segment"]): (r["value"], r["n_users"]) for r in rows if r["metric"] == "ndcg_10"}
    assert found[OURS, "segment:UK"] == (0.6, 2)
    mean, n_users = found[f"{MINUS}personal_then_popular", "segment:UK"]
    assert (round(mean, 12), n_users) == (0.2, 2)
    assert found[OURS, "users:heavy"] == (0.0, 1)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A catalogue of two users, of whom one has an age, as of two dates."""
    made = Layout(tmp_path)
    lake.create(made, tables.USERS)
    path = str(made.table(tables.USERS))
    schema = pa.schema(deltalake.DeltaTable(path).schema().to_arrow())
    for day, age in ((dt.date(2026, 1, 1), "young"), (dt.date(2026, 2, 1), "old")):
        rows = [
            {"as_of": day, "user_idx": user, "user_id": f"u{user}", "segment": "all", "attributes": [("age", value)]}
            for user, value in ((1, age), (2, None))
        ]
        deltalake.write_deltalake(path, pa.Table.from_pylist(rows, schema=schema), mode="append")
    return made


def test_columns_are_those_of_the_catalogue_of_the_date(layout: Layout) -> None:
    """The newest catalogue no later than the date; before the first one the oldest; a user not in it has no value."""
    users = pa.table({"user_idx": pa.array([2, 1, 7], pa.int32())})
    for day, age in ((dt.date(2026, 1, 20), "young"), (dt.date(2026, 3, 1), "old"), (dt.date(2025, 1, 1), "young")):
        assert with_columns(layout, users, ("age",), day)["age"].to_pylist() == [None, age, None]
    assert with_columns(layout, users, (), dt.date(2026, 3, 1)) is users


def test_a_column_that_the_shop_does_not_have_is_an_error(layout: Layout) -> None:
    """It names those that are there: no group is made of nothing."""
    users = pa.table({"user_idx": pa.array([1], pa.int32())})
    with pytest.raises(InputInvalid, match="The shop's users have no column country; they have age"):
        with_columns(layout, users, ("age", "country"), dt.date(2026, 3, 1))
