"""What a user is (age, sex, income, country) is for fallback lists and for measuring fairness, and never a feature."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from contracts import tables
from contracts.settings import SCORER_NAMES, SOURCE_NAMES
from contracts.tables import Column
from models import ranking_features
from models.candidates import CandidateBlock
from models.item_arrays import CODES, NUMBERS, ItemArrays
from models.user_block import USER_NUMBERS, UserBlock

ROOT: Final = Path(__file__).parents[2]
WHO_READS_ATTRIBUTES: Final = {
    "features/catalogue.py", "jobs/evaluation/groups.py", "contracts/tables/landed.py", "contracts/tables/measured.py",
}  # fmt: skip
WORDS: Final = re.compile(r"\b(attributes|age_group|gender|sex|income|country|ethnicity|religion|marital)\b")


def _ancestors(column: Column) -> set[str]:
    """Every `table.column` that a column is computed from, in the end."""
    found: set[str] = set()
    waiting = list(column.derived_from)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            table, _, of_table = name.partition(".")
            waiting += tables.by_name(table).column(of_table).derived_from
    return found


@pytest.mark.parametrize("name", USER_NUMBERS)
def test_a_user_feature_is_computed_from_what_the_user_did(name: str) -> None:
    """No column of the users' catalogue is among its ancestors."""
    made_of = _ancestors(tables.USER_FEATURES.column(name))
    assert made_of
    assert not {source for source in made_of if source.startswith("users.")}


@pytest.mark.parametrize("name", [*NUMBERS, *CODES])
def test_an_item_feature_knows_no_user_but_as_a_buyer(name: str) -> None:
    """Neither does any item feature come of the users' catalogue."""
    table = tables.ITEM_FEATURES if name in NUMBERS else tables.ITEMS
    assert not {source for source in _ancestors(table.column(name)) if source.startswith("users.")}


def test_the_features_of_a_ranker_are_named_here() -> None:
    """A feature is of the user's numbers, the item's, the pair or a source; another needs a look at this test."""
    kinds = (
        "user_",
        "item_",
        "trend_",
        "pair_",
        "price_ratio",
        "quantity_ratio",
        "first_buyer_share",
        "affinity_",
        "fit_",
        "share_",
        "variety_",
        "recency_days_",
        "relative_price_",
        "score_",
        "rank_",
        "n_sources",
        "best_rank",
    )
    names = ranking_features.names(SOURCE_NAMES, SCORER_NAMES)
    assert not [name for name in names if not name.startswith(kinds)]
    assert {name.removeprefix("user_") for name in names if name.startswith("user_")} == {*USER_NUMBERS, "overdue"}
    assert not [name for name in names if WORDS.search(name.replace("_", " "))]


def test_only_the_catalogue_and_fairness_read_attributes() -> None:
    """No module that makes features, candidates or scores has the word."""
    folders = (
        "contracts/tables",
        "features",
        "models",
        "jobs/kernels",
        "jobs/training",
        "jobs/ranking",
        "jobs/evaluation",
    )
    found = {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        if re.search(r"\"attributes\"|\.attributes\b", path.read_text(encoding="utf-8"))
    }
    assert found == WHO_READS_ATTRIBUTES


def test_another_segment_changes_no_feature(block: UserBlock, items: ItemArrays) -> None:
    """All users moved to other segments have the same matrix for the same candidates, byte by byte."""
    made = CandidateBlock(
        rows=np.array([0, 0, 1]),
        items=np.array([0, 2, 4], dtype=np.int32),
        bits=np.ones(3, dtype=np.int32),
        scores=np.ones((3, 1), dtype=np.float32),
        ranks=np.ones((3, 1), dtype=np.int16),
    )
    before = ranking_features.matrix(block, made, items, today=1000)
    block.segments[:] = ["elsewhere"] * block.n_users
    assert ranking_features.matrix(block, made, items, today=1000).tobytes() == before.tobytes()
