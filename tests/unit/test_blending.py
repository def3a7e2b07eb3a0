from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pytest

from contracts.errors import ArtifactCorrupt
from models.blending import blend


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    """Four hundred rows of five features, a tenth unknown."""
    random = np.random.default_rng(3)
    made = random.normal(size=(400, 5)).astype(np.float32)
    made[random.random(made.shape) < 0.1] = np.nan
    return made


def model(features: np.ndarray, objective: str, rounds: int) -> lgb.Booster:
    """A small model of whether the first two features add up to more than nothing."""
    labels = (np.nan_to_num(features[:, 0] + features[:, 1]) > 0).astype(int)
    group = [40] * 10 if objective == "lambdarank" else None
    settings = {"objective": objective, "num_leaves": 5, "min_data_in_leaf": 5, "verbosity": -1, "seed": 1}
    return lgb.train(settings, lgb.Dataset(features, labels, group=group), rounds)


def test_a_blend_scores_the_weighted_sum(features: np.ndarray) -> None:
    """Raw scores of 2 x lambdarank + 0.25 x log-loss, in one model of all their trees."""
    ranks, losses = model(features, "lambdarank", 7), model(features, "binary", 5)
    blended = lgb.Booster(model_str=blend([ranks.model_to_string(), losses.model_to_string()], [2.0, 0.25]))
    wanted = 2 * ranks.predict(features, raw_score=True) + 0.25 * losses.predict(features, raw_score=True)
    assert blended.num_trees() == 12
    np.testing.assert_allclose(blended.predict(features, raw_score=True), wanted, rtol=1e-12, atol=1e-12)


def test_contributions_of_a_blend_add_up_to_its_score(features: np.ndarray) -> None:
    """What each feature adds is told for a blend as for any model."""
    texts = [model(features, objective, 4).model_to_string() for objective in ("lambdarank", "binary")]
    blended = lgb.Booster(model_str=blend(texts, [1.0, 0.5]))
    told = blended.predict(features, pred_contrib=True).sum(axis=1)
    np.testing.assert_allclose(told, blended.predict(features, raw_score=True), rtol=1e-6, atol=1e-6)


def test_a_blend_of_one_is_that_model(features: np.ndarray) -> None:
    """Weight 1 changes no score."""
    one = model(features, "binary", 3)
    again = lgb.Booster(model_str=blend([one.model_to_string()], [1.0]))
    np.testing.assert_array_equal(again.predict(features, raw_score=True), one.predict(features, raw_score=True))


def test_a_text_without_trees_is_refused() -> None:
    """A damaged text is named before LightGBM sees it."""
    with pytest.raises(ArtifactCorrupt, match="no trees"):
        blend(["tree\nversion=v4\n"], [1.0])
