"""The ranker: LightGBM, one booster a placement, of one loss or several."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Final

import lightgbm as lgb
import numpy as np

from contracts.errors import VocabularyMismatch
from contracts.settings import Loss, Ranker
from models import artifact, blending, calibration, tree_tables
from models.calibration import Calibration
from models.few_examples import recipe_of
from models.ragged import AnyArray, Bool, Float32, Int64
from models.tree_tables import BoosterUnfit, TreeTables

SPREAD_ROWS: Final = 100_000
_HASH_SCALE = float(2**64)


@dataclass(frozen=True, slots=True)
class Examples:
    """Training rows of one or more windows.

    Attributes:
        features: float32, shape (n, n_features).
        labels: 1 where bought.
        groups: rows of each user and window, in order; they sum to n.
        is_clicked: True where it was shown and clicked, and not bought; None where no window has a log.
        weights: float32, what each row counts; None where no window has a log, and all count alike.
    """

    features: Float32
    labels: AnyArray
    groups: Int64
    is_clicked: Bool | None = None
    weights: Float32 | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one model learns from.

    Attributes:
        draws: what was shown and what was bought, with other unbought rows in each.
        settings: losses, rounds, leaves and the rest: those of the placement.
    """

    draws: Sequence[Examples]
    settings: Ranker


def fit(lesson: Lesson, names: tuple[str, ...], *, click_gain: float = 1.0, seed: int, threads: int) -> str:
    """`fit_all` of one lesson."""
    return fit_all([lesson], names, click_gain=click_gain, seed=seed, threads=threads)[0]


def fit_all(
    lessons: Sequence[Lesson], names: tuple[str, ...], *, click_gain: float = 1.0, seed: int, threads: int
) -> list[str]:
    """A model of each lesson as LightGBM's text; the same lessons, seed and threads give the same texts.

    With several draws, losses or seeds a model is the sum of a booster of each, every one divided by the spread of its
    own scores. The boosters of all models are trained side by side, the longest first, with the threads shared out
    among them: the threads of one booster wait for each other at every leaf. Those that learn the same labels of the
    same rows share one binned dataset.

    Args:
        lessons: of each model.
        names: of the features, in the order of their columns.
        click_gain: worth of a clicked row, in purchases: its gain in lambdarank, its weight in binary.
        seed: of the features drawn for each tree; further boosters of a loss take the next ones.
        threads: of LightGBM.
    """
    models = [_boosters(lesson, seed) for lesson in lessons]
    wanted = sorted(chain.from_iterable(models), key=_work, reverse=True)
    each = max(threads // len(wanted), 1)

    def binned(one: _Booster) -> lgb.Dataset:
        return _dataset(one, names, click_gain, _parameters(one, each))

    def trained(one: _Booster) -> str:
        parameters = _parameters(one, each) | _gains_of(one, click_gain)
        return str(lgb.train(parameters, data[one.rows], num_boost_round=one.rounds).model_to_string())

    with ThreadPoolExecutor(max(threads // each, 1)) as pool:
        apart = {one.rows: one for one in wanted}
        data = dict(zip(apart, pool.map(binned, apart.values()), strict=True))
        texts = dict(zip(wanted, pool.map(trained, wanted), strict=True))
    return [
        _sum_of([texts[one] for one in model], lesson.draws[0].features[:SPREAD_ROWS])
        for model, lesson in zip(models, lessons, strict=True)
    ]


@dataclass(frozen=True, slots=True, eq=False)
class _Booster:
    """One booster to train; a model is the sum of several."""

    examples: Examples
    settings: Ranker
    loss: Loss
    seed: int
    rounds: int

    @property
    def has_clicks(self) -> bool:
        """Whether a row was clicked; what it is labelled is then the loss's own."""
        clicked = self.examples.is_clicked
        return clicked is not None and bool(clicked.any())

    @property
    def rows(self) -> tuple[int, Loss | None, int, int]:
        """Boosters of equal `rows` learn from one dataset: seed and `min_data_in_leaf` shape what LightGBM bins."""
        return id(self.examples), self.loss if self.has_clicks else None, self.seed, self.settings.min_data_in_leaf


def _boosters(lesson: Lesson, seed: int) -> list[_Booster]:
    draws = lesson.draws
    recipe = recipe_of(int((draws[0].labels > 0).sum()), lesson.settings)
    return [
        _Booster(draws[n % len(draws)], lesson.settings, loss, seed + n, recipe.rounds)
        for loss in recipe.losses
        for n in range(recipe.seeds * len(draws))
    ]


def _work(one: _Booster) -> int:
    """What training takes, in visits of rows."""
    return one.rounds * len(one.examples.labels)


def _sum_of(texts: list[str], sample: Float32) -> str:
    """One model of several, each divided by the spread of its scores of some rows; the only one as it is."""
    if len(texts) == 1:
        return texts[0]
    spreads = [float(np.std(predict(scorer(lgb.Booster(model_str=text)), sample))) for text in texts]
    return blending.blend(texts, [1 / max(spread, 1e-9) for spread in spreads])


def _dataset(one: _Booster, names: tuple[str, ...], click_gain: float, parameters: dict[str, Any]) -> lgb.Dataset:
    """What a booster learns from, binned."""
    examples, clicked = one.examples, one.examples.is_clicked
    labels, weights = examples.labels, examples.weights
    if clicked is not None and one.has_clicks:
        weights = np.ones(len(clicked), dtype=np.float32) if weights is None else weights
        if one.loss == "binary":
            labels, weights = clicked | (labels > 0), np.where(clicked, click_gain * weights, weights)
        else:
            labels = np.where(clicked, 1, 2 * labels)
    return lgb.Dataset(
        examples.features, labels, weight=weights, group=examples.groups, feature_name=list(names), params=parameters,
        free_raw_data=False,
    ).construct()  # fmt: skip


def _gains_of(one: _Booster, click_gain: float) -> dict[str, Any]:
    """What a click is worth to lambdarank, which labels a purchase 2."""
    return {"label_gain": [0, click_gain, 1]} if one.has_clicks and one.loss == "lambdarank" else {}


def _parameters(one: _Booster, threads: int) -> dict[str, Any]:
    settings = one.settings
    return {
        "objective": one.loss,
        "learning_rate": settings.learning_rate,
        "num_leaves": settings.num_leaves,
        "min_data_in_leaf": settings.min_data_in_leaf,
        "feature_fraction": settings.feature_fraction,
        "lambda_l2": settings.lambda_l2,
        "lambdarank_truncation_level": settings.lambdarank_truncation_level,
        "deterministic": True,
        "force_col_wise": True,
        "seed": one.seed,
        "num_threads": threads,
        "verbosity": -1,
    }


def save(
    folder: Path, boosters: dict[str, str], *, about: dict[str, Any], calibrations: dict[str, Calibration] | None = None
) -> str:
    """Writes the boosters as `<name>.txt` of one artifact, beside the calibrations; returns its SHA-256."""
    texts = {f"{name}.txt": text for name, text in boosters.items()}
    texts |= {calibration_file(name): made.to_json() for name, made in (calibrations or {}).items()}
    return artifact.save(folder, arrays={}, texts=texts, about=about)


def calibration_file(placement: str) -> str:
    """The file of a placement's calibration."""
    return f"calibration-{placement}.json"


def load_calibration(folder: Path, placement: str) -> Calibration:
    """The map from a placement's scores to probabilities. A ranker of one window has none.

    Raises:
        ArtifactCorrupt: it is absent, differs from the manifest or cannot be read.
    """
    return calibration.from_json(artifact.text(folder, calibration_file(placement)))


def load(folder: Path, name: str) -> lgb.Booster:
    """One booster, after its bytes were checked: LightGBM ends the process on a damaged file.

    Raises:
        ArtifactCorrupt: the file is absent or differs from the manifest.
    """
    return lgb.Booster(model_str=artifact.text(folder, f"{name}.txt"))


@dataclass(frozen=True, slots=True)
class Scorer:
    """A booster ready to score.

    Attributes:
        booster: the model.
        tables: its bit tables, or None where its trees do not fit any: more than 64 leaves, or linear.
    """

    booster: lgb.Booster
    tables: TreeTables | None


def scorer(booster: lgb.Booster) -> Scorer:
    """The booster with its bit tables, made once; one that does not fit any is scored by LightGBM, ten times slower."""
    try:
        return Scorer(booster, tree_tables.build(booster))
    except BoosterUnfit:
        return Scorer(booster, None)


def predict(scorer: Scorer, features: Float32) -> Float32:
    """Scores, float32, one a row; comparable within one model only.

    With and without tables they are those of `Booster.predict(raw_score=True)`, bit by bit.

    Raises:
        VocabularyMismatch: another number of features than the model has.
    """
    if features.shape[1] != scorer.booster.num_feature():
        raise VocabularyMismatch(
            f"The model has {scorer.booster.num_feature()} features, the matrix {features.shape[1]}.",
            where="models/ranker.py",
            todo="Train the ranker again: it was trained for other features or sources.",
        )
    if not len(features):
        return np.zeros(0, dtype=np.float32)
    if scorer.tables is None:
        scores = scorer.booster.predict(features, raw_score=True, num_threads=1)
    else:
        from models import tree_kernel

        scores = tree_kernel.score(scorer.tables, features)
    return np.asarray(scores, dtype=np.float32)


def gains(booster: lgb.Booster) -> dict[str, float]:
    """Share of the total gain by feature, largest first."""
    gain = booster.feature_importance("gain")
    shares = gain / max(gain.sum(), 1e-12)
    ranked = sorted(zip(booster.feature_name(), shares.tolist(), strict=True), key=lambda pair: -pair[1])
    return dict(ranked)


def is_sampled(keys: AnyArray, share: float | AnyArray, seed: int | Int64, *, nth: int = 0) -> AnyArray:
    """True for a `share`, one or each key's own, of int64 keys: by a hash of key and seed alone (splitmix64).

    Samples of other `nth` and the same keys, share and seed have no key in common.
    """
    with np.errstate(over="ignore"):
        mixed = keys.astype(np.uint64) + np.asarray(seed).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    at = mixed.astype(np.float64) / _HASH_SCALE
    return np.asarray((at >= nth * share) & (at < (nth + 1) * share))
