from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from contracts.errors import VocabularyMismatch
from models import ranker, tree_kernel, tree_tables
from models.ragged import AnyArray, Float32
from models.tree_tables import BoosterUnfit

N_FEATURES = 6
CATEGORICAL = 5
TINY = float(np.float32(1e-35))
ODD = (np.nan, np.inf, -np.inf, 0.0, -0.0, TINY, -TINY, 2e-35, -2e-35, 1e-45, -0.5, -1.0, 0.5, 31.999, 32.0, 3e9, 1e38)

MODELS: dict[str, dict[str, Any]] = {
    "regression": {},
    "without missing": {"use_missing": False},
    "zero as missing": {"zero_as_missing": True},
    "lambdarank": {"objective": "lambdarank"},
    "one tree": {"rounds": 1},
    "one leaf": {"min_data_in_leaf": 10_000, "rounds": 3},
    "two leaves": {"num_leaves": 2},
    "32 leaves": {"num_leaves": 32, "max_depth": -1},
    "64 leaves": {"num_leaves": 64},
    "17 trees": {"rounds": 17},
    "dart": {"boosting": "dart"},
}


def examples(seed: int, rows: int = 600) -> Float32:
    """Numbers, most in halves so that they repeat; a fifth NaN, a fifth zero; one column of 40 categories."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(rows, N_FEATURES)) * 4
    features[:, 1:] = (features[:, 1:] * 2).round() / 2
    features[random.random(features.shape) < 0.2] = np.nan
    features[random.random(features.shape) < 0.2] = 0
    features[:, CATEGORICAL] = random.integers(0, 40, rows)
    return features.astype(np.float32)


def train(seed: int = 1, *, rounds: int = 9, categorical: bool = True, **parameters: Any) -> lgb.Booster:
    """A booster for labels that depend on every column."""
    features = examples(seed)
    known = np.nan_to_num(features, nan=-3)
    labels = (
        known[:, :CATEGORICAL].sum(axis=1) + 5 * np.sin(known[:, CATEGORICAL] * 7) + 3 * (known[:, 0] > known[:, 1])
    )
    group = None
    if parameters.get("objective") == "lambdarank":
        labels, group = (labels > 1).astype(np.int8), [20] * 30
    if parameters.get("objective") == "multiclass":
        labels = np.arange(len(features)) % 3
    defaults = {"min_data_in_leaf": 3, "min_data_per_group": 3, "cat_smooth": 1, "verbosity": -1, "num_threads": 1}
    columns = [CATEGORICAL] if categorical else []
    data = lgb.Dataset(features, labels, group=group, categorical_feature=columns, params={"verbosity": -1})
    return lgb.train({"seed": seed, **defaults, **parameters}, data, num_boost_round=rounds)


def probes(booster: lgb.Booster, seed: int = 2) -> Float32:
    """Every threshold with its two float32 neighbours, odd values and ordinary ones, shuffled within columns."""
    thresholds = [
        float(number)
        for line in booster.model_to_string().splitlines()
        if line.startswith("threshold=")
        for number in line.split("=")[1].split()
    ]
    near = np.array(thresholds, dtype=np.float32)
    edges = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    random = np.random.default_rng(seed)
    pool = np.concatenate([np.tile(np.float32(ODD), 20), edges, random.integers(-3, 50, 100).astype(np.float32)])
    strange = np.stack([random.permutation(pool) for _ in range(N_FEATURES)], axis=1)
    return np.concatenate([strange, examples(seed)])


def assert_bitwise(booster: lgb.Booster, features: Float32) -> None:
    """The kernel's sums are LightGBM's, bit by bit."""
    expected = booster.predict(features, raw_score=True, num_threads=1)
    scores = tree_kernel.score(tree_tables.build(booster), features)
    assert scores.dtype == np.float64
    assert (scores.view(np.int64) == expected.view(np.int64)).all()


@pytest.mark.parametrize("parameters", MODELS.values(), ids=MODELS)
def test_sums_are_those_of_lightgbm_bit_by_bit(parameters: dict[str, Any]) -> None:
    """At thresholds and beside them, for NaN, infinities, zeros, numbers read as zero, and categories never seen."""
    booster = train(**parameters)
    assert_bitwise(booster, probes(booster))


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1_000),
    leaves=st.integers(2, 64),
    rounds=st.integers(1, 20),
    categorical=st.booleans(),
    missing=st.sampled_from(["nan", "zero", "none"]),
    drawn=arrays(np.float32, (8, N_FEATURES), elements=st.floats(width=32) | st.integers(-2, 41).map(float)),
)
def test_no_value_and_no_shape_of_tree_makes_a_difference(
    *, seed: int, leaves: int, rounds: int, categorical: bool, missing: str, drawn: AnyArray
) -> None:
    """Any float32 through any small booster."""
    kinds = {"use_missing": missing != "none", "zero_as_missing": missing == "zero"}
    booster = train(seed, rounds=rounds, categorical=categorical, num_leaves=leaves, **kinds)
    assert_bitwise(booster, np.concatenate([drawn, probes(booster, seed)]))


@pytest.mark.parametrize("n_rows", [0, 1, 3, 4, 255, 256, 257, 1_001])
def test_rows_of_one_user_share_values_and_change_nothing(n_rows: int) -> None:
    """Columns that change every 100 rows, at no round place of a block, beside ones that change in each row."""
    booster = train(num_leaves=31)
    features = np.resize(probes(booster), (n_rows, N_FEATURES))
    users = (np.arange(n_rows) + 37) // 100
    features[:, :3] = np.resize(probes(booster, 5), (12, 3))[users]
    assert_bitwise(booster, np.ascontiguousarray(features))


def test_a_block_is_scored_whatever_its_layout() -> None:
    """A matrix by columns, or every second row of one, gives the same scores."""
    booster = train()
    features = probes(booster)
    assert_bitwise(booster, np.asfortranarray(features))
    assert_bitwise(booster, features[::2])


ONE_AND_THREE = np.repeat(np.array([[1.0], [3.0]], dtype=np.float32), 20, axis=0)


def one_split() -> lgb.Booster:
    """One tree of two leaves, split half-way between 1 and 3."""
    data = lgb.Dataset(ONE_AND_THREE, ONE_AND_THREE[:, 0])
    return lgb.train({"num_leaves": 2, "min_data_in_leaf": 1, "verbosity": -1}, data, num_boost_round=1)


def test_the_words_of_one_split() -> None:
    """Up to 2 both leaves stay, above 2 the left one is out; NaN is read as zero; cuts at infinity are padding."""
    booster = one_split()
    tables = tree_tables.build(booster)
    assert tables.cuts.tolist() == [2.0, np.inf, np.inf, np.inf]
    assert tables.words.shape == (3, 16)
    assert tables.words[:, 0].tolist() == [0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
    assert (tables.words[:, 1:] == 0xFFFFFFFF).all()
    assert tables.leaves.tolist() == [booster.predict(ONE_AND_THREE[[0, 20]]).tolist()]


def test_a_value_equal_to_its_threshold_goes_left() -> None:
    """A threshold that float32 holds exactly; LightGBM's own lie a hair above."""
    text = one_split().model_to_string()
    exact = text.replace("threshold=2.0000000000000004\n", "threshold=2.0000000000000000\n")
    assert exact != text
    booster = lgb.Booster(model_str=exact)
    assert booster.predict([[2.0]]) == booster.predict([[1.0]]) != booster.predict([[3.0]])
    assert_bitwise(booster, np.array([[1.0], [2.0], [np.nextafter(np.float32(2), np.float32(3))]], dtype=np.float32))


UNFIT: dict[str, tuple[str, dict[str, Any]]] = {
    "65 leaves": ("65 leaves", {"num_leaves": 65}),
    "linear": ("linear", {"linear_tree": True}),
    "classes": ("not one sum", {"objective": "multiclass", "num_class": 3}),
    "forest": ("not one sum", {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}),
}


@pytest.mark.parametrize(("reason", "parameters"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_is_refused(reason: str, parameters: dict[str, Any]) -> None:
    """More than 64 leaves, linear trees, classes and averages have no tables."""
    booster = train(**parameters)
    with pytest.raises(BoosterUnfit, match=reason):
        tree_tables.build(booster)


@pytest.mark.parametrize("leaves", [31, 65])
def test_a_ranker_scores_with_tables_or_without(leaves: int) -> None:
    """65 leaves are left to LightGBM; either way the scores are its own, rounded to float32."""
    booster = train(num_leaves=leaves)
    scorer = ranker.scorer(booster)
    assert (scorer.tables is None) == (leaves == 65)
    features = probes(booster)
    scores = ranker.predict(scorer, features)
    assert scores.dtype == np.float32
    assert (scores == booster.predict(features, raw_score=True).astype(np.float32)).all()


@pytest.mark.parametrize("leaves", [31, 65])
def test_another_number_of_features_is_refused(leaves: int) -> None:
    """With tables and without."""
    scorer = ranker.scorer(train(num_leaves=leaves))
    with pytest.raises(VocabularyMismatch, match="6 features, the matrix 5"):
        ranker.predict(scorer, examples(1)[:, :5])
