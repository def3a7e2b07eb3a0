from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
from pyspark.sql import DataFrame, SparkSession

from contracts.settings import Evaluation
from features import coverage, holdout
from jobs.kernels import measuring
from models.measures import Plan

CUT = dt.date(2026, 3, 1)
DAY = dt.timedelta(days=1)


def _interactions(spark: SparkSession) -> DataFrame:
    rows = [
        (CUT - DAY, 1, 10, 1),  # before the window
        (CUT, 1, 11, 1),
        (CUT + 6 * DAY, 1, 10, 2),  # last day of the window, bought before
        (CUT + 7 * DAY, 1, 12, 1),  # after the window
        (CUT, 1, 13, 0),  # only looked at
        (CUT + DAY, 1, 99, 1),  # first sold in the window
        (CUT + DAY, 1, 14, 1),  # excluded by the shop
        (CUT, 2, 11, 1),  # nothing bought before
        (CUT, 3, 14, 1),  # nothing that counts
        (CUT, 4, 11, 1),
        (CUT + 2 * DAY, 4, 11, 1),
        (CUT, 5, 11, 1),  # bought before, but cancelled as a whole
    ]
    return spark.createDataFrame(rows, "day date, user_idx int, item_idx int, n_purchases int")


def _histories(spark: SparkSession) -> DataFrame:
    rows = [
        (1, [10, 12], [1, 1], [1.0, 1.0]),
        (2, [7], [0], [0.0]),
        (3, [10], [1], [1.0]),
        (4, [11], [3], [3.0]),
        (5, [11], [1], [0.0]),
    ]
    return spark.createDataFrame(rows, "user_idx int, item_idx array<int>, baskets array<int>, quantities array<float>")


def _truth(spark: SparkSession, **wanted: Any) -> dict[int, tuple[list[int], list[int]]]:
    items = spark.createDataFrame([(10, True), (11, True), (14, False)], "item_idx int, is_recommendable boolean")
    rows = holdout.truth(
        _interactions(spark), _histories(spark), items, Evaluation(**wanted), cut=CUT, days=7, seed=1
    ).collect()
    return {row["user_idx"]: (row["truth_all"], row["truth_new"]) for row in rows}


def test_truth_is_what_counts_of_the_window(spark: SparkSession) -> None:
    """Distinct purchases of seven days by users who had bought before; item 99 is not in the catalogue and counts."""
    assert _truth(spark) == {1: ([10, 11, 99], [11, 99]), 4: ([11], [])}


def test_items_with_few_buyers_do_not_count(spark: SparkSession) -> None:
    """Item 11 has four buyers by the end of the window; 10 and 99 have one, however often they buy."""
    assert _truth(spark, min_item_buyers=4) == {1: ([11], [11]), 4: ([11], [])}
    assert _truth(spark, min_item_buyers=5) == {}


def test_the_number_of_users_is_bounded_and_the_choice_repeats(spark: SparkSession) -> None:
    """One of two users, the same one each time."""
    chosen = _truth(spark, max_users=1)
    assert len(chosen) == 1
    assert chosen == _truth(spark, max_users=1)


def test_lists_stand_beside_the_user_they_belong_to(spark: SparkSession) -> None:
    """Each placement has its column; a user without a list has a null, and other users' lists are left out."""
    truth = spark.createDataFrame([(1,), (4,)], "user_idx int")
    lists = spark.createDataFrame(
        [
            ("home", 1, [5, 3], [2.0, 1.0]),
            ("discover", 1, [8], [3.0]),
            ("home", 4, [2], [4.0]),
            ("home", 9, [1], [5.0]),
        ],
        "placement string, user_idx int, item_idx array<int>, scores array<float>",
    )
    plan = Plan((("home", True), ("discover", False)), ("own",), 10)
    at_home = lists.where("placement = 'home'")
    rows = measuring.with_lists(truth, plan, lists, at_home).orderBy("user_idx").collect()
    assert [tuple(row) for row in rows] == [
        (1, [5, 3], [8], [5, 3], None, [2.0, 1.0], None),
        (4, [2], None, [2], None, [4.0], None),
    ]
    rows = measuring.with_lists(truth, plan, lists, at_home, at_home).orderBy("user_idx").collect()
    assert [row["earlier_0"] for row in rows] == [[5, 3], [2]]


def test_users_without_list_and_fallback_are_counted(spark: SparkSession) -> None:
    """User 1 has a list, user 2 a fallback of its segment, user 3 an empty list and no fallback."""
    users = spark.createDataFrame([(1, "b"), (2, "a"), (3, "b")], "user_idx int, segment string")
    lists = spark.createDataFrame(
        [("home", 1, [5]), ("home", 3, [])], "placement string, user_idx int, item_idx array<int>"
    )
    found = coverage.users_without_any(users, lists, {"home": {"a"}, "mail": set()}).collect()
    assert {row["placement"]: row["n"] for row in found} == {"home": 1, "mail": 3}


def test_keys_of_a_plan_are_unique_and_name_every_placement() -> None:
    """A reference and a source of one name are two systems."""
    plan = Plan((("home", True), ("discover", False)), ("als", "popular"), 10, references=("popular", "ease"))
    numbers, lists = measuring.keys(plan)
    assert len(set(numbers)) == len(numbers)
    assert {key.placement for key in numbers} == {"home", "discover"}
    assert {"popular", "source_popular"} <= {system for _, system in lists}
    assert np.unique([system for placement, system in lists if placement == "home"]).size == len(lists) / 2
