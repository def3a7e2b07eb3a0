from __future__ import annotations

from pathlib import Path

import lightgbm
import numpy as np
import pytest
from msgspec.structs import replace

from contracts.errors import ArtifactCorrupt
from contracts.settings import Ranker
from models import ranker
from models.ranker import Examples, Lesson

SMALL = Ranker(few_examples=0, n_estimators=4, num_leaves=4, min_data_in_leaf=2, feature_fraction=1.0)


@pytest.fixture(scope="module")
def examples() -> Examples:
    """Thirty users with eight candidates each; the first feature says what is bought, the second nothing."""
    features = np.random.default_rng(7).normal(size=(240, 2)).astype(np.float32)
    labels = (features[:, 0] > 0.5).astype(np.int8)
    return Examples(features, labels, np.full(30, 8))


@pytest.fixture(scope="module")
def text(examples: Examples) -> str:
    """The model of the examples."""
    return ranker.fit(Lesson([examples], SMALL), ("useful", "noise"), seed=1, threads=1)


def test_the_same_examples_give_the_same_model(examples: Examples, text: str) -> None:
    """Model texts are equal to the letter, and another learning rate gives another."""
    assert ranker.fit(Lesson([examples], SMALL), ("useful", "noise"), seed=1, threads=1) == text
    other = Ranker(
        few_examples=0, n_estimators=4, num_leaves=4, min_data_in_leaf=2, feature_fraction=1.0, learning_rate=0.5
    )
    assert ranker.fit(Lesson([examples], other), ("useful", "noise"), seed=1, threads=1) != text


def test_two_losses_make_one_model(examples: Examples, text: str) -> None:
    """Its trees are those of both; its score is the sum of theirs, each divided by its own spread."""
    alone, both = (
        ranker.fit(Lesson([examples], replace(SMALL, losses=losses)), ("useful", "noise"), seed=1, threads=1)
        for losses in (("binary",), ("lambdarank", "binary"))
    )
    scores = [
        lightgbm.Booster(model_str=model).predict(examples.features, raw_score=True) for model in (text, alone, both)
    ]
    np.testing.assert_allclose(scores[2], scores[0] / scores[0].std() + scores[1] / scores[1].std(), rtol=1e-5)


def test_a_model_scores_what_is_bought_higher(tmp_path: Path, examples: Examples, text: str) -> None:
    """What was saved is loaded; bought rows score above others on average, and the useful feature has the gain."""
    ranker.save(tmp_path / "ranker", {"night-home": text}, about={})
    booster = ranker.load(tmp_path / "ranker", "night-home")
    scorer = ranker.scorer(booster)
    scores = ranker.predict(scorer, examples.features)
    assert scores.dtype == np.float32
    assert scores[examples.labels == 1].mean() > scores[examples.labels == 0].mean() + 0.1
    gains = ranker.gains(booster)
    assert next(iter(gains)) == "useful"
    assert sum(gains.values()) == pytest.approx(1)
    assert ranker.predict(scorer, examples.features[:0]).shape == (0,)


def test_a_damaged_model_never_reaches_lightgbm(tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """LightGBM ends the process on a truncated file: the error comes before."""
    ranker.save(tmp_path / "ranker", {"night-home": text}, about={})
    file = tmp_path / "ranker" / "night-home.txt"
    file.write_bytes(file.read_bytes()[:-40])

    def reached(*_: object, **__: object) -> None:
        pytest.fail("LightGBM saw a damaged model")

    monkeypatch.setattr(lightgbm, "Booster", reached)
    with pytest.raises(ArtifactCorrupt, match=r"night-home\.txt"):
        ranker.load(tmp_path / "ranker", "night-home")
    with pytest.raises(ArtifactCorrupt, match=r"night-mail\.txt"):
        ranker.load(tmp_path / "ranker", "night-mail")


def test_a_share_of_keys_is_sampled_by_hash_alone() -> None:
    """A fifth of 100,000 keys, give or take five standard deviations; the same ones in any order, others by seed."""
    keys = np.arange(100_000, dtype=np.int64) * 7_919
    sampled = ranker.is_sampled(keys, 0.2, seed=5)
    assert abs(np.count_nonzero(sampled) - 20_000) < 650
    assert (ranker.is_sampled(keys[::-1], 0.2, seed=5)[::-1] == sampled).all()
    both = np.count_nonzero(sampled & ranker.is_sampled(keys, 0.2, seed=6))
    assert abs(both - 4_000) < 320
    assert not ranker.is_sampled(keys, 0.0, seed=5).any()
    assert ranker.is_sampled(keys, 1.0, seed=5).all()
